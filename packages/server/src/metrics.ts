// What the server tells Prometheus.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** The numbers of one server. */
export interface Metrics {
  readonly registry: Registry;
  readonly requests: Counter<'route' | 'status'>;
  readonly seconds: Histogram<'route'>;
  readonly firstToken: Histogram;
  readonly tokens: Counter<'kind'>;
}

/** Makes them. @param now what is read when they are asked for */
export function makeMetrics(now: { rows(): number; waiting(): number }): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): void => {
    registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(read());
        },
      }),
    );
  };
  gauge('lm_rows', 'Sequences that are written now', now.rows);
  gauge('lm_waiting', 'Sequences and jobs that wait for their turn', now.waiting);
  const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
  return {
    registry,
    requests: new Counter({
      name: 'lm_requests_total',
      help: 'Requests by route and status',
      labelNames: ['route', 'status'],
      registers,
    }),
    seconds: new Histogram({
      name: 'lm_request_seconds',
      help: 'How long requests took, to their end',
      labelNames: ['route'],
      buckets,
      registers,
    }),
    firstToken: new Histogram({
      name: 'lm_first_token_seconds',
      help: 'How long the first token took, waiting included',
      buckets,
      registers,
    }),
    tokens: new Counter({
      name: 'lm_tokens_total',
      help: 'Tokens by what was done with them: prompt, completion, embedding, scored',
      labelNames: ['kind'],
      registers,
    }),
  };
}
