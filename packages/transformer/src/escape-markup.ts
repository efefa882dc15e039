// Text as HTML and SVG show it.

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** A text with the signs that markup reads as its own written out. */
export const escapeMarkup = (text: string): string => text.replace(/[&<>"']/g, (c) => entities[c]!);
