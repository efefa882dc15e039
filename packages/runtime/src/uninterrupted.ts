// Keeps a thread from being ended while it is inside the engine. Node ends the threads of a process that exits, and one
// that returns from native code of onnxruntime-node 1.30 then aborts the whole process ('terminate called after throwing
// an instance of Napi::Error', exit code 134). So a process that exits waits until its threads are out of the engine,
// and lets none in any more.

/** Shared by a thread and the one that started it: how many calls of the engine are under way, and whether to stop. */
export type Gate = Int32Array<SharedArrayBuffer>;
const [inside, closed] = [0, 1] as const;

const gates = new Set<Gate>();

/** A gate for a thread about to start. */
export function openGate(): Gate {
  const gate = new Int32Array(new SharedArrayBuffer(8));
  if (!gates.size) process.on('exit', closeGates);
  gates.add(gate);
  return gate;
}

/** Forgets the gate of a thread that has ended. */
export function forgetGate(gate: Gate): void {
  gates.delete(gate);
  if (!gates.size) process.off('exit', closeGates);
}

function closeGates(): void {
  for (const gate of gates) Atomics.store(gate, closed, 1);
  for (const gate of gates)
    for (let n = Atomics.load(gate, inside); n > 0; n = Atomics.load(gate, inside)) Atomics.wait(gate, inside, n);
}

/**
 * Does work in the engine that must not be interrupted.
 *
 * @throws where the process is ending; otherwise what the work throws.
 */
export async function uninterrupted<T>(gate: Gate, work: () => Promise<T>): Promise<T> {
  Atomics.add(gate, inside, 1);
  try {
    // Looked at after it was entered: whoever closes it looks the other way round, and one of the two sees the other.
    if (Atomics.load(gate, closed)) throw new Error('the process is ending');
    return await work();
  } finally {
    Atomics.sub(gate, inside, 1);
    Atomics.notify(gate, inside);
  }
}
