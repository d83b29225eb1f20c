// TCP between namespaces of a test node. Servers end with the test: each by its own process id, and with
// the test's process should that be killed.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import type { Execution, TestNode } from "../fixture/node.ts";

/** undefined: the node's own netns. */
export type Place = string | undefined;

export interface Server {
  stop(): Promise<void>;
}

export interface Answer {
  /** The server's name. */
  readonly name: string;
  /** The address from which the server was called, as it saw it. */
  readonly caller: string;
  readonly received: number;
  readonly seconds: number;
}

const program = (name: string) => path.resolve(import.meta.dirname, `${name}.ts`);
const into = (place: Place) => (place === undefined ? [] : ["nsenter", `--net=/run/netns/${place}`, "--"]);

export async function serve(node: TestNode, place: Place, port: number, name = ""): Promise<Server> {
  const words = [...into(place), process.execPath, program("tcp-server"), String(port), name];
  const server = spawn(
    "setpriv",
    ["--pdeathsig", "KILL", "nsenter", "-t", String(node.pid), "-m", "-n", "--", ...words],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  await Promise.race([once(server.stdout as NodeJS.ReadableStream, "data"), failed(server)]);
  return {
    stop: async () => {
      if (server.exitCode !== null || server.signalCode !== null) return;
      server.kill("SIGKILL");
      await once(server, "exit");
    },
  };
}

export interface Call {
  readonly from: Place;
  readonly to: string;
  readonly port: number;
  readonly bytes?: number;
  /** Seconds to wait for an answer; default 15. */
  readonly patience?: number;
}

/** Calls a server and returns what it said; throws if it cannot be reached. */
export async function ask(node: TestNode, call: Call): Promise<Answer> {
  const { stdout, stderr, exitCode } = await tryToAsk(node, call);
  if (exitCode === 0) return JSON.parse(stdout) as Answer;
  throw new Error(`${call.from ?? "the host"} cannot reach ${call.to} port ${call.port}: ${stderr}${stdout}`);
}

/** Calls a server with any outcome; status 1 if it cannot be reached. */
export function tryToAsk(node: TestNode, call: Call): Promise<Execution> {
  const { from, to, port, bytes = 0, patience = 15 } = call;
  const numbers = [port, bytes, patience].map(String);
  const [first = "", ...rest] = [...into(from), process.execPath, program("tcp-client"), to, ...numbers];
  return node.attempt(first, rest);
}

async function failed(server: ChildProcess): Promise<never> {
  const [status] = await once(server, "exit");
  throw new Error(`the TCP server ended at once (${status})`);
}
