// Pictures that commands write: sheets of them as SVG, PNG or a page.
import { usage } from './errors.ts';
import type { SheetItem, SheetOptions } from '@brickwork/vision';

/** @throws where a picture's file has another ending than those that are written. */
export function checkPictureName(flag: string, path: string | undefined): void {
  if (path !== undefined && !/\.(svg|png|html)$/i.test(path))
    throw usage(`--${flag} is '${path}'; needs a name that ends in .svg, .png or .html`);
}

/** Writes a sheet of pictures: nothing is there but a whole one. */
export async function writeSheet(path: string, items: readonly SheetItem[], o: SheetOptions): Promise<void> {
  const [{ pictureSheet }, { toPng }, { writeFileAtomic }, { escapeMarkup }] = await Promise.all([
    import('@brickwork/vision'),
    import('@brickwork/training'),
    import('@brickwork/runtime'),
    import('@brickwork/transformer'),
  ]);
  const svg = await pictureSheet(items, o);
  if (/\.png$/i.test(path)) return await writeFileAtomic(path, await toPng(svg));
  if (/\.svg$/i.test(path)) return await writeFileAtomic(path, svg);
  await writeFileAtomic(
    path,
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escapeMarkup(o.title ?? 'Pictures')}</title><body style="margin:0">${svg}</body></html>\n`,
  );
}
