// What ends a lab's work: one message that says what failed and what to do, with the last lines of whatever
// the failed part printed.

export class LabError extends Error {
  constructor(message: string, output?: string, options?: ErrorOptions) {
    super(output === undefined ? message : `${message}\n${lastLines(output)}`, options);
    this.name = "LabError";
  }
}

/** The end of a program's or a console's output, indented. */
export function lastLines(output: string, count = 20): string {
  const lines = output
    .split(/\r*\n/)
    .map((line) => printable(line).trimEnd())
    .filter((line) => line !== "");
  if (lines.length === 0) return "  (it printed nothing)";
  return lines
    .slice(-count)
    .map((line) => `  | ${line}`)
    .join("\n");
}

/** A console holds escape sequences of the firmware. */
function printable(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  return line.replaceAll(/\u001b\[[0-9;?=]*[A-Za-z]/g, "").replaceAll(/[\u0000-\u0008\u000b-\u001f]/g, "");
}
