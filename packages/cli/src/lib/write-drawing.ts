// Drawings that commands write.

/** Writes an SVG as it is, or as PNG where the file's name ends so: nothing is there but a whole one. */
export async function writeDrawing(path: string, svg: string): Promise<void> {
  const [{ toPng }, { writeFileAtomic }] = await Promise.all([
    import('@brickwork/training'),
    import('@brickwork/runtime'),
  ]);
  await writeFileAtomic(path, /\.png$/i.test(path) ? await toPng(svg) : svg);
}
