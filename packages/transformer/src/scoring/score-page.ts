// Scored texts as one HTML page: every token or word on a colour for how surprising it is, its numbers where one points.
import { escapeMarkup } from '../escape-markup.ts';
import { scoredWords, toBits } from './aggregate.ts';
import type { Scored } from './scored.ts';

/** How the page looks. */
export interface ScorePageOptions {
  /** Heading; 'Surprisal' unless given. */
  readonly title?: string;
  /** What has a colour; tokens unless given. */
  readonly by?: 'token' | 'word';
  /** Bits instead of nats; false unless given. */
  readonly bits?: boolean;
  /** The surprisal with the full colour, in the page's unit; 15 bits (10.4 nats) unless given. */
  readonly most?: number;
}

/** One self-contained page: no scripts, nothing that is fetched. */
export function scorePage(texts: readonly Scored[], options: ScorePageOptions = {}): string {
  const { title = 'Surprisal', by = 'token', bits = false } = options;
  const unit = bits ? 'bits' : 'nats';
  const inUnit = (nats: number): number => (bits ? toBits(nats) : nats);
  const { most = inUnit(15 * Math.LN2) } = options;
  const shade = (surprisal: number): string => `--s:${Math.min(1, Math.max(0, surprisal / most)).toFixed(3)}`;
  const span = (text: string, logProb: number | null): string => {
    if (logProb === null) return `<span class="none" title="nothing predicts it">${escapeMarkup(text)}</span>`;
    const surprisal = inUnit(-logProb);
    const tip = `${surprisal.toFixed(2)} ${unit}, p = ${Math.exp(logProb).toPrecision(3)}`;
    return `<span style="${shade(surprisal)}" title="${tip}">${escapeMarkup(text)}</span>`;
  };
  const article = (scored: Scored): string => {
    const parts = by === 'word' ? scoredWords(scored) : scored.tokens;
    let end = 0;
    let html = '';
    for (const part of parts) {
      // Of tokens that share a character, the first shows it.
      const [from, to] = [Math.max(end, part.start), Math.max(end, part.end)];
      html +=
        escapeMarkup(scored.text.slice(end, from)) + (to > from ? span(scored.text.slice(from, to), part.logProb) : '');
      end = to;
    }
    html += escapeMarkup(scored.text.slice(end));
    const numbers = [
      `${inUnit(-scored.logProb).toFixed(2)} ${unit}`,
      `${scored.count} tokens`,
      ...(scored.count ? [`${inUnit(-scored.logProb / scored.count).toFixed(2)} ${unit} a token`] : []),
      `${toBits(-scored.logProb / scored.bytes).toFixed(3)} bits a byte`,
    ];
    const context = scored.context ? `<span class="context">${escapeMarkup(scored.context)}</span>` : '';
    return `<article><p>${context}${html}</p><footer>${numbers.join(' · ')}</footer></article>`;
  };
  const steps = [0, 0.25, 0.5, 0.75, 1];
  const legend = steps.map((s) => `<span style="--s:${s}">${(s * most).toFixed(1)}</span>`).join('');
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeMarkup(title)}</title>
<style>
  body { margin: 2rem auto; max-width: 50rem; padding: 0 1rem; font: 1.05rem/1.9 system-ui, sans-serif; color: #111; background: #fff; }
  p { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
  span[style] { background: rgb(214 69 24 / calc(var(--s) * 0.75)); border-radius: 2px; }
  .none { border-bottom: 1px dotted #888; }
  .context { color: #666; }
  article { margin: 1.2rem 0; }
  footer, .legend { font-size: 0.85rem; color: #555; }
  .legend span { padding: 0.1rem 0.6rem; color: #111; }
</style>
<h1>${escapeMarkup(title)}</h1>
<div class="legend">${unit} of surprisal, −${bits ? 'log₂' : 'ln'} p: ${legend}</div>
${texts.map(article).join('\n')}
</html>
`;
}
