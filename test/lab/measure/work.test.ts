// What a guest's kernel says of its own work.
import { expect, test } from "vitest";
import type { Endpoint } from "../machine/node.ts";
import { workDuring } from "./work.ts";

function saying(...readings: readonly string[]): Endpoint {
  const left = [...readings];
  return { name: "pod", address: "192.0.2.1", sh: async () => left.shift() ?? "" };
}

function reading(now: number, idle: number, waiting: number, received: number, dropped: number): string {
  return `now at ${now} nsecs
  .idle_sleeptime : ${idle} nsecs
  .iowait_sleeptime: ${waiting} nsecs
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors
Udp: ${received} 0 ${dropped} 7 ${dropped} 0`;
}

test("work is the time that is neither idle nor waiting, less that of asking for it", async () => {
  const end = saying(
    reading(1000, 500, 100, 10, 0),
    // Asking: 40 ns.
    reading(1140, 600, 100, 10, 0),
    // 400 ns of work and another 40 for asking.
    reading(9580, 8500, 200, 110, 20),
  );
  expect(await workDuring([end], async () => {})).toEqual([{ instructions: 100, datagrams: 120 }]);
});

test("a kernel that says something else is an error", async () => {
  await expect(workDuring([saying("now at 1 nsecs")], async () => {})).rejects.toThrow(
    "/proc/timer_list has no",
  );
});
