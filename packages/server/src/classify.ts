// POST /classify: what a picture shows, and where in it that is seen (Grad-CAM).
import { encodeImage, gradCam, imagesTensor, magnify, overlay } from '@brickwork/vision';
import { z } from 'zod';
import { fields } from './fields.ts';
import { invalid } from './http-error.ts';
import { modelFor } from './model-for.ts';
import type { Call, Served } from './served.ts';

const schema = z.object({
  model: z.string().optional(),
  /** base64, or a data: URL of it. */
  image: z.string().min(1),
  top_k: z.int().min(1).max(100).default(5),
  grad_cam: z.boolean().default(false),
});

/** Answers a request. */
export async function classify(served: Served, { body, signal }: Call): Promise<Response> {
  const f = fields(schema, body);
  const { model, id } = modelFor(served.images, f.model, 'model of pictures');
  const text = f.image.replace(/^data:[^,]{0,100};base64,/, '');
  if (!/^[\w+/-]*={0,2}$/.test(text)) throw invalid('image: needs base64, or a data: URL of it', 'image');
  const bytes = Buffer.from(text, 'base64');
  return await served.reading.through(1, signal, async () => {
    const image = await model.processor.prepare(bytes).catch((error: unknown) => {
      throw invalid(`image: ${(error as Error).message}`, 'image');
    });
    const pixels = imagesTensor([image], model.processor.normalization);
    const { probabilities, predicted } = await model.classifier.classify(pixels);
    const classes = model.guesses(probabilities[0]!, f.top_k);
    let seen: string | null = null;
    if (f.grad_cam) {
      const { maps } = await gradCam(model.classifier, pixels, { targets: predicted[0]! });
      const picture = await magnify(
        overlay(image, maps.data as Float32Array),
        Math.max(1, Math.floor(224 / image.width)),
      );
      seen = `data:image/png;base64,${Buffer.from(await encodeImage(picture)).toString('base64')}`;
    }
    return Response.json({ object: 'classification', model: id, classes, ...(f.grad_cam && { grad_cam: seen }) });
  });
}
