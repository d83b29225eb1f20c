// How what is there differs from what should be.
export interface Fault {
  readonly expected: string;
  readonly found: string;
}

export function unequal(expected: string | number, found: string | number | undefined): Fault | undefined {
  if (expected === found) return undefined;
  return { expected: String(expected), found: found === undefined ? "nothing" : String(found) };
}
