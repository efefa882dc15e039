// A page that shows which words of texts speak for which class: one file without scripts, fonts or images from elsewhere.
import { escapeMarkup } from '@brickwork/transformer';
import type { Evidence } from './evidence.ts';

/** A text, what it was taken for, and why. */
export interface JudgedText {
  /** The best class. */
  readonly label: string;
  readonly classes: readonly { readonly label: string; readonly logLikelihood: number; readonly probability: number }[];
  readonly evidence: readonly Evidence[];
  /** What is known to be true. */
  readonly actual?: string;
}

/** How the page looks. */
export interface EvidencePageOptions {
  /** Above all; 'What speaks for each class' unless given. */
  readonly title?: string;
  /** Evidence of so many nats has the full colour; 3 unless given. */
  readonly full?: number;
}

const style = `
:root { color-scheme: light; }
body { font: 16px/1.7 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: #1f2937; background: #fff; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
.text span { border-radius: 2px; }
.for { text-decoration: underline solid #1d4ed8 2px; text-underline-offset: 3px; }
.against { text-decoration: underline dotted #b91c1c 2px; text-underline-offset: 3px; }
table { border-collapse: collapse; margin: .5rem 0 1rem; font-size: .9rem; }
th, td { padding: .15rem .8rem .15rem 0; text-align: left; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.legend span { padding: .1rem .4rem; margin-right: .3rem; }
.note { color: #4b5563; font-size: .9rem; }`;

/**
 * An HTML page of texts whose pieces are coloured by how much they speak for the class that was found: blue with a line
 * below for it, red with dots below against it; a piece's tooltip has its number of nats.
 */
export function evidencePage(
  texts: readonly JudgedText[],
  { title = 'What speaks for each class', full = 3 }: EvidencePageOptions = {},
): string {
  if (!(full > 0)) throw new Error(`evidencePage: full is ${full}; needs a number above 0`);
  const parts = [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeMarkup(title)}</title><style>${style}\n</style></head><body>`,
    `<h1>${escapeMarkup(title)}</h1>`,
    `<p class="legend" role="note"><span class="for" style="${shade(full, full)}">for the class found</span> <span class="against" style="${shade(-full, full)}">against it</span> The stronger the colour, the more of the ${escapeMarkup(full.toString())} nats or more that the full colour stands for; pieces of less than a quarter of that have no line below. Point at a piece for its number.</p>`,
    '<main>',
    ...texts.map((one, i) => section(one, i, full)),
    '</main></body></html>',
  ];
  return `${parts.join('\n')}\n`;
}

function section({ label, classes, evidence, actual }: JudgedText, number: number, full: number): string {
  const rows = classes
    .toSorted((a, b) => b.probability - a.probability)
    .map(
      (c) =>
        `<tr><td>${escapeMarkup(c.label)}</td><td class="n">${c.probability.toFixed(4)}</td><td class="n">${c.logLikelihood.toFixed(2)}</td></tr>`,
    )
    .join('');
  const truth = actual === undefined ? '' : ` <span class="note">(in truth: ${escapeMarkup(actual)})</span>`;
  const table = `<table><thead><tr><th scope="col">class</th><th scope="col" class="n">probability</th><th scope="col" class="n">log-likelihood (nats)</th></tr></thead><tbody>${rows}</tbody></table>`;
  const sum = evidence.reduce((total, { logRatio }) => total + logRatio, 0);
  const pieces = evidence.map((piece) => span(piece, classes, full)).join('');
  return `<section><h2>${number + 1}. ${escapeMarkup(label)}${truth}</h2>\n${table}\n<p class="text">${pieces}</p>\n<p class="note">Together ${signed(sum)} nats for ${escapeMarkup(label)} against the rest.</p></section>`;
}

const signed = (nats: number): string => `${nats < 0 ? '−' : '+'}${Math.abs(nats).toFixed(2)}`;

function span({ text, logProbs, logRatio }: Evidence, classes: JudgedText['classes'], full: number): string {
  const strong = Math.abs(logRatio) >= full / 4 ? ` class="${logRatio > 0 ? 'for' : 'against'}"` : '';
  const each = classes.map(({ label }, c) => `${label} ${logProbs[c]?.toFixed(2)}`).join(', ');
  return `<span${strong} style="${shade(logRatio, full)}" title="${escapeMarkup(`${signed(logRatio)} nats (${each})`)}">${escapeMarkup(text)}</span>`;
}

// Light enough for dark text at any strength.
function shade(logRatio: number, full: number): string {
  const share = Number.isFinite(logRatio) ? Math.min(1, Math.abs(logRatio) / full) : 1;
  return `background:rgba(${logRatio > 0 ? '59,130,246' : '239,68,68'},${(0.5 * share).toFixed(2)})`;
}
