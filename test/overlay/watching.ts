// `podwire apply --watch` on a node of the tests, with what it says.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { executable, type TestNode } from "../fixture/node.ts";

export interface Watching {
  readonly pid: number;
  /** All that it has said since it was ready. */
  readonly said: () => string;
  /** While `harm` is done it sees nothing, so that harm can be seen before it is repaired. */
  asleep(harm: () => Promise<void>): Promise<void>;
  /** Ends it; by default as an administrator does. */
  stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
}

export async function watch(
  node: Pick<TestNode, "pid">,
  command: readonly string[] = [executable, "apply", "--watch"],
): Promise<Watching> {
  const words = ["nsenter", "-t", String(node.pid), "-m", "-n", "--", ...command];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", ...words], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      said += String(chunk);
    });
  }
  await eventually(() => {
    if (!said.includes("all is as declared")) throw new Error(`no word that all is as declared: ${said}`);
  }, 60);
  const before = said.length;
  return {
    pid: child.pid as number,
    said: () => said.slice(before),
    asleep: async (harm) => {
      child.kill("SIGSTOP");
      try {
        await harm();
      } finally {
        child.kill("SIGCONT");
      }
    },
    stop: async (signal = "SIGTERM") => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      await once(child, "exit");
    },
  };
}

/** Tries until it succeeds; the last failure is thrown after some seconds. */
export async function eventually<T>(attempt: () => Promise<T> | T, seconds = 10): Promise<T> {
  const until = Date.now() + seconds * 1000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
