// Writes a sentence encoder as a folder of sentence-transformers: whole, or not at all.
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFolder, writeFileAtomic, writeSafetensors } from '@brickwork/runtime';
import type { EncoderParts } from './encoder-parts.ts';

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * Writes modules.json, config_sentence_transformers.json, sentence_bert_config.json, the body with its tokenizer, and a folder
 * for each module. A folder with a model in it is replaced; a model card in it stays.
 *
 * @throws where something can't be written, or the folder holds something else; then nothing has changed.
 */
export async function saveEncoder(parts: EncoderParts, folder: string): Promise<void> {
  const proof = (await exists(join(folder, 'modules.json'))) ? 'modules.json' : 'config.json';
  await replaceFolder(folder, (temporary) => write(parts, temporary), {
    proof,
    drop: (name) => /^(model.*\.safetensors(\.index\.json)?|pytorch_model.*\.bin(\.index\.json)?)$/.test(name),
  });
}

async function write({ body, modules, tokenizer, settings }: EncoderParts, folder: string): Promise<void> {
  const file = (name: string, content: string): Promise<void> => writeFileAtomic(join(folder, name), content);
  const entries = [{ idx: 0, name: '0', path: '', type: '' }];
  if (body.kind === 'transformer') {
    const { model } = body;
    const own = model.folder === null || !(await exists(join(model.folder, 'tokenizer.json')));
    await model.save(folder, own ? { files: { 'tokenizer.json': json(tokenizer.json) } } : {});
    await file(
      'sentence_bert_config.json',
      json({ max_seq_length: settings.maxLength, do_lower_case: settings.lowerCase }),
    );
    entries[0]!.type = 'sentence_transformers.models.Transformer';
  } else {
    const [vocabulary, width] = body.weights.get('embedding.weight')!.shape;
    await writeSafetensors(join(folder, 'model.safetensors'), body.weights, { metadata: { format: 'pt' } });
    await file('tokenizer.json', json(tokenizer.json));
    // Nothing reads it but people, and those who look for a model's folder.
    await file('config.json', json({ architectures: ['StaticEmbedding'], vocab_size: vocabulary, hidden_size: width }));
    entries[0]!.type = 'sentence_transformers.models.StaticEmbedding';
  }
  // A StaticEmbedding pools by itself.
  for (const { kind, config, weights } of modules.slice(body.kind === 'static' ? 1 : 0)) {
    const idx = entries.length;
    const path = `${idx}_${kind}`;
    entries.push({ idx, name: String(idx), path, type: `sentence_transformers.models.${kind}` });
    await mkdir(join(folder, path));
    if (kind !== 'Normalize') await file(join(path, 'config.json'), json(config));
    if (weights.size)
      await writeSafetensors(join(folder, path, 'model.safetensors'), weights, { metadata: { format: 'pt' } });
  }
  await file('modules.json', json(entries));
  const { prompts, defaultPrompt, similarity } = settings;
  await file(
    'config_sentence_transformers.json',
    json({ prompts, default_prompt_name: defaultPrompt, similarity_fn_name: similarity }),
  );
}
