// Keeps the engine from reporting its use. onnxruntime-node 1.30 for Linux starts Microsoft's telemetry with the first
// session: it sends to mobile.events.data.microsoft.com, keeps an identifier of the machine in ~/.cache/Microsoft, and
// leaves a `mat-debug-PID.log` per process in the temporary folder. What people compute here is theirs.

/** Switches the engine's telemetry off, unless ORT_DISABLE_TELEMETRY was set to something else. Before the first session. */
export function refuseTelemetry(): void {
  process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
}
