// libvips by way of sharp, loaded when the first image is read: who only runs networks doesn't need it.
import type Sharp from 'sharp';

let loaded: Promise<typeof Sharp> | null = null;

/** @throws where there is no build of it for this kind of machine, or it wasn't installed. */
export function sharp(): Promise<typeof Sharp> {
  loaded ??= import('sharp').then(
    ({ default: found }) => {
      // One image after another needs no cache, and threads of the loader's own do better than those of one image.
      found.cache(false);
      found.concurrency(1);
      return found;
    },
    (error: unknown) => {
      loaded = null;
      throw new Error(
        `images need the library sharp, which can't be loaded on ${process.platform} ${process.arch}: ${(error as Error).message}; install again with its optional dependencies, or give pixels as arrays`,
        { cause: error },
      );
    },
  );
  return loaded;
}
