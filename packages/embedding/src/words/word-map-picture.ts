// A map of words as SVG, and as one HTML page in which one can look around: move, zoom, search.
import { escapeMarkup } from '@brickwork/transformer';
import type { MappedWord } from './word-map.ts';

/** What is drawn. */
export interface WordMapPictureOptions {
  readonly title?: string;
  /** Pixels; 960 by 720 unless given. */
  readonly width?: number;
  readonly height?: number;
  /** Arrows from word to word: man to woman, king to queen. */
  readonly arrows?: readonly (readonly [from: string, to: string])[];
}

const font = 'DejaVu Sans';
// What XML doesn’t allow in a text isn’t drawn.
const escape = (text: string): string => escapeMarkup(text.replaceAll(/[\p{Cc}\p{Cs}\uFFFE\uFFFF]/gu, '·'));

interface Drawn extends MappedWord {
  /** Where its label begins, and its base line; null where there is no room for one. */
  readonly label: readonly [x: number, y: number] | null;
}

const size = 13;
const widthOf = (word: string): number => 0.62 * size * Array.from(word).length;

/** The map as SVG. Labels stand where none covers another; a word without room is a point with a tooltip. */
export function wordMapPicture(map: readonly MappedWord[], o: WordMapPictureOptions = {}): string {
  const { title = '', width = 960, height = 720, arrows = [] } = o;
  const words = place(map, width, height, title ? 56 : 24);
  const at = new Map(words.map((one) => [one.word, one]));
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="${font}, sans-serif" font-size="${size}">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#d1495b"/></marker></defs>',
    ...(title ? [`<text x="24" y="32" font-size="17" font-weight="bold" fill="#1f2937">${escape(title)}</text>`] : []),
    '<g id="map">',
  ];
  for (const [from, to] of arrows) {
    const [a, b] = [at.get(from), at.get(to)];
    if (!a || !b)
      throw new Error(`wordMapPicture: an arrow goes from ${from} to ${to}, and ${a ? to : from} is not on the map`);
    parts.push(
      `<line x1="${a.x.toFixed(1)}" y1="${a.y.toFixed(1)}" x2="${b.x.toFixed(1)}" y2="${b.y.toFixed(1)}" stroke="#d1495b" stroke-width="1.2" stroke-opacity="0.7" marker-end="url(#tip)"/>`,
    );
  }
  for (const { word, x, y, label } of words) {
    const text = escape(word);
    parts.push(
      `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3" fill="#1f5fa8"><title>${text}</title></circle>`,
    );
    if (label) parts.push(`<text x="${label[0].toFixed(1)}" y="${label[1].toFixed(1)}" fill="#1f2937">${text}</text>`);
  }
  return `${parts.join('\n')}\n</g></svg>\n`;
}

/** The same as a page without anything from elsewhere: drag to move, turn the wheel to zoom, type to find a word. */
export function wordMapPage(map: readonly MappedWord[], o: WordMapPictureOptions = {}): string {
  const { title = 'Words' } = o;
  const svg = wordMapPicture(map, { ...o, title: '' }).replace(
    '<svg ',
    '<svg id="svg" role="img" aria-label="map of words" ',
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>
  body { margin: 0; font: 15px system-ui, sans-serif; color: #1f2937; background: #fff; }
  header { padding: .6rem 1rem; display: flex; gap: 1rem; align-items: baseline; }
  h1 { font-size: 1.1rem; margin: 0; } input { font: inherit; padding: .15rem .4rem; }
  svg { width: 100vw; height: calc(100vh - 3.2rem); cursor: grab; touch-action: none; }
  circle.found { fill: #d1495b; r: 6px; } text.found { font-weight: bold; fill: #d1495b; }
</style></head><body>
<header><h1>${escape(title)}</h1><label>find <input id="find" type="search" autocomplete="off"></label><span id="note" role="status"></span></header>
${svg}
<script>
const svg = document.getElementById('svg'), box = svg.viewBox.baseVal, note = document.getElementById('note');
const scale = () => box.width / svg.clientWidth;
svg.addEventListener('wheel', (e) => {
  e.preventDefault();
  const f = Math.exp(e.deltaY / 500), r = svg.getBoundingClientRect();
  const x = box.x + ((e.clientX - r.left) / r.width) * box.width, y = box.y + ((e.clientY - r.top) / r.height) * box.height;
  box.x = x - (x - box.x) * f; box.y = y - (y - box.y) * f; box.width *= f; box.height *= f;
}, { passive: false });
svg.addEventListener('pointerdown', (e) => svg.setPointerCapture(e.pointerId));
svg.addEventListener('pointermove', (e) => { if (e.buttons) { box.x -= e.movementX * scale(); box.y -= e.movementY * scale(); } });
document.getElementById('find').addEventListener('input', (e) => {
  const word = e.target.value.trim().toLowerCase();
  let n = 0;
  for (const c of svg.querySelectorAll('circle')) {
    const hit = word !== '' && c.textContent.toLowerCase().includes(word);
    c.classList.toggle('found', hit); n += hit;
    if (c.nextElementSibling && c.nextElementSibling.tagName === 'text') c.nextElementSibling.classList.toggle('found', hit);
  }
  note.textContent = word === '' ? '' : n + ' found';
});
</script>
</body></html>
`;
}

// Places in pixels with the y axis upwards, and labels at one of four sides of their points, the first words first.
function place(map: readonly MappedWord[], width: number, height: number, top: number): Drawn[] {
  const range = (values: readonly number[]): [number, number] => [Math.min(...values), Math.max(...values)];
  const [x0, x1] = range(map.map(({ x }) => x));
  const [y0, y1] = range(map.map(({ y }) => y));
  const margin = 24;
  const side = Math.min(width / 4, Math.max(0, ...map.map(({ word }) => widthOf(word))));
  const across = (x: number): number => margin + ((x - x0) / (x1 - x0 || 1)) * (width - 2 * margin - side);
  const down = (y: number): number => height - margin - ((y - y0) / (y1 - y0 || 1)) * (height - margin - top);
  type Box = readonly [left: number, top: number, right: number, bottom: number];
  const points = map.map(({ word, x, y }) => ({ word, x: across(x), y: down(y) }));
  const taken: Box[] = points.map(({ x, y }) => [x - 3, y - 3, x + 3, y + 3]);
  const isFree = (box: Box): boolean =>
    box[0] >= 0 &&
    box[1] >= 0 &&
    box[2] <= width &&
    box[3] <= height &&
    taken.every(([l, t, r, b]) => box[2] < l || box[0] > r || box[3] < t || box[1] > b);
  return points.map((one) => {
    const w = widthOf(one.word);
    const sides: (readonly [number, number])[] = [
      [one.x + 6, one.y + 4],
      [one.x - 6 - w, one.y + 4],
      [one.x - w / 2, one.y - 7],
      [one.x - w / 2, one.y + 17],
    ];
    for (const [x, y] of sides) {
      const box: Box = [x, y - size + 2, x + w, y + 3];
      if (!isFree(box)) continue;
      taken.push(box);
      return { ...one, label: [x, y] as const };
    }
    return { ...one, label: null };
  });
}
