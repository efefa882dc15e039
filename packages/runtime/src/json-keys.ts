// What JSON.parse doesn't say of a text from a stranger: how much memory it would take, and whether a key stands twice
// in one object, of which JSON.parse keeps the last, so that two readers of one file could see different tensors.

/** How deep a text's objects and arrays are nested, and how many marks of JSON it has. The text may be anything. */
export function nesting(text: string): { depth: number; marks: number } {
  let [depth, open, marks] = [0, 0, 0];
  for (let i = 0; i < text.length; i++)
    switch (text.charCodeAt(i)) {
      case 0x22: // "
        i = stringEnd(text, i);
        break;
      case 0x7b: // {
      case 0x5b: // [
        depth = Math.max(depth, ++open);
        marks++;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        open--;
        marks++;
        break;
      case 0x2c: // ,
      case 0x3a: // :
        marks++;
    }
  return { depth, marks };
}

/**
 * The first key that an object of the text repeats, or null. `"\u0061"` and `"a"` are one key.
 *
 * @param text valid JSON: parse it first.
 */
export function duplicateKey(text: string): string | null {
  // One set of keys for each open object, null for each open array.
  const open: (Set<string> | null)[] = [];
  let expectsKey = false;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x7b: // {
        open.push(new Set());
        expectsKey = true;
        break;
      case 0x5b: // [
        open.push(null);
        expectsKey = false;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        open.pop();
        expectsKey = false;
        break;
      case 0x2c: // ,
        expectsKey = open.at(-1) instanceof Set;
        break;
      case 0x22: {
        const end = stringEnd(text, i);
        if (expectsKey) {
          const key = JSON.parse(text.slice(i, end + 1)) as string;
          const keys = open.at(-1)!;
          if (keys.has(key)) return key;
          keys.add(key);
          expectsKey = false;
        }
        i = end;
      }
    }
  }
  return null;
}

// Where the string that opens at `start` closes, or the end of the text.
function stringEnd(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text.charCodeAt(i) !== 0x22) i += text.charCodeAt(i) === 0x5c ? 2 : 1;
  return i;
}
