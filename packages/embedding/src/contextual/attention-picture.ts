// Attention as heat maps: a row for each token that looks, a column for each that is looked at.
import { escapeMarkup } from '@brickwork/transformer';
import { meanHead, type AttentionMaps } from './attention-maps.ts';

/** What is drawn. */
export interface AttentionPictureOptions {
  /** The number of a head, from 0; the `mean` of all, unless given; or `all`, side by side. */
  readonly head?: number | 'mean' | 'all';
  readonly title?: string;
}

const font = 'DejaVu Sans';
const short = (text: string, most: number): string => {
  // What XML doesn't allow in a text isn't drawn.
  const signs = Array.from(text.replaceAll(/[\p{Cc}\p{Cs}\uFFFE\uFFFF]/gu, '·'));
  return signs.length > most ? `${signs.slice(0, most - 1).join('')}…` : signs.join('');
};
// White to dark blue: a share of the largest weight.
const stops = [
  [255, 255, 255],
  [198, 219, 239],
  [107, 174, 214],
  [33, 113, 181],
  [8, 48, 107],
] as const;
function colour(share: number): string {
  const at = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(at));
  const mixed = stops[i]!.map((low, c) => Math.round(low + (stops[i + 1]![c]! - low) * (at - i)));
  return `#${mixed.map((v) => v.toString(16).padStart(2, '0')).join('')}`;
}

interface Panel {
  readonly weights: Float32Array;
  readonly x: number;
  readonly y: number;
  readonly cell: number;
  readonly most: number;
  readonly numbers: boolean;
}

// One map's cells. Rows of equal colours are one rectangle.
function cells(T: number, { weights, x, y, cell, most, numbers }: Panel): string[] {
  const parts: string[] = [];
  const place = (n: number): string => String(Math.round(n * 100) / 100);
  for (let row = 0; row < T; row++)
    for (let first = 0; first < T;) {
      const fill = colour(weights[row * T + first]! / most);
      let end = first + 1;
      while (end < T && colour(weights[row * T + end]! / most) === fill) end++;
      if (fill !== '#ffffff')
        parts.push(
          `<rect x="${place(x + first * cell)}" y="${place(y + row * cell)}" width="${place((end - first) * cell)}" height="${place(cell)}" fill="${fill}"/>`,
        );
      first = end;
    }
  if (numbers)
    for (let i = 0; i < T * T; i++) {
      const share = weights[i]! / most;
      if (weights[i]! < 0.005) continue;
      parts.push(
        `<text x="${place(x + ((i % T) + 0.5) * cell)}" y="${place(y + (Math.floor(i / T) + 0.5) * cell + 4)}" text-anchor="middle" font-size="11" fill="${share > 0.55 ? '#ffffff' : '#1f2937'}">${weights[i]!.toFixed(2).replace(/^0/, '')}</text>`,
      );
    }
  parts.push(
    `<rect x="${place(x)}" y="${place(y)}" width="${place(T * cell)}" height="${place(T * cell)}" fill="none" stroke="#9ca3af"/>`,
  );
  return parts;
}

const document = (width: number, height: number, title: string, note: string, parts: readonly string[]): string =>
  `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${Math.ceil(width)} ${Math.ceil(height)}" width="${Math.ceil(width)}" height="${Math.ceil(height)}" font-family="${font}, sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    `<text x="16" y="26" font-size="15" font-weight="bold" fill="#1f2937">${escapeMarkup(title)}</text>`,
    `<text x="16" y="46" fill="#6b7280">${escapeMarkup(note)}</text>`,
    ...parts,
    '</svg>',
  ].join('\n')}\n`;

// From none to the largest weight.
function legend(x: number, y: number, most: number): string[] {
  const [width, n] = [120, 30];
  return [
    ...Array.from(
      { length: n },
      (_, i) =>
        `<rect x="${x + (i * width) / n}" y="${y}" width="${width / n + 0.5}" height="10" fill="${colour(i / (n - 1))}"/>`,
    ),
    `<rect x="${x}" y="${y}" width="${width}" height="10" fill="none" stroke="#9ca3af"/>`,
    `<text x="${x - 6}" y="${y + 9}" text-anchor="end" font-size="10" fill="#6b7280">0</text>`,
    `<text x="${x + width + 6}" y="${y + 9}" font-size="10" fill="#6b7280">${most.toFixed(2)}</text>`,
  ];
}

/**
 * An SVG of one head, of the mean of a layer's heads, or of all of them. Rows look at columns; the darkest is the largest
 * weight in the picture.
 *
 * @throws where there is no such head.
 */
export function attentionPicture(maps: AttentionMaps, { head = 'mean', title }: AttentionPictureOptions = {}): string {
  const { heads, layer } = maps;
  if (head === 'all') return grid(maps, title ?? `Attention, layer ${layer}, ${heads.length} heads`);
  if (head !== 'mean' && !(Number.isInteger(head) && head >= 0 && head < heads.length))
    throw new Error(
      `attentionPicture: head is ${JSON.stringify(head)}; needs a number from 0 to ${heads.length - 1}, 'mean' or 'all'`,
    );
  const name = head === 'mean' ? `mean of ${heads.length} heads` : `head ${head}`;
  return single(maps, head === 'mean' ? meanHead(maps) : heads[head]!, title ?? `Attention, layer ${layer}, ${name}`);
}

function single({ tokens }: AttentionMaps, weights: Float32Array, title: string): string {
  const T = tokens.length;
  const cell = T <= 16 ? 40 : T <= 32 ? 24 : T <= 64 ? 15 : Math.max(4, 960 / T);
  const labels = cell >= 12;
  const size = cell >= 24 ? 12 : 10;
  const names = tokens.map((token) => short(token, 14));
  const longest = Math.max(...names.map((name) => Array.from(name).length));
  const side = labels ? 24 + 0.64 * size * longest : 24;
  const above = 84 + (labels ? 0.64 * size * longest * 0.72 + 8 : 0);
  const most = Math.max(1e-9, ...weights);
  const parts = cells(T, { weights, x: side, y: above, cell, most, numbers: T <= 16 });
  if (labels)
    names.forEach((name, i) => {
      const label = escapeMarkup(name);
      parts.push(
        `<text transform="translate(${(side + (i + 0.5) * cell + 4).toFixed(1)} ${(above - 6).toFixed(1)}) rotate(-45)" font-size="${size}" fill="#374151">${label}</text>`,
        `<text x="${(side - 6).toFixed(1)}" y="${(above + (i + 0.5) * cell + 4).toFixed(1)}" text-anchor="end" font-size="${size}" fill="#374151">${label}</text>`,
      );
    });
  const width = Math.max(
    side + T * cell + 24 + (labels ? 0.64 * size * longest * 0.72 : 0),
    420,
    9.5 * title.length + 40,
  );
  parts.push(...legend(34, 56, most));
  return document(width, above + T * cell + 24, title, 'rows look at columns · each row adds up to 1', parts);
}

function grid({ tokens, heads }: AttentionMaps, title: string): string {
  const T = tokens.length;
  const columns = Math.min(heads.length, Math.max(2, Math.ceil(Math.sqrt(heads.length))));
  const rows = Math.ceil(heads.length / columns);
  const panel = Math.min(280, Math.max(120, 18 * T));
  const cell = panel / T;
  const labels = cell >= 9;
  const size = Math.min(11, Math.max(7, cell - 2));
  const names = tokens.map((token) => short(token, 9));
  const longest = Math.max(...names.map((name) => Array.from(name).length));
  const side = labels ? 12 + 0.64 * size * longest : 18;
  const above = 24 + (labels ? 0.64 * size * longest * 0.72 + 4 : 0);
  const most = Math.max(1e-9, ...heads.map((head) => head.reduce((a, b) => Math.max(a, b), 0)));
  const parts = heads.flatMap((weights, h) => {
    const x = side + (h % columns) * (panel + side + 12);
    const y = 76 + above + Math.floor(h / columns) * (panel + above + 16);
    return [
      `<text x="${x.toFixed(1)}" y="${(y - above + 14).toFixed(1)}" font-weight="bold" fill="#374151">head ${h}</text>`,
      ...cells(T, { weights, x, y, cell, most, numbers: false }),
      ...(labels
        ? names.flatMap((name, i) => [
            `<text transform="translate(${(x + (i + 0.5) * cell + size / 3).toFixed(1)} ${(y - 4).toFixed(1)}) rotate(-45)" font-size="${size.toFixed(1)}" fill="#6b7280">${escapeMarkup(name)}</text>`,
            `<text x="${(x - 4).toFixed(1)}" y="${(y + (i + 0.5) * cell + size / 3).toFixed(1)}" text-anchor="end" font-size="${size.toFixed(1)}" fill="#6b7280">${escapeMarkup(name)}</text>`,
          ])
        : []),
    ];
  });
  parts.push(...legend(34, 56, most));
  const width = Math.max(columns * (panel + side + 12) + 24, 420, 9.5 * title.length + 40);
  const height = 76 + rows * (panel + above + 16) + 12;
  return document(width, height, title, 'rows look at columns · each row adds up to 1', parts);
}
