// Tables that read the same on a terminal and as Markdown: padded columns, numbers to the right.

export type Cell = string | number;

export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

export function format({ head, rows }: Table): string {
  const texts = rows.map((row) => row.map(text));
  const isNumeric = head.map((_, column) => rows.some((row) => typeof row[column] === "number"));
  const widths = head.map((title, column) =>
    Math.max(3, title.length, ...texts.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => pad(cells[column] ?? "", width, isNumeric[column])).join(" | ")} |`;
  const rule = widths.map((width, column) => "-".repeat(width - 1) + (isNumeric[column] ? ":" : "-"));
  return [line(head), line(rule), ...texts.map(line)].join("\n");
}

function pad(cell: string, width: number, right: boolean | undefined): string {
  return right ? cell.padStart(width) : cell.padEnd(width);
}

/** Three significant digits are more than such a machine can repeat. */
function text(cell: Cell): string {
  if (typeof cell === "string") return cell;
  return Math.abs(cell) >= 100 ? cell.toFixed(0) : cell.toFixed(Math.abs(cell) >= 10 ? 1 : 2);
}
