// The server on a port: how it is reached, and how it ends.
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { createApp, type AppOptions } from './app.ts';
import { invalid } from './http-error.ts';
import type { Served } from './served.ts';

/** Where, and for whom. */
export interface ListenOptions extends Omit<AppOptions, 'closing' | 'hosts'> {
  /** This machine alone (127.0.0.1) unless given; 0.0.0.0 for all who can reach it. */
  readonly host?: string;
  /** 8080 unless given; 0 for any that is free. */
  readonly port?: number;
  /** Milliseconds that running requests are given to end when it closes; 10000 unless given. */
  readonly grace?: number;
}

/** A server that runs. */
export interface RunningServer {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  /** Takes no more requests, lets the running ones end, gives up those that take longer, and resolves once all are gone. */
  close(): Promise<void>;
}

const loopback = ['127.0.0.1', 'localhost', '::1', '[::1]'];

/** Starts a server. @throws where the port can't be had. */
export async function listen(
  served: Served,
  { host = '127.0.0.1', port = 8080, grace = 10_000, ...o }: ListenOptions = {},
): Promise<RunningServer> {
  const closing = new AbortController();
  const app = createApp(served, {
    ...o,
    closing: closing.signal,
    ...(loopback.includes(host) && { hosts: loopback }),
  });
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server;
  server.requestTimeout = 60_000; // until a request has been sent whole
  server.headersTimeout = 20_000;
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    const body = JSON.stringify(invalid(`This is no HTTP request that can be read: ${error.message}`).body);
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
    socket.end(
      `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  });
  server.listen(port, host);
  await once(server, 'listening');
  const { port: own } = server.address() as AddressInfo;
  let ended: Promise<void> | null = null;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${own}`,
    close: () => (ended ??= end()),
  };

  async function end(): Promise<void> {
    const closed = once(server, 'close');
    server.close();
    server.closeIdleConnections();
    const timer = setTimeout(() => {
      closing.abort();
      // What is told to those that are given up is sent first.
      setTimeout(() => server.closeAllConnections(), 500).unref();
    }, grace);
    await closed;
    clearTimeout(timer);
  }
}
