// A picture of what was taken for what: a row for each true class, a column for each predicted one.
import { escapeMarkup } from '@brickwork/transformer';
import type { ConfusionMatrix } from './classification.ts';

/** How the picture is drawn. */
export interface ConfusionPictureOptions {
  readonly title?: string;
}

const font = 'DejaVu Sans';
const short = (text: string, most: number): string => {
  const signs = Array.from(text);
  return signs.length > most ? `${signs.slice(0, most - 1).join('')}…` : text;
};
const shown = (n: number): string =>
  n >= 1e6 ? `${(n / 1e6).toPrecision(3)}M` : n >= 1e4 ? `${(n / 1e3).toPrecision(3)}k` : String(n);

/**
 * An SVG of a confusion matrix: counts, and the share of the true class as a shade. Rows are true classes.
 *
 * @param names of the classes, in the matrix' order
 */
export function confusionPicture(
  matrix: ConfusionMatrix,
  names: readonly string[],
  { title = 'Predicted and true classes' }: ConfusionPictureOptions = {},
): string {
  const n = matrix.length;
  if (names.length !== n)
    throw new Error(`confusionPicture: ${names.length} names for ${n} classes; needs one for each`);
  const cell = n <= 6 ? 78 : n <= 12 ? 56 : n <= 30 ? 40 : 24;
  const most = n <= 12 ? 22 : 18;
  const longest = Math.max(...names.map((name) => Math.min(most, Array.from(name).length)));
  const side = 30 + 7.4 * longest;
  const turned = n > 3 && longest * 7.4 > cell - 6;
  const above = 78 + (turned ? 5.6 * longest + 12 : 18);
  const [width, height] = [Math.max(side + n * cell + 24, 420, 7.8 * title.length + 40), above + n * cell + 24];
  const right = turned ? 0.72 * 7.4 * longest : 0;
  const parts: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${Math.ceil(width + right)} ${Math.ceil(height)}" width="${Math.ceil(width + right)}" height="${Math.ceil(height)}" font-family="${font}, sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<text x="16" y="26" font-size="15" font-weight="bold" fill="#1f2937">${escapeMarkup(title)}</text>`,
    `<text x="16" y="46" fill="#6b7280">rows: true · columns: predicted · shade: share of the true class</text>`,
  ];
  names.forEach((name, c) => {
    const label = escapeMarkup(short(name, most));
    const x = side + (c + 0.5) * cell;
    parts.push(
      turned
        ? `<text transform="translate(${(x + 4).toFixed(1)} ${above - 8}) rotate(-45)" fill="#374151">${label}</text>`
        : `<text x="${x.toFixed(1)}" y="${above - 8}" text-anchor="middle" fill="#374151">${label}</text>`,
      `<text x="${(side - 8).toFixed(1)}" y="${(above + (c + 0.5) * cell + 4).toFixed(1)}" text-anchor="end" fill="#374151">${label}</text>`,
    );
  });
  matrix.forEach((row, r) => {
    const total = row.reduce((a, b) => a + b, 0);
    row.forEach((count, c) => {
      const share = total ? count / total : 0;
      const [x, y] = [side + c * cell, above + r * cell];
      const hue = r === c ? [37, 99, 235] : [220, 38, 38];
      const fill = hue.map((v) => Math.round(255 - (255 - v) * share)).join(', ');
      parts.push(
        `<rect x="${x.toFixed(1)}" y="${y}" width="${cell - 1}" height="${cell - 1}" fill="rgb(${fill})" stroke="#e5e7eb"/>`,
      );
      if (!count && n > 12) return;
      const ink = share > 0.55 ? '#ffffff' : count ? '#111827' : '#9ca3af';
      const middle = (x + cell / 2).toFixed(1);
      if (cell >= 56) {
        parts.push(
          `<text x="${middle}" y="${y + cell / 2 - 1}" text-anchor="middle" font-size="14" fill="${ink}">${shown(count)}</text>`,
          `<text x="${middle}" y="${y + cell / 2 + 15}" text-anchor="middle" font-size="10" fill="${ink}">${(100 * share).toFixed(share && share < 0.1 ? 1 : 0)}%</text>`,
        );
      } else
        parts.push(
          `<text x="${middle}" y="${y + cell / 2 + 3}" text-anchor="middle" font-size="${cell >= 40 ? 11 : 7}" fill="${ink}">${shown(count)}</text>`,
        );
    });
  });
  parts.push('</svg>');
  return `${parts.join('\n')}\n`;
}
