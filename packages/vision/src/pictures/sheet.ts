// Pictures side by side with a line of text below each: a contact sheet, as SVG or PNG.
import { toPng } from '@brickwork/training';
import { escapeMarkup } from '@brickwork/transformer';
import { encodeImage } from '../images/encode-image.ts';
import type { Pixels } from '../images/pixels.ts';

/** One picture of a sheet. */
export interface SheetItem {
  readonly image: Pixels;
  /** Lines below it. */
  readonly caption?: readonly string[];
  /** A frame's colour, as CSS has it; none unless given. */
  readonly frame?: string;
}

/** How the sheet is laid out. */
export interface SheetOptions {
  readonly title?: string;
  /** Pictures in a row; about as many as there are rows unless given. */
  readonly columns?: number;
  /** Width of a picture on the sheet; the pictures' own, made larger where they are small, unless given. */
  readonly size?: number;
}

const font = 'DejaVu Sans';
const gap = 12;
const line = 15;

/** An SVG with the pictures inside it. @throws where there are none. */
export async function pictureSheet(items: readonly SheetItem[], o: SheetOptions = {}): Promise<string> {
  if (!items.length) throw new Error('pictureSheet: there are no pictures');
  const widest = Math.max(...items.map(({ image }) => image.width));
  const lines = Math.max(...items.map(({ caption = [] }) => caption.length));
  const size = o.size ?? Math.min(320, lines ? Math.max(112, widest) : Math.max(40, widest));
  const columns = o.columns ?? Math.ceil(Math.sqrt(items.length));
  const rows = Math.ceil(items.length / columns);
  const tallest = Math.max(...items.map(({ image }) => (size * image.height) / image.width));
  const cell = { width: size + gap, height: tallest + gap + lines * line };
  const top = o.title ? 44 : gap;
  const width = Math.ceil(Math.max(columns * cell.width + gap, o.title ? 24 + 9 * o.title.length : 0));
  const height = Math.ceil(top + rows * cell.height + gap);
  const letters = Math.floor(size / 6.4);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="${font}, sans-serif" font-size="11">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    ...(o.title
      ? [`<text x="${gap}" y="27" font-size="15" font-weight="bold" fill="#1f2937">${escapeMarkup(o.title)}</text>`]
      : []),
  ];
  for (const [i, { image, caption = [], frame }] of items.entries()) {
    const x = gap + (i % columns) * cell.width;
    const y = top + Math.floor(i / columns) * cell.height;
    const h = (size * image.height) / image.width;
    const bytes = Buffer.from(await encodeImage(image)).toString('base64');
    // Small pictures are shown as their pixels are.
    const rendering = image.width < size ? ' image-rendering="optimizeSpeed" style="image-rendering:pixelated"' : '';
    parts.push(
      `<image x="${x}" y="${y}" width="${size}" height="${h.toFixed(1)}" preserveAspectRatio="none"${rendering} href="data:image/png;base64,${bytes}"/>`,
    );
    if (frame)
      parts.push(
        `<rect x="${x - 2}" y="${y - 2}" width="${size + 4}" height="${(h + 4).toFixed(1)}" fill="none" stroke="${escapeMarkup(frame)}" stroke-width="3"/>`,
      );
    caption.forEach((text, k) => {
      const shown =
        Array.from(text).length > letters
          ? `${Array.from(text)
              .slice(0, letters - 1)
              .join('')}…`
          : text;
      parts.push(
        `<text x="${x}" y="${(y + tallest + (k + 1) * line - 1).toFixed(1)}" fill="#374151">${escapeMarkup(shown)}</text>`,
      );
    });
  }
  return `${parts.join('\n')}\n</svg>\n`;
}

/** {@link pictureSheet} as a PNG. */
export const sheetPng = async (items: readonly SheetItem[], o: SheetOptions = {}): Promise<Uint8Array> =>
  toPng(await pictureSheet(items, o));
