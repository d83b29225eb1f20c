// Where a command prints. A reader that goes away (`podwire status | head`) ends the program quietly.
import { type Paint, paintFor } from "./colour.ts";

export interface Terminal {
  /** Results, on stdout. */
  print(text: string): void;
  /** Faults and remarks, on stderr; adds the line break. */
  complain(text: string): void;
  /** For what goes to stdout. */
  readonly paint: Paint;
}

export function openTerminal(): Terminal {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      process.exit(error.code === "EPIPE" ? 0 : 1);
    });
  }
  return {
    print: (text) => process.stdout.write(text),
    complain: (text) => process.stderr.write(`${text}\n`),
    paint: paintFor(process.stdout.isTTY === true, process.env),
  };
}

export function printJson(value: unknown, terminal: Terminal): void {
  terminal.print(`${JSON.stringify(value, undefined, 2)}\n`);
}
