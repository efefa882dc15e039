// Finds a key that stands twice in one JSON object. JSON.parse keeps the last and says nothing, so that two readers of
// one file could see different tensors.

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

// Where the string that opens at `start` closes.
function stringEnd(text: string, start: number): number {
  let i = start + 1;
  while (text.charCodeAt(i) !== 0x22) i += text.charCodeAt(i) === 0x5c ? 2 : 1;
  return i;
}
