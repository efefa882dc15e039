// A hub on this machine for tests: the API's answers, files under a commit, large ones redirected to a second server (the
// CDN), ranges, and every way in which this goes wrong.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');
export const gitSha1 = (content: Uint8Array): string =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');

/** One model on the fake hub, and how it behaves. Tests change the fields. */
export interface FakeModel {
  commit: string;
  files: Record<string, Uint8Array>;
  /** What is sent in place of a file's content. */
  sent?: Record<string, Uint8Array>;
  /** Only requests with this token are answered. */
  token?: string;
  /** The answer to those without: `GatedRepo` with 401, unless given. */
  refusal?: { status: number; code?: string };
}

/** A running fake hub. */
export class FakeHub {
  readonly models: Record<string, FakeModel> = {};
  /** `GET path range` of every request, those of the CDN with `cdn` before. */
  readonly requests: string[] = [];
  /** Headers that reached the CDN with a token in them: none should. */
  leaked = 0;
  /** Ends each of the CDN's answers after so many bytes, while positive. */
  cutAfter = 0;
  /** How many answers are still cut. */
  cuts = 0;
  /** Answers of this status come first, so many. */
  failing: { status: number; times: number } = { status: 503, times: 0 };
  ignoresRanges = false;
  /** The CDN sends each piece so many milliseconds after the one before. */
  delay = 0;
  url = '';
  readonly #hub: Server;
  readonly #cdn: Server;

  constructor() {
    this.#hub = createServer((request, response) => this.#answer(request, response));
    this.#cdn = createServer((request, response) => {
      this.requests.push(`cdn ${describe(request)}`);
      if (request.headers.authorization) this.leaked++;
      const [, id, name] = request.url!.split('/').map(decodeURIComponent);
      void this.#send(request, response, this.models[id!]!, name!, true);
    });
  }

  async start(): Promise<this> {
    await listen(this.#cdn);
    this.url = await listen(this.#hub);
    return this;
  }

  async stop(): Promise<void> {
    for (const server of [this.#hub, this.#cdn])
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
  }

  /** Requests for files, not for the API's lists. */
  get downloads(): string[] {
    return this.requests.filter((r) => !r.includes('/api/') && !r.startsWith('cdn'));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push(describe(request));
    const refuse = (status: number, code?: string): void => {
      response.writeHead(status, code ? { 'x-error-code': code } : {}).end('no');
    };
    if (this.failing.times > 0) {
      this.failing.times--;
      return refuse(this.failing.status);
    }
    const path = decodeURIComponent(request.url!.split('?')[0]!);
    const id = Object.keys(this.models).find((name) =>
      [`/api/models/${name}/`, `/${name}/`].some((start) => path.startsWith(start)),
    );
    if (!id) return refuse(404, 'RepoNotFound');
    const model = this.models[id]!;
    if (model.token && request.headers.authorization !== `Bearer ${model.token}`)
      return refuse(model.refusal?.status ?? 401, model.refusal ? model.refusal.code : 'GatedRepo');
    const rest = path.slice(path.indexOf(id) + id.length);
    const known = [model.commit, 'main', 'v1', 'refs/pr/1'];
    const info = /^\/revision\/(.+)$/.exec(rest);
    if (info) {
      if (!known.includes(info[1]!)) return refuse(404, 'RevisionNotFound');
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ _id: '1', id, sha: model.commit, lastModified: '2024-01-01T00:00:00.000Z' }));
      return;
    }
    const tree = `/tree/${model.commit}`;
    if (rest === tree || rest.startsWith(`${tree}/`)) {
      // The files of one folder, and the folders in it.
      const within = rest === tree ? '' : `${rest.slice(tree.length + 1)}/`;
      const below = Object.entries(model.files).filter(([name]) => name.startsWith(within));
      const own = below.filter(([name]) => !name.slice(within.length).includes('/'));
      const folders = new Set(
        below.flatMap(([name]) => {
          const [first, ...more] = name.slice(within.length).split('/');
          return more.length ? [within + first!] : [];
        }),
      );
      const list = own.map(([name, content]) => ({
        type: 'file',
        path: name,
        size: content.length,
        oid: gitSha1(content),
        ...(isLarge(name) && { lfs: { oid: sha256(content), size: content.length, pointerSize: 130 } }),
      }));
      response.setHeader('content-type', 'application/json');
      const directories = [...folders, ...(within ? [] : ['onnx'])].map((path) => ({
        type: 'directory',
        path,
        size: 0,
        oid: '0'.repeat(40),
      }));
      response.end(JSON.stringify([...directories, ...list]));
      return;
    }
    const file = new RegExp(`^/resolve/${model.commit}/(.+)$`).exec(rest)?.[1];
    if (!file || !model.files[file]) return refuse(404, 'EntryNotFound');
    const content = model.files[file];
    const etag = isLarge(file) ? sha256(content) : gitSha1(content);
    response.setHeader('x-repo-commit', model.commit);
    if (isLarge(file)) {
      const { port } = this.#cdn.address() as AddressInfo;
      response.setHeader('x-linked-etag', `"${etag}"`);
      response.setHeader('x-linked-size', content.length);
      response.writeHead(302, {
        location: `http://127.0.0.1:${port}/${encodeURIComponent(id)}/${encodeURIComponent(file)}`,
      });
      response.end();
      return;
    }
    response.setHeader('etag', `"${etag}"`);
    void this.#send(request, response, model, file, false);
  }

  async #send(
    request: IncomingMessage,
    response: ServerResponse,
    model: FakeModel,
    name: string,
    cuts: boolean,
  ): Promise<void> {
    const content = model.sent?.[name] ?? model.files[name]!;
    const from = this.ignoresRanges ? 0 : Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const body = content.subarray(from);
    response.writeHead(from ? 206 : 200, {
      'content-length': body.length,
      ...(from && { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` }),
    });
    const cut = cuts && this.cuts > 0;
    if (cut) this.cuts--;
    const part = cut ? body.subarray(0, this.cutAfter) : body;
    for (let at = 0; at < part.length; at += 65536) {
      response.write(part.subarray(at, at + 65536));
      if (this.delay) await new Promise((resolve) => setTimeout(resolve, this.delay));
    }
    if (!cut) return void response.end();
    // The bytes leave before the connection does.
    await new Promise((resolve) => setTimeout(resolve, 30));
    response.destroy();
  }
}

const isLarge = (name: string): boolean => /\.(safetensors|model|bin)$/.test(name);
const describe = ({ method, url, headers }: IncomingMessage): string =>
  `${method} ${url!.split('?')[0]}${headers.range ? ` ${headers.range}` : ''}`;

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
