// What guests execute while something happens, however fast the host runs them: the time that their one processor is
// not idle, which is a number of instructions where the guest's clock counts those.
import type { Endpoint } from "../machine/node.ts";

/** -icount shift=2 (qemu.ts): each instruction takes 4 ns. */
export const nanosecondsPerInstruction = 4;

export const megainstructions = "million instructions";

export interface Work {
  readonly instructions: number;
  /** That reached sockets in the end's network namespace, though some were then dropped from a full one. */
  readonly datagrams: number;
}

/** Work of the guest of each end, less what the asking costs. */
export async function workDuring(ends: readonly Endpoint[], happen: () => Promise<unknown>): Promise<Work[]> {
  const before = await readAll(ends);
  const start = await readAll(ends);
  await happen();
  const end = await readAll(ends);
  return ends.map((_, index) => {
    const [first, second, last] = [before[index], start[index], end[index]] as [Reading, Reading, Reading];
    return {
      instructions: (last.busy - second.busy - (second.busy - first.busy)) / nanosecondsPerInstruction,
      datagrams: last.datagrams - second.datagrams,
    };
  });
}

interface Reading {
  /** Nanoseconds since the guest was booted. */
  readonly busy: number;
  readonly datagrams: number;
}

/** One after the other, so that a guest with both ends is not asked by two at once. */
async function readAll(ends: readonly Endpoint[]): Promise<Reading[]> {
  const readings: Reading[] = [];
  for (const end of ends) {
    readings.push(
      parseReading(
        await end.sh("grep -E '^now at|(idle|iowait)_sleeptime' /proc/timer_list; grep ^Udp: /proc/net/snmp"),
      ),
    );
  }
  return readings;
}

export function parseReading(printed: string): Reading {
  const nanoseconds = (pattern: RegExp) => {
    const found = pattern.exec(printed)?.[1];
    if (found === undefined) throw new Error(`/proc/timer_list has no ${pattern.source}: ${printed}`);
    return Number(found);
  };
  const now = nanoseconds(/^now at ([0-9]+)/m);
  const idle = nanoseconds(/ \.idle_sleeptime *: ([0-9]+)/);
  const waiting = nanoseconds(/ \.iowait_sleeptime *: ([0-9]+)/);
  const [names = [], values = []] = [...printed.matchAll(/^Udp: (.*)$/gm)].map(([, words = ""]) =>
    words.split(" "),
  );
  const counted = (name: string) => Number(values[names.indexOf(name)] ?? 0);
  return { busy: now - idle - waiting, datagrams: counted("InDatagrams") + counted("RcvbufErrors") };
}
