// `npm run lab -- COMMAND`: the lab for people. A lab that was brought up stays until it is taken down.
import { parseArgs } from "node:util";
import { commands, type Options } from "./cli/commands.ts";
import { LabError } from "./failure.ts";

const usage = `Usage: npm run lab -- COMMAND [OPTION...]

  up                 start a lab and leave it running
  run NODE COMMAND   run a bash command on a node (its number, or "all")
  ssh NODE           a shell on a node
  status             the labs of this machine
  results            what the last tests saw on each kernel; --update FILE: put it there
  down               end a lab and remove what it made; --all: every lab

  --name NAME        which lab; default: "lab"
  --nodes COUNT      up: default 2
  --kernel VERSION   up: 5.10, 6.1 (default), 6.12, 7.2 or 6.1-debug
  --memory MIB       up: of each node; default 1024
  --tests            up: with this project's tests in /lab/podwire
`;

const options = {
  name: { type: "string", default: "lab" },
  nodes: { type: "string", default: "2" },
  kernel: { type: "string", default: "6.1" },
  memory: { type: "string", default: "1024" },
  tests: { type: "boolean", default: false },
  all: { type: "boolean", default: false },
  update: { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

async function main(words: readonly string[]): Promise<number> {
  // What follows the node's number is the command's own.
  const own = words[0] === "run" ? ownWords(words) : words.length;
  const parsed = parse(words.slice(0, own));
  if (parsed.values.help) {
    console.log(usage);
    return 0;
  }
  const [name = "", ...operands] = [
    ...parsed.positionals,
    ...words.slice(words[own] === "--" ? own + 1 : own),
  ];
  if (process.getuid?.() !== 0) throw new LabError("it needs root: sudo npm run lab -- ...");
  const command = commands[name];
  if (command === undefined)
    throw new LabError(`${name === "" ? "no command" : `unknown command "${name}"`}\n\n${usage}`);
  return command(operands, parsed.values);
}

/** Where the command of `run` begins: after the node, which is the first word that is no option's. */
function ownWords(words: readonly string[]): number {
  let index = 1;
  while (words[index]?.startsWith("--")) index += words[index]?.includes("=") ? 1 : 2;
  return index + 1;
}

function parse(words: readonly string[]): { positionals: string[]; values: Options & { help: boolean } } {
  try {
    return parseArgs({ args: [...words], options, allowPositionals: true });
  } catch (error) {
    throw new LabError(`${(error as Error).message}\n\n${usage}`);
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const isExpected = error instanceof LabError || (error as NodeJS.ErrnoException).syscall !== undefined;
  if (!isExpected) throw error;
  console.error(`lab: ${(error as Error).message}`);
  process.exitCode = 1;
}
