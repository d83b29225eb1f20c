// Colours for people at a terminal that shows them (https://no-color.org).
export type Colour = "red" | "green" | "yellow" | "bold" | "dim";

export type Paint = (text: string, colour: Colour | undefined) => string;

/** ECMA-48 "select graphic rendition": on and off. */
const codes: Readonly<Record<Colour, readonly [number, number]>> = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  bold: [1, 22],
  dim: [2, 22],
};

export const noPaint: Paint = (text) => text;

export function paintFor(isTerminal: boolean, variables: NodeJS.ProcessEnv): Paint {
  const isRefused = (variables["NO_COLOR"] ?? "") !== "" || variables["TERM"] === "dumb";
  if (!isTerminal || isRefused) return noPaint;
  return (text, colour) => {
    if (colour === undefined) return text;
    const [on, off] = codes[colour];
    return `\x1b[${on}m${text}\x1b[${off}m`;
  };
}
