/** Whether a name holds one of some texts; none does where there are no texts. */
export const patterns =
  (texts: readonly string[] = []) =>
  (name: string): boolean =>
    texts.some((text) => name.includes(text));
