// What was made of a peer stays with it, so that of thousands only those that changed are worked on again. A peer that did not
// change is the same object as before (node/peers-file.ts).

/** `make` again only for what it was not asked about yet. */
export function remembered<Key extends object, Value>(make: (key: Key) => Value): (key: Key) => Value {
  const values = new WeakMap<Key, Value>();
  return (key) => {
    const known = values.get(key);
    if (known !== undefined) return known;
    const value = make(key);
    values.set(key, value);
    return value;
  };
}

/** The same of what depends on settings too: the last ones are remembered. */
export function rememberedFor<Key extends object, Value>(): (
  key: Key,
  settings: string,
  make: () => Value,
) => Value {
  const last = new WeakMap<Key, { readonly settings: string; readonly value: Value }>();
  return (key, settings, make) => {
    const known = last.get(key);
    if (known?.settings === settings) return known.value;
    const value = make();
    last.set(key, { settings, value });
    return value;
  };
}
