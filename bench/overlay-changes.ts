// What a change of one peer takes `podwire apply --watch`: from the new file's name to the route, and what the keeper and its
// programs compute for it. Afterwards the keeper looks at the kernel once, because it heard of a change; that is counted apart.
import { spawn } from "node:child_process";
import fs from "node:fs";
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
  const routes = followRoutes(node);
  try {
    await calm(watching.pid);
    const changes: Spent[] = [];
    const checks: number[] = [];
    for (let round = 0; round < count; round++) {
      const prefix = `10.200.${round}.0/24`;
      const [said, before] = [watching.said().length, cpuOf(watching.pid)];
      const began = performance.timeOrigin + performance.now();
      replacePeers(node, [...peers, { node: "new", address: `198.19.${round}.1`, podCIDRs: [prefix] }]);
      const made = await eventually(() => routes.madeAt(prefix), 60);
      await eventually(() => spoke(watching, said), 60);
      const cpuMs = cpuOf(watching.pid) - before;
      changes.push({ wallMs: made - began, cpuMs });
      await calm(watching.pid);
      checks.push(cpuOf(watching.pid) - before - cpuMs);
    }
    return { changes, checkMs: percentile(checks, 50), peakMb: peakOf(watching.pid) };
  } finally {
    routes.stop();
  }
}

function spoke(watching: Watching, before: number): void {
  if (watching.said().length === before) throw new Error("the keeper says nothing of the change");
}

interface Routes {
  /** Milliseconds since 1970, by the kernel's own word. */
  madeAt(prefix: string): number;
  stop(): void;
}

function followRoutes(node: ClusterNode): Routes {
  const words = ["-t", String(node.pid), "-n", "--", "ip", "-tshort", "-oneline", "monitor", "route"];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "nsenter", ...words]);
  let heard = "";
  child.stdout.on("data", (chunk: Buffer) => {
    heard += String(chunk);
  });
  return {
    madeAt: (prefix) => {
      const line = heard.split("\n").find((text) => text.includes(`] ${prefix} `));
      const time = /^\[([-0-9T:.]+)\]/.exec(line ?? "")?.[1];
      if (time === undefined) throw new Error(`no route to ${prefix} was made`);
      return new Date(time).getTime() + (Number(/\.[0-9]{3}([0-9]*)/.exec(time)?.[1] ?? 0) / 1000 || 0);
    },
    stop: () => void child.kill(),
  };
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
