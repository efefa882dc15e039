// Checks of what changes a frozen layer: LoRA, DoRA, (IA)³ and bottleneck adapters, on both weight layouts.
import assert from 'node:assert/strict';
import { input } from '../../packages/graph/src/index.ts';
import {
  Bottleneck,
  Conv1D,
  evaluating,
  IA3,
  initialize,
  Linear,
  LoRA,
  normal,
  parameters,
  Switched,
  training,
  type LinearAdapter,
  type LinearLayer,
} from '../../packages/nn/src/index.ts';
import { checkBrick } from '../check-brick.ts';
import { between } from '../check-op.ts';
import { at, nd, total, type Nd } from '../nd.ts';
import { throws, type Cases } from '../ops/cases.ts';

const [inputs, outputs] = [3, 4];
const linear = (): LinearLayer => new Linear(inputs, outputs);
const conv1d = (): LinearLayer => new Conv1D(inputs, outputs, normal(0.1));
function adapted(layer: LinearLayer, make: (layer: LinearLayer) => LinearAdapter): LinearLayer {
  layer.adapter = make(layer);
  return layer;
}
const times = (x: Nd, w: (m: number, k: number) => number, M: number): Nd => {
  const K = x.shape.at(-1)!;
  return nd([...x.shape.slice(0, -1), M], (...i) =>
    total(Array.from({ length: K }, (_, k) => at(x, ...i.slice(0, -1), k) * w(i.at(-1)!, k))),
  );
};
const add = (a: Nd, b: Nd, factor = 1): Nd => nd(a.shape, (...i) => at(a, ...i) + factor * at(b, ...i));
const layer = (x: Nd, w: Nd, b: Nd, first: boolean): Nd => {
  const y = times(x, (m, k) => (first ? at(w, m, k) : at(w, k, m)), outputs);
  return nd(y.shape, (...i) => at(y, ...i) + at(b, i.at(-1)!));
};
const change = (x: Nd, A: Nd, B: Nd, rank: number): Nd =>
  times(
    times(x, (r, k) => at(A, r, k), rank),
    (m, r) => at(B, m, r),
    outputs,
  );

export const adapterCases: Cases = {
  LoRA: {
    'adds a scaled product to either layout': async () => {
      for (const [make, first] of [
        [linear, true],
        [conv1d, false],
      ] as const)
        for (const shape of [
          [5, inputs],
          [2, 3, inputs],
        ])
          await checkBrick(() => adapted(make(), (l) => new LoRA(l, { rank: 2, alpha: 3 })), [shape], {
            reference: (x, w, b, A, B) => add(layer(x, w, b!, first), change(x, A!, B!, 2), 1.5),
          });
    },
    'rank-stabilised, named axes': async () => {
      await checkBrick(
        () => adapted(linear(), (l) => new LoRA(l, { rank: 4, alpha: 3, rankStabilized: true })),
        [[2, 3, inputs]],
        {
          reference: (x, w, b, A, B) => add(layer(x, w, b!, true), change(x, A!, B!, 4), 1.5),
          symbolic: [['B', 'T', inputs]],
        },
      );
    },
    'names, and no change at first': () => {
      const l = adapted(linear(), (one) => new LoRA(one, { rank: 2, dora: true }));
      assert.deepEqual(
        [...parameters(l).keys()],
        ['weight', 'bias', 'adapter.lora_A.weight', 'adapter.lora_B.weight', 'adapter.lora_magnitude_vector'],
      );
      const first = initialize(l, 1);
      assert.ok(first.get('adapter.lora_B.weight')!.data.every((v) => v === 0));
      const bound = 1 / Math.sqrt(inputs);
      assert.ok(first.get('adapter.lora_A.weight')!.data.every((v) => v !== 0 && Math.abs(v) <= bound));
    },
    'dropout only while training, and never without a context': () => {
      const l = adapted(linear(), (one) => new LoRA(one, { rank: 2, dropout: 0.5 }));
      const x = input('x', [5, inputs]);
      const nodes = (y: ReturnType<LinearLayer['forward']>): number => {
        const seen = new Set<unknown>();
        const walk = (t: typeof y): void => {
          if (seen.has(t)) return;
          seen.add(t);
          t.node?.inputs.forEach(walk);
        };
        walk(y);
        return seen.size;
      };
      assert.ok(nodes(l.forward(x, training())) > nodes(l.forward(x, evaluating())));
      assert.throws(() => l.forward(x), /dropout needs the context/);
    },
    'a rank that is none': () => throws(() => new LoRA(linear(), { rank: 0 }), 'LoRA: rank is 0'),
    'DoRA: rows of W + BA made as long as the magnitudes say; their norms are constants of the gradient': async () => {
      const reference = (first: boolean) => (x: Nd, w: Nd, b?: Nd, A?: Nd, B?: Nd, m?: Nd) => {
        const whole = nd([outputs, inputs], (o, i) => {
          const ba = at(B!, o, 0) * at(A!, 0, i) + at(B!, o, 1) * at(A!, 1, i);
          return (first ? at(w, o, i) : at(w, i, o)) + 1.5 * ba;
        });
        const norm = (o: number): number => Math.hypot(...Array.from({ length: inputs }, (_, i) => at(whole, o, i)));
        const y = times(x, (o, i) => at(whole, o, i), outputs);
        return nd(y.shape, (...i) => (at(y, ...i) * at(m!, i.at(-1)!)) / norm(i.at(-1)!) + at(b!, i.at(-1)!));
      };
      const make = (l: LinearLayer): LinearLayer =>
        adapted(l, (one) => new LoRA(one, { rank: 2, alpha: 3, dora: true }));
      for (const [one, first] of [
        [linear, true],
        [conv1d, false],
      ] as const)
        await checkBrick(() => make(one()), [[5, inputs]], {
          reference: reference(first),
          values: [
            first ? [outputs, inputs] : [inputs, outputs],
            [outputs],
            [2, inputs],
            [outputs, 2],
            between([outputs], 1, 2),
          ],
          fixed: [1, 3, 4],
        });
    },
  },
  IA3: {
    'scales what a layer gives, or takes': async () => {
      for (const [make, first] of [
        [linear, true],
        [conv1d, false],
      ] as const) {
        await checkBrick(() => adapted(make(), (l) => new IA3(l)), [[2, 3, inputs]], {
          reference: (x, w, b, s) => {
            const y = layer(x, w, b!, first);
            return nd(y.shape, (...i) => at(y, ...i) * at(s!, i.at(-1)!, 0));
          },
          symbolic: [['B', 'T', inputs]],
        });
        await checkBrick(() => adapted(make(), (l) => new IA3(l, { feedForward: true })), [[5, inputs]], {
          reference: (x, w, b, s) =>
            layer(
              nd(x.shape, (...i) => at(x, ...i) * at(s!, 0, i.at(-1)!)),
              w,
              b!,
              first,
            ),
        });
      }
    },
  },
  Bottleneck: {
    'a residual connection around two narrow layers': async () => {
      await checkBrick(
        () => adapted(linear(), (l) => new Bottleneck(l, { size: 2, activation: 'tanh' })),
        [[5, inputs]],
        {
          reference: (x, w, b, dw, db, uw, ub) => {
            const h = layer(x, w, b!, true);
            const d = times(h, (m, k) => at(dw!, m, k), 2);
            const f = nd(d.shape, (...i) => Math.tanh(at(d, ...i) + at(db!, i.at(-1)!)));
            const u = times(f, (m, k) => at(uw!, m, k), outputs);
            return nd(h.shape, (...i) => at(h, ...i) + at(u, ...i) + at(ub!, i.at(-1)!));
          },
        },
      );
    },
    'no change at first': () => {
      const first = initialize(
        adapted(linear(), (l) => new Bottleneck(l, { size: 2 })),
        1,
      );
      assert.ok(first.get('adapter.up.weight')!.data.every((v) => v === 0));
      assert.ok(first.get('adapter.up.bias')!.data.every((v) => v === 0));
      assert.ok(first.get('adapter.down.weight')!.data.some((v) => v !== 0));
    },
    'a size that is none': () => throws(() => new Bottleneck(linear(), { size: 1.5 }), 'size is 1.5'),
  },
  Switched: {
    'all kinds at once, on either layout': async () => {
      const parts = { rank: 2, stretch: true, input: true, output: true, size: 2, activation: 'tanh' };
      for (const [make, first] of [
        [linear, true],
        [conv1d, false],
      ] as const)
        await checkBrick(() => adapted(make(), (l) => new Switched(l, parts)), [[5, inputs]], {
          reference: (x, w, b, A, B, t, i, o, dw, db, uw, ub) => {
            const taken = nd(x.shape, (...n) => at(x, ...n) * at(i!, n.at(-1)!));
            const given = layer(taken, w, b!, first);
            const turned = times(x, (m, k) => (first ? at(w, m, k) : at(w, k, m)), outputs);
            const low = change(x, A!, B!, 2);
            const h = nd(given.shape, (...n) => {
              const c = n.at(-1)!;
              return at(given, ...n) * at(o!, c) + at(turned, ...n) * at(t!, c) + at(low, ...n);
            });
            const d = times(h, (m, k) => at(dw!, m, k), 2);
            const f = nd(d.shape, (...n) => Math.tanh(at(d, ...n) + at(db!, n.at(-1)!)));
            const u = times(f, (m, k) => at(uw!, m, k), outputs);
            return nd(h.shape, (...n) => at(h, ...n) + at(u, ...n) + at(ub!, n.at(-1)!));
          },
        });
    },
    'only the parts that are asked for': () => {
      const none = { rank: 0, stretch: false, input: false, output: false, size: 0, activation: 'relu' };
      const names = (more: Partial<typeof none>): string[] =>
        [...parameters(adapted(linear(), (l) => new Switched(l, { ...none, ...more }))).keys()].slice(2);
      assert.deepEqual(names({}), []);
      assert.deepEqual(names({ rank: 1 }), ['adapter.lora_A.weight', 'adapter.lora_B.weight']);
      assert.deepEqual(names({ stretch: true, output: true }), ['adapter.stretch', 'adapter.output']);
    },
  },
};
