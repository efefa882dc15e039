// A thread that makes images ready while the network learns from others.
import { parentPort, workerData } from 'node:worker_threads';
import type { ImageSet } from './image-set.ts';
import { prepareImages, type ImageRequest, type Preparation } from './read-image.ts';

const { set, preparation } = workerData as { readonly set: ImageSet; readonly preparation: Preparation };

parentPort!.on('message', ({ id, request }: { readonly id: number; readonly request: ImageRequest }) => {
  prepareImages(set, preparation, request).then(
    (answer) => parentPort!.postMessage({ id, answer }, [answer.values.buffer as ArrayBuffer]),
    (error: unknown) => parentPort!.postMessage({ id, error: (error as Error).message }),
  );
});
