// Reads what iptables-legacy lists (`-S`). A text is quoted there if it has more than letters, digits, - and _ in it, and may be
// anything: options, quotes, whole lines. So words are taken apart first, and a value is never taken for an option.
export interface LegacyRule {
  readonly chain: string;
  /** As it is listed. */
  readonly text: string;
  /** Where packets that match go; undefined if they only count. */
  readonly target?: string;
  readonly matches: readonly LegacyMatch[];
}

export interface LegacyMatch {
  /** As "-s". */
  readonly option: string;
  readonly value: string;
  readonly isNegated: boolean;
}

export interface LegacyListing {
  /** By chains. */
  readonly policies: ReadonlyMap<string, string>;
  /** Chains that are the table's own. */
  readonly chains: ReadonlySet<string>;
  readonly rules: readonly LegacyRule[];
}

export function readListing(listing: string): LegacyListing {
  const lines = linesOf(listing);
  const named = (command: string) => lines.filter(({ words }) => words[0]?.text === command);
  return {
    policies: new Map(named("-P").map(({ words }) => [words[1]?.text ?? "", words[2]?.text ?? ""])),
    chains: new Set(named("-N").map(({ words }) => words[1]?.text ?? "")),
    rules: named("-A").map(({ text, words }) => ({
      chain: words[1]?.text ?? "",
      text,
      ...conditionsOf(words.slice(2)),
    })),
  };
}

interface Word {
  readonly text: string;
  readonly isQuoted: boolean;
}

/** Options whose value a person chose. */
const freeTexts = /^--(comment|string|hex-string|name|hashlimit-name|helper|path|bytecode|u32)$/;

/** Up to the target; what follows are its own options. */
function conditionsOf(words: readonly Word[]): Pick<LegacyRule, "target" | "matches"> {
  const matches: LegacyMatch[] = [];
  for (let at = 0; at < words.length; at++) {
    const { text: option = "", isQuoted = false } = words[at] ?? {};
    const value = words[at + 1]?.text ?? "";
    if (isQuoted || !option.startsWith("-")) continue;
    if (option === "-j" || option === "-g") return { target: value, matches };
    const isNegated = words[at - 1]?.text === "!";
    matches.push({ option, value, isNegated });
    if (freeTexts.test(option)) at++;
  }
  return { matches };
}

interface Line {
  readonly text: string;
  readonly words: readonly Word[];
}

function linesOf(listing: string): Line[] {
  // A quoted text goes on to its quote, over the ends of lines.
  const lines = listing.match(/(?:"(?:\\[\s\S]|[^"\\])*"|[^"\n])+/g) ?? [];
  return lines.map((line) => ({ text: line.trim(), words: wordsOf(line) }));
}

function wordsOf(line: string): Word[] {
  return [...line.matchAll(/"((?:\\[\s\S]|[^"\\])*)"|\S+/g)].map(([whole, quoted]) =>
    quoted === undefined
      ? { text: whole, isQuoted: false }
      : { text: quoted.replaceAll(/\\([\s\S])/g, "$1"), isQuoted: true },
  );
}
