// One decoder for many generations at once (continuous batching: Yu et al., 2022, "Orca"): each drives a lane as if it had the
// decoder for itself; all lanes' steps are one pass, and lanes come and go between passes.
import { checkPrompts } from './check-prompts.ts';
import type { Decoder } from './decoder.ts';

/** A decoder whose rows can join while others are written. */
export type JoinableDecoder = Decoder & Required<Pick<Decoder, 'join' | 'stepMany' | 'truncate'>>;

/** How lanes share. */
export interface SharedDecoderOptions {
  /** Most rows at a time, those of all lanes; others wait. 16 unless given. */
  readonly maxRows?: number;
  /** Most tokens of prompts that are read between two steps, so that the others don't wait long; 512 unless given. */
  readonly maxPromptTokens?: number;
}

/** Turns of the event loop that a pass waits for those who have logits and haven't chosen yet. */
const turnsToWait = 8;

interface Waiting {
  readonly lane: Lane;
  resolve(logits: Float32Array): void;
  reject(error: unknown): void;
}
interface Prefill extends Waiting {
  readonly prompts: readonly (readonly number[])[];
}
interface Step extends Waiting {
  readonly ids: readonly number[];
}

/** Shares a decoder between lanes. While it is used, nothing else may drive the decoder. */
export class SharedDecoder {
  readonly #decoder: JoinableDecoder;
  readonly #maxRows: number;
  readonly #maxPromptTokens: number;
  // Lanes that hold rows or places for them.
  readonly #lanes = new Set<Lane>();
  readonly #prefills: Prefill[] = [];
  #steps: Step[] = [];
  // How many tokens each row of the decoder holds.
  #lengths: number[] = [];
  #isRunning = false;
  // Lanes that were given logits by the last passes.
  readonly #given = new Set<Lane>();

  constructor(decoder: JoinableDecoder, { maxRows = 16, maxPromptTokens = 512 }: SharedDecoderOptions = {}) {
    for (const [name, value] of Object.entries({ maxRows, maxPromptTokens }))
      if (!(Number.isInteger(value) && value > 0))
        throw new Error(`SharedDecoder: ${name} is ${value}; needs a whole number above 0`);
    this.#decoder = decoder;
    this.#maxRows = maxRows;
    this.#maxPromptTokens = maxPromptTokens;
  }

  /** How many rows are written now. */
  get rows(): number {
    return this.#lengths.length;
  }

  /** How many lanes wait for their first rows. */
  get waiting(): number {
    return this.#prefills.length;
  }

  /**
   * A decoder of its own for one generation; dispose it at the end, which frees its rows.
   *
   * @param rows how many rows it will have at most: a sample each
   * @throws where that is more than there can ever be.
   */
  lane(rows = 1): Decoder {
    if (!(Number.isInteger(rows) && rows > 0 && rows <= this.#maxRows))
      throw new Error(`SharedDecoder: a lane of ${rows} rows; needs 1 to ${this.#maxRows}`);
    return new Lane(this, rows);
  }

  get vocabularySize(): number {
    return this.#decoder.vocabularySize;
  }
  get contextLength(): number {
    return this.#decoder.contextLength;
  }

  prefill(lane: Lane, prompts: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array> {
    return this.#wait(signal, (o) => this.#prefills.push({ lane, prompts, ...o }), this.#prefills);
  }

  step(lane: Lane, ids: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    return this.#wait(signal, (o) => this.#steps.push({ lane, ids, ...o }), null);
  }

  /** A lane's rows are free from the next pass on. */
  leave(lane: Lane): void {
    this.#lanes.delete(lane);
    for (let i = this.#prefills.length - 1; i >= 0; i--)
      if (this.#prefills[i]!.lane === lane)
        this.#prefills.splice(i, 1)[0]!.reject(new Error('decoder: the lane was disposed'));
    this.#run();
  }

  // What waits can be given up until its turn comes; what runs then runs to its end.
  #wait(
    signal: AbortSignal | undefined,
    add: (o: Pick<Waiting, 'resolve' | 'reject'>) => void,
    queue: Waiting[] | null,
  ): Promise<Float32Array> {
    return new Promise<Float32Array>((resolve, reject) => {
      signal?.throwIfAborted();
      const done = (): void => signal?.removeEventListener('abort', stop);
      const o: Pick<Waiting, 'resolve' | 'reject'> = {
        resolve: (logits) => (done(), resolve(logits)),
        reject: (error) => (done(), reject(error)),
      };
      const stop = (): void => {
        const at = queue?.findIndex((one) => one.resolve === o.resolve) ?? -1;
        if (at >= 0) queue!.splice(at, 1);
        o.reject(signal!.reason);
      };
      signal?.addEventListener('abort', stop, { once: true });
      add(o);
      this.#run();
    });
  }

  #run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#loop().finally(() => {
      this.#isRunning = false;
      if (this.#prefills.length || this.#steps.length) this.#run();
    });
  }

  async #loop(): Promise<void> {
    for (;;) {
      await this.#gather();
      if (!this.#prefills.length && !this.#steps.length) return this.#arrange();
      try {
        this.#arrange();
        await this.#admit();
        await this.#advance();
      } catch (error) {
        this.#fail(error);
      }
    }
  }

  // Those that were just given logits choose their next tokens first, so that one pass takes all of them; but nobody waits for
  // one who takes long.
  async #gather(): Promise<void> {
    for (let turn = 0; turn < turnsToWait; turn++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      const ready = new Set(this.#steps.map(({ lane }) => lane));
      if ([...this.#given].every((lane) => ready.has(lane) || !this.#lanes.has(lane))) break;
    }
    this.#given.clear();
  }

  // After an error nothing is known of the rows: all who hold some or wait for a pass are told.
  #fail(error: unknown): void {
    const all = [...this.#prefills.splice(0), ...this.#steps.splice(0)];
    for (const lane of this.#lanes) lane.lose(error);
    this.#lanes.clear();
    this.#lengths = [];
    for (const one of all) one.reject(error);
  }

  // The decoder's rows become those that lanes still have; rows stay where they are as far as they can.
  #arrange(): void {
    const lanes = [...this.#lanes];
    const wanted = lanes.flatMap((lane) => lane.rows.map((row, i) => ({ lane, row, i })));
    const order: number[] = Array.from({ length: wanted.length }, () => -1);
    const moved: typeof wanted = [];
    const to = new Map<Lane, number[]>(lanes.map((lane) => [lane, []]));
    for (const one of wanted) {
      if (one.row < wanted.length && order[one.row] === -1) {
        order[one.row] = one.row;
        to.get(one.lane)![one.i] = one.row;
      } else moved.push(one);
    }
    for (const one of moved) {
      const free = order.indexOf(-1);
      order[free] = one.row;
      to.get(one.lane)![one.i] = free;
    }
    for (const [lane, rows] of to) lane.rows = rows;
    if (order.length === this.#lengths.length && order.every((row, i) => row === i)) return;
    if (order.length) this.#decoder.reorder(order);
    this.#lengths = order.map((row) => this.#lengths[row]!);
  }

  // Reads the prompts of lanes that there is room for.
  async #admit(): Promise<void> {
    let held = [...this.#lanes].reduce((n, lane) => n + lane.reserved, 0);
    let tokens = 0;
    const admitted: Prefill[] = [];
    while (this.#prefills.length) {
      const next = this.#prefills[0]!;
      const more = this.#lanes.has(next.lane) ? 0 : next.lane.reserved;
      const size = next.prompts.reduce((n, p) => n + p.length, 0);
      if (held + more > this.#maxRows || (admitted.length && tokens + size > this.#maxPromptTokens)) break;
      this.#prefills.shift();
      held += more;
      tokens += size;
      admitted.push(next);
    }
    if (!admitted.length) return;
    // A lane that starts over gives its old rows back.
    for (const { lane } of admitted) {
      lane.rows = [];
      this.#lanes.add(lane);
    }
    this.#arrange();
    const prompts = admitted.flatMap((one) => one.prompts);
    const before = this.#lengths.length;
    const logits = await (before ? this.#decoder.join(prompts) : this.#decoder.prefill(prompts)).catch(
      (error: unknown) => {
        for (const one of admitted) one.reject(error);
        throw error;
      },
    );
    this.#lengths.push(...prompts.map((p) => p.length));
    let at = 0;
    for (const one of admitted) {
      one.lane.rows = one.prompts.map((_, i) => before + at + i);
      this.#give(one, logits, at, one.prompts.length);
      at += one.prompts.length;
    }
  }

  // One pass for the lanes that have chosen their tokens. The others' rows are given one that is taken back.
  async #advance(): Promise<void> {
    const steps = this.#steps.filter(({ lane }) => this.#lanes.has(lane));
    this.#steps = [];
    if (!steps.length) return;
    this.#arrange(); // rows may have doubled since
    const ids = this.#lengths.map(() => [0]);
    const isReal = this.#lengths.map(() => false);
    for (const { lane, ids: own } of steps)
      lane.rows.forEach((row, i) => {
        ids[row] = [own[i]!];
        isReal[row] = true;
      });
    const V = this.vocabularySize;
    const most = this.contextLength - 1;
    // A row that is full can't be given another token, not even for a moment: its lane is about to leave or to start over.
    const lengths = this.#lengths.map((length, row) => (isReal[row] ? length : Math.min(length, most)));
    if (lengths.some((length, row) => length < this.#lengths[row]!)) this.#decoder.truncate(lengths);
    const logits = await this.#decoder.stepMany(ids).catch((error: unknown) => {
      for (const one of steps) one.reject(error);
      throw error;
    });
    const { normalizers } = this.#decoder;
    this.#lengths = lengths.map((length, row) => (isReal[row] ? length + 1 : length));
    if (isReal.includes(false)) this.#decoder.truncate(this.#lengths);
    for (const one of steps) {
      const { rows } = one.lane;
      const own = new Float32Array(rows.length * V);
      rows.forEach((row, i) => own.set(logits.subarray(row * V, (row + 1) * V), i * V));
      if (normalizers) one.lane.normalizers = Float32Array.from(rows, (row) => normalizers[row]!);
      this.#given.add(one.lane);
      one.resolve(own);
    }
  }

  #give({ lane, resolve }: Waiting, logits: Float32Array, first: number, count: number): void {
    const V = this.vocabularySize;
    const { normalizers } = this.#decoder;
    if (normalizers) lane.normalizers = normalizers.slice(first, first + count);
    this.#given.add(lane);
    resolve(logits.slice(first * V, (first + count) * V));
  }
}

// The decoder as one generation sees it.
class Lane implements Decoder {
  readonly vocabularySize: number;
  readonly contextLength: number;
  readonly reserved: number;
  normalizers: Float32Array = new Float32Array(0);
  /** Which of the decoder's rows are its own. */
  rows: number[] = [];
  readonly #shared: SharedDecoder;
  #lost: unknown = null;

  constructor(shared: SharedDecoder, reserved: number) {
    this.#shared = shared;
    this.reserved = reserved;
    this.vocabularySize = shared.vocabularySize;
    this.contextLength = shared.contextLength;
  }

  async prefill(prompts: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array> {
    if (prompts.length > this.reserved)
      throw new Error(`decoder: ${prompts.length} prompts for a lane of ${this.reserved} rows`);
    checkPrompts(prompts, this, 'decoder');
    this.#lost = null;
    return await this.#shared.prefill(this, prompts, signal);
  }

  async step(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    if (this.#lost) throw this.#lost;
    if (ids.length !== this.rows.length)
      throw new Error(`decoder: ${ids.length} tokens for ${this.rows.length} rows; needs one for each`);
    return await this.#shared.step(this, ids, signal);
  }

  reorder(order: readonly number[]): void {
    if (order.length > this.reserved) throw new Error(`decoder: ${order.length} rows for a lane of ${this.reserved}`);
    for (const row of order)
      if (!(Number.isInteger(row) && row >= 0 && row < this.rows.length))
        throw new Error(`decoder: reorder to row ${row} of ${this.rows.length}`);
    this.rows = order.map((row) => this.rows[row]!);
  }

  /** Its rows are gone, for this reason. */
  lose(error: unknown): void {
    this.rows = [];
    this.#lost = error;
  }

  async dispose(): Promise<void> {
    this.rows = [];
    this.#shared.leave(this);
  }
}
