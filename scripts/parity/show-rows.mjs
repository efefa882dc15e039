// The rows of the parity report as a table, and below it why what fails does.

const cells = (row) => [
  row.name,
  row.class ?? '?',
  number(row.outputs),
  number(row.loss),
  number(row.gradients),
  row.tokens ?? '-',
  row.pass ? 'pass' : 'FAIL',
];
const number = (one) => (one ? one.difference.toExponential(1) : '-');
const head = ['checkpoint', 'class', 'outputs', 'loss', 'gradients', 'tokens', ''];

/**
 * @param {import('./check-checkpoint.mjs').Row[]} rows
 * @returns {string} lines, the last one counting what passed
 */
export function showRows(rows) {
  const table = [head, ...rows.map(cells)];
  const widths = head.map((_, i) => Math.max(...table.map((line) => line[i].length)));
  const lines = table.map((line) =>
    line
      .map((cell, i) => (i > 1 && i < 5 ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd(),
  );
  const failed = rows.filter((row) => !row.pass);
  const reasons = failed.flatMap((row) => [`${row.name}:`, ...row.reasons.map((reason) => `  ${reason}`)]);
  const summary = `${rows.length - failed.length} of ${rows.length} checkpoints pass`;
  return `${[...lines, ...(reasons.length ? ['', ...reasons] : []), '', summary].join('\n')}\n`;
}
