// The administrator's command line: finds the command, checks its words, runs it. Each command is loaded only
// when it is called, so that CNI verbs never pay for it.
import { parseArgs } from "node:util";
import type { Command, Words } from "./command.ts";
import { commands } from "./commands.ts";
import { describeFailure } from "./failure.ts";
import { commandHelp, generalHelp } from "./help.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

/** What shells and scripts know as "wrong usage". */
const usageStatus = 2;

/** Returns the exit status: 0, 1 if the command found or met a fault, 2 for words that make no command. */
export async function runCommandLine(words: readonly string[]): Promise<number> {
  const terminal = openTerminal();
  try {
    return await dispatch(words, terminal);
  } catch (error) {
    terminal.complain(describeFailure(error));
    return 1;
  }
}

async function dispatch(words: readonly string[], terminal: Terminal): Promise<number> {
  const [first, ...rest] = words;
  if (first === undefined) {
    terminal.complain(generalHelp().trimEnd());
    return usageStatus;
  }
  if (first === "--help" || first === "-h") return help(rest, terminal);
  if (first === "help") return help(rest, terminal);
  const { command, after } = find(first === "--version" ? "version" : first, rest);
  if (command === undefined) return misused(unknown(first), "podwire help", terminal);
  return call(command, after, terminal);
}

async function call(command: Command, words: readonly string[], terminal: Terminal): Promise<number> {
  let given: Words;
  try {
    given = parse(command, words);
  } catch (error) {
    // parseArgs explains at length how to pass a positional that looks like an option; no command has any.
    const [said = ""] = (error as Error).message.split(/\. (?:To specify|This command)|\n/);
    return misused(`${command.name}: ${said}`, `podwire help ${command.name}`, terminal);
  }
  if (given.flag("help")) {
    terminal.print(commandHelp(command));
    return 0;
  }
  const run = await command.load();
  return run(given, terminal);
}

/** The command of one word or of two, and the words after it. */
function find(
  first: string,
  rest: readonly string[],
): { command: Command | undefined; after: readonly string[] } {
  const named = (name: string) => commands.find((candidate) => candidate.name === name);
  const ofTwo = named(`${first} ${rest[0]}`);
  return ofTwo === undefined
    ? { command: named(first), after: rest }
    : { command: ofTwo, after: rest.slice(1) };
}

function help(words: readonly string[], terminal: Terminal): number {
  const [name, ...rest] = words;
  const { command, after: more } = find(name ?? "", rest);
  if (more.length > 0) return misused("help takes one command", "podwire help", terminal);
  if (name !== undefined && command === undefined) return misused(unknown(name), "podwire help", terminal);
  terminal.print(command === undefined ? generalHelp() : commandHelp(command));
  return 0;
}

function parse(command: Command, words: readonly string[]): Words {
  const options = Object.entries(command.options).map(([name, { type, fallback }]) => [
    name,
    { type, ...(fallback === undefined ? {} : { default: fallback }) },
  ]);
  const { values } = parseArgs({
    args: [...words],
    options: { ...Object.fromEntries(options), help: { type: "boolean", short: "h" } },
    allowPositionals: false,
    strict: true,
  });
  const all = values as Record<string, string | boolean | undefined>;
  return {
    flag: (name) => all[name] === true,
    text: (name) => (typeof all[name] === "string" ? all[name] : undefined),
  };
}

function unknown(word: string): string {
  const parts = commands.filter(({ name }) => name.startsWith(`${word} `)).map(({ name }) => name);
  if (parts.length > 0) return `${word} is followed by a word more: ${parts.join(", ")}`;
  const kind = word.startsWith("-") ? "option" : "command";
  return `unknown ${kind} ${JSON.stringify(word)}; commands are ${commands.map(({ name }) => name).join(", ")}`;
}

function misused(what: string, hint: string, terminal: Terminal): number {
  terminal.complain(`podwire: ${what}\nSee "${hint}".`);
  return usageStatus;
}
