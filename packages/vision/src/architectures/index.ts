// Which image architecture config.json means by its `model_type`.
import type { Architecture } from '@brickwork/transformer';
import { classicArchitectures } from './classics.ts';
import { clip, clipText, clipVision } from './clip.ts';
import { convVae } from './conv-vae.ts';
import { resnet } from './resnet.ts';
import { vitMae } from './vit-mae.ts';
import { vit } from './vit.ts';

/** Image architectures by `model_type`. */
export const visionArchitectures: Readonly<Record<string, Architecture>> = {
  ...classicArchitectures,
  clip,
  clip_text_model: clipText,
  clip_vision_model: clipVision,
  conv_vae: convVae,
  resnet,
  vit,
  vit_mae: vitMae,
};
