// Lists of thousands as people can read them.

/** The first ones, and how many more there are. */
export function firstFew(texts: readonly string[], most = 5): readonly string[] {
  return texts.length <= most ? texts : [...texts.slice(0, most), `and ${texts.length - most} more`];
}
