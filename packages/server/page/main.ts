// The page: a text that is written, coloured by how sure the model was; a search by meaning; what a picture shows.
import { classify, embed, setKey, write, type Written } from './api.ts';

const $ = <E extends HTMLElement>(id: string): E => document.getElementById(id) as E;
const note = (id: string, text: string, isBad = false): void => {
  $(id).textContent = text;
  $(id).classList.toggle('bad', isBad);
};
const failed = (id: string, error: unknown): void => note(id, (error as Error).message, true);

// Tabs
const tabs = [...document.querySelectorAll<HTMLButtonElement>('[role=tab]')];
function show(tab: HTMLButtonElement): void {
  for (const one of tabs) {
    one.ariaSelected = String(one === tab);
    one.tabIndex = one === tab ? 0 : -1;
    $(one.getAttribute('aria-controls')!).hidden = one !== tab;
  }
}
for (const [i, tab] of tabs.entries()) {
  tab.addEventListener('click', () => show(tab));
  tab.addEventListener('keydown', ({ key }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (step === undefined) return;
    const next = tabs[(i + step + tabs.length) % tabs.length]!;
    show(next);
    next.focus();
  });
}
const key = $<HTMLInputElement>('key');
key.value = sessionStorage.getItem('key') ?? '';
setKey(key.value);
key.addEventListener('change', () => {
  sessionStorage.setItem('key', key.value);
  setKey(key.value);
});

// Writing
const visible = (token: string): string => token.replaceAll('\n', '⏎').replaceAll(' ', '␣');
function tokenSpan({ text, token, logprob, alternatives }: Written): HTMLElement {
  const span = document.createElement('span');
  span.textContent = text;
  if (token === null) return span;
  const p = Math.exp(logprob);
  span.dataset['p'] = p.toFixed(4);
  // A thousandth is as surprising as it gets.
  span.style.setProperty('--surprise', String(Math.min(1, -logprob / Math.log(1000))));
  span.tabIndex = 0;
  const lines = alternatives.map(
    ([other, own]) =>
      `${other === token ? '▸' : ' '} ${`${(100 * Math.exp(own)).toFixed(1)}%`.padStart(6)}  ${visible(other)}`,
  );
  if (!alternatives.some(([other]) => other === token))
    lines.push(`▸ ${`${(100 * p).toFixed(1)}%`.padStart(6)}  ${visible(token)}`);
  const open = (): void => openTip(span, lines.join('\n'));
  span.addEventListener('mouseenter', open);
  span.addEventListener('focus', open);
  for (const event of ['mouseleave', 'blur']) span.addEventListener(event, () => ($('tip').hidden = true));
  return span;
}
function openTip(at: HTMLElement, text: string): void {
  const tip = $('tip');
  tip.textContent = text;
  tip.hidden = false;
  const box = at.getClientRects()[0] ?? at.getBoundingClientRect();
  const left = Math.min(box.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(8, left) + scrollX}px`;
  tip.style.top = `${box.bottom + 6 + scrollY}px`;
}
$('write-form').addEventListener('submit', (event) => {
  event.preventDefault();
  void writeNow();
});
async function writeNow(): Promise<void> {
  const number = (id: string): number => $<HTMLInputElement>(id).valueAsNumber;
  const prompt = $<HTMLTextAreaElement>('prompt').value;
  const stop = new AbortController();
  $('stop').onclick = () => stop.abort();
  $('go').hidden = true;
  $('stop').hidden = false;
  const given = Object.assign(document.createElement('span'), { className: 'given', textContent: prompt });
  $('text').replaceChildren(given);
  note('write-note', '');
  const started = performance.now();
  let count = 0;
  let sum = 0;
  try {
    const seed = number('seed');
    const body = { prompt, max_tokens: number('tokens') || 120, temperature: number('temperature') || 0 };
    for await (const written of write({ ...body, ...(Number.isInteger(seed) && { seed }) }, stop.signal)) {
      $('text').append(tokenSpan(written));
      count++;
      sum += written.logprob;
    }
  } catch (error) {
    if (!stop.signal.aborted) return failed('write-note', error);
  } finally {
    $('go').hidden = false;
    $('stop').hidden = true;
  }
  const rate = (1000 * count) / (performance.now() - started);
  note(
    'write-note',
    `${count} tokens, ${rate.toFixed(0)} a second; perplexity ${Math.exp(-sum / (count || 1)).toFixed(2)}`,
  );
}

// Searching
$<HTMLTextAreaElement>('texts').value = [
  'A dog is running after a ball in the park.',
  'Two kittens are playing with a piece of string.',
  'The parliament voted on the new budget.',
  'A woman is slicing an onion in the kitchen.',
  'The train to the coast leaves at noon.',
  'A man is playing the guitar on the street.',
].join('\n');
$('search-form').addEventListener('submit', (event) => {
  event.preventDefault();
  void searchNow();
});
async function searchNow(): Promise<void> {
  const texts = $<HTMLTextAreaElement>('texts')
    .value.split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  if (!texts.length) return note('search-note', 'There are no texts to search.', true);
  note('search-note', 'searching …');
  try {
    const [query, ...vectors] = await embed([$<HTMLInputElement>('query').value, ...texts]);
    const likeness = vectors.map((v) => v.reduce((s, x, i) => s + x * query![i]!, 0));
    const order = texts.map((_, i) => i).toSorted((a, b) => likeness[b]! - likeness[a]!);
    $('found').replaceChildren(...order.map((i) => bar(texts[i]!, likeness[i]!, likeness[i]!.toFixed(3))));
    note('search-note', `${texts.length} texts by cosine similarity`);
  } catch (error) {
    failed('search-note', error);
  }
}
function bar(text: string, share: number, label: string): HTMLElement {
  const item = document.createElement('li');
  const meter = Object.assign(document.createElement('meter'), { min: 0, max: 1, value: Math.max(0, share) });
  item.append(meter, ` ${label}  ${text}`);
  return item;
}

// Pictures
const drop = $('drop');
const file = $<HTMLInputElement>('file');
file.addEventListener('change', () => void look(file.files?.[0]));
drop.addEventListener('dragover', (event) => {
  event.preventDefault();
  drop.classList.add('over');
});
drop.addEventListener('dragleave', () => drop.classList.remove('over'));
drop.addEventListener('drop', (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  void look(event.dataTransfer?.files[0]);
});
async function look(picture: File | undefined): Promise<void> {
  if (!picture) return;
  note('pictures-note', 'looking …');
  try {
    const url = await new Promise<string>((resolve, reject) => {
      const reader = new FileReader();
      reader.addEventListener('load', () => resolve(reader.result as string));
      reader.addEventListener('error', () => reject(reader.error));
      reader.readAsDataURL(picture);
    });
    const { classes, grad_cam: seen } = await classify(url);
    for (const [id, src] of [
      ['picture', url],
      ['seen', seen],
    ] as const) {
      $<HTMLImageElement>(id).src = src;
      $(id).hidden = false;
    }
    $('seen-note').textContent = `where '${classes[0]!.label}' was seen (Grad-CAM)`;
    $('classes').replaceChildren(
      ...classes.map(({ label, probability }) => bar(label, probability, `${(100 * probability).toFixed(1)}%`)),
    );
    note('pictures-note', '');
  } catch (error) {
    failed('pictures-note', error);
  }
}
