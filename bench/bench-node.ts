// A test node for measuring: the state directories are on a real disk, because podwire waits for its
// records to be there, and there is a meter in it.
import fs from "node:fs";
import path from "node:path";
import { startNode, type TestNode } from "../test/fixture/node.ts";
import { type Meter, startMeter } from "./meter.ts";

export interface BenchNode {
  readonly node: TestNode;
  readonly meter: Meter;
  /** Makes the network namespaces of pods, with their loopback links up as a runtime leaves them. */
  addPods(names: readonly string[]): Promise<void>;
}

export async function withBenchNode<T>(
  stateDirectory: string,
  use: (bench: BenchNode) => Promise<T>,
): Promise<T> {
  const state = fs.mkdtempSync(path.join(stateDirectory, "state-"));
  const removeState = () => fs.rmSync(state, { recursive: true, force: true });
  process.once("exit", removeState);
  const node = await startNode();
  try {
    for (const name of ["podwire", "cni"]) {
      fs.mkdirSync(path.join(state, name));
      await node.run("mount", "--bind", path.join(state, name), `/var/lib/${name}`);
    }
    const meter = await startMeter(node);
    try {
      return await use({ node, meter, addPods: (names) => addPods(node, names) });
    } finally {
      await meter.close();
    }
  } finally {
    await node.stop();
    removeState();
    process.off("exit", removeState);
  }
}

async function addPods(node: TestNode, names: readonly string[]): Promise<void> {
  const commands = names.map((name) => `ip netns add ${name} && ip -n ${name} link set lo up`);
  await node.run("sh", "-ec", commands.join("\n"));
}

export function podNames(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
}
