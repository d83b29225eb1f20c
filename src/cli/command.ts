// What a command of the command line is.
import type { Terminal } from "./terminal.ts";

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What its exit status and its effects are, for `podwire help <command>`. */
  readonly about: string;
  readonly options: Readonly<Record<string, Option>>;
  /** Loads what runs it. */
  readonly load: () => Promise<Run>;
}

export interface Option {
  readonly type: "string" | "boolean";
  /** How help names the value: "DIR". */
  readonly placeholder?: string;
  readonly fallback?: string;
  readonly summary: string;
}

/** The options of a call. */
export interface Words {
  flag(name: string): boolean;
  text(name: string): string | undefined;
}

/** Returns the exit status. */
export type Run = (words: Words, terminal: Terminal) => Promise<number>;
