// Tables for people: columns as wide as their widest cell, two spaces apart, the last one ragged.
import { type Colour, noPaint, type Paint } from "./colour.ts";

export type Cell = string | { readonly text: string; readonly colour: Colour };

/** A heading over rows. */
export function renderTable(
  heading: readonly string[],
  rows: readonly (readonly Cell[])[],
  paint: Paint,
): string {
  return render([heading.map((text) => ({ text, colour: "bold" }) as const), ...rows], paint);
}

export function plainTable(rows: readonly (readonly string[])[]): string {
  return render(rows, noPaint);
}

function render(rows: readonly (readonly Cell[])[], paint: Paint): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, printable(textOf(cell)).length);
    }
  }
  const lines = rows.map((row) =>
    row.map((cell, column) => pad(cell, widths[column] ?? 0, paint)).join("  "),
  );
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

/** Padded outside the colour, so that escape sequences count for nothing and no blanks are coloured. */
function pad(cell: Cell, width: number, paint: Paint): string {
  const text = printable(textOf(cell));
  const colour = typeof cell === "string" ? undefined : cell.colour;
  return paint(text, colour) + " ".repeat(width - text.length);
}

function textOf(cell: Cell): string {
  return typeof cell === "string" ? cell : cell.text;
}

/** Names come from runtimes and files: none of them may steer the reader's terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "?");
}
