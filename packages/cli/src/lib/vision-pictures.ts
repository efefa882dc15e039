// Pictures that commands write: sheets of them as SVG, PNG or a page.
import { usage } from './errors.ts';
import type { SheetItem, SheetOptions } from '@brickwork/vision';
import { writeDrawing } from './write-drawing.ts';

/** @throws where a picture's file has another ending than those that are written. */
export function checkPictureName(flag: string, path: string | undefined): void {
  if (path !== undefined && !/\.(svg|png|html)$/i.test(path))
    throw usage(`--${flag} is '${path}'; needs a name that ends in .svg, .png or .html`);
}

/** Writes a sheet of pictures: nothing is there but a whole one. */
export async function writeSheet(path: string, items: readonly SheetItem[], o: SheetOptions): Promise<void> {
  const [{ pictureSheet }, { escapeMarkup }] = await Promise.all([
    import('@brickwork/vision'),
    import('@brickwork/transformer'),
  ]);
  const svg = await pictureSheet(items, o);
  if (!/\.html$/i.test(path)) return await writeDrawing(path, svg);
  await writeDrawing(
    path,
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escapeMarkup(o.title ?? 'Pictures')}</title><body style="margin:0">${svg}</body></html>\n`,
  );
}
