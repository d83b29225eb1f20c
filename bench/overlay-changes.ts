// What a change of one peer takes `podwire apply --watch`: from the new file's name until both the route and the set of peers
// have it, and what the keeper and its programs compute for it. Afterwards the keeper looks at the kernel once, because it heard
// of a change; that is counted apart.
import { spawn } from "node:child_process";
import fs from "node:fs";
import { createInterface } from "node:readline";
import type { ClusterNode } from "../test/overlay/cluster.ts";
import { eventually, type Watching } from "../test/overlay/watching.ts";
import { type Peer, replacePeers } from "./overlay-peers.ts";
import { percentile } from "./sample.ts";

export interface Spent {
  readonly wallMs: number;
  readonly cpuMs: number;
}

export interface Kept {
  readonly changes: readonly Spent[];
  /** CPU time of the look afterwards. */
  readonly checkMs: number;
  readonly peakMb: number;
}

export async function changesByWatch(
  node: ClusterNode,
  watching: Watching,
  peers: readonly Peer[],
  count: number,
): Promise<Kept> {
  const [routes, sets] = [followRoutes(node), followSets(node)];
  try {
    await calm(watching.pid);
    const changes: Spent[] = [];
    const checks: number[] = [];
    for (let round = 0; round < count; round++) {
      const prefix = `10.200.${round}.0/24`;
      const [said, before] = [watching.said().length, cpuOf(watching.pid)];
      const changed = [...peers, { node: "new", address: `198.19.${round}.1`, podCIDRs: [prefix] }];
      const began = replacePeers(node, changed);
      const made = await eventually(() => Math.max(routes.madeAt(prefix), sets.madeAt(prefix)), 60);
      await eventually(() => spoke(watching, said), 60);
      const cpuMs = cpuOf(watching.pid) - before;
      changes.push({ wallMs: made - began, cpuMs });
      await calm(watching.pid);
      checks.push(cpuOf(watching.pid) - before - cpuMs);
    }
    return { changes, checkMs: percentile(checks, 50), peakMb: peakOf(watching.pid) };
  } finally {
    routes.stop();
    sets.stop();
  }
}

function spoke(watching: Watching, before: number): void {
  if (watching.said().length === before) throw new Error("the keeper says nothing of the change");
}

interface Followed {
  /** Milliseconds since 1970. */
  madeAt(prefix: string): number;
  stop(): void;
}

/** By the kernel's own word. */
function followRoutes(node: ClusterNode): Followed {
  const heard: string[] = [];
  const child = monitor(node, ["ip", "-tshort", "-oneline", "monitor", "route"], (line) => heard.push(line));
  return {
    madeAt: (prefix) => {
      const line = heard.find((text) => text.includes(`] ${prefix} `));
      const time = /^\[([-0-9T:.]+)\]/.exec(line ?? "")?.[1];
      if (time === undefined) throw new Error(`no route to ${prefix} was made`);
      return new Date(time).getTime() + (Number(/\.[0-9]{3}([0-9]*)/.exec(time)?.[1] ?? 0) / 1000 || 0);
    },
    stop: () => void child.kill(),
  };
}

/** Which says no time, so that it is that of its word. */
function followSets(node: ClusterNode): Followed {
  const heard: { readonly line: string; readonly at: number }[] = [];
  const child = monitor(node, ["nft", "monitor", "elements"], (line) =>
    heard.push({ line, at: performance.timeOrigin + performance.now() }),
  );
  return {
    madeAt: (prefix) => {
      const added = heard.find(({ line }) => line.startsWith("add element") && line.includes(prefix));
      if (added === undefined) throw new Error(`${prefix} is in no set`);
      return added.at;
    },
    stop: () => void child.kill(),
  };
}

function monitor(
  node: ClusterNode,
  command: readonly string[],
  hear: (line: string) => void,
): ReturnType<typeof spawn> {
  const enter = ["setpriv", "--pdeathsig", "KILL", "nsenter", "-t", String(node.pid), "-n", "--"];
  const [program = "", ...args] = [...enter, ...command];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  createInterface(child.stdout).on("line", hear);
  return child;
}

/** Until it has computed nothing for a second: it has looked at the kernel, and its garbage is collected. */
async function calm(pid: number): Promise<void> {
  let [last, quiet] = [cpuOf(pid), 0];
  while (quiet < 2) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const now = cpuOf(pid);
    // Its looks at files twice a second cost next to nothing.
    quiet = now - last <= 10 ? quiet + 1 : 0;
    last = now;
  }
}

/**
 * Of the process, exactly, and of the programs that it waited for, in steps of the kernel's clock (proc(5)). By those
 * steps a process that is woken by a timer seems to compute for a whole one, however soon it sleeps again.
 */
function cpuOf(pid: number): number {
  const fields = (fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1] ?? "").split(" ");
  return nanosecondsOf(pid) / 1e6 + ((Number(fields[13]) + Number(fields[14])) * 1000) / ticksPerSecond;
}

/** Of all threads (Documentation/scheduler/sched-stats.rst). */
function nanosecondsOf(pid: number): number {
  const threads = `/proc/${pid}/task`;
  return fs.readdirSync(threads).reduce((sum, thread) => {
    const [onCpu] = fs.readFileSync(`${threads}/${thread}/schedstat`, "utf8").split(" ");
    return sum + Number(onCpu);
  }, 0);
}

/** USER_HZ is 100 on all of Linux' common machines. */
const ticksPerSecond = 100;

function peakOf(pid: number): number {
  return Number(/VmHWM:\s+([0-9]+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}
