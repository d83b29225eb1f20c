// That the load of HTTP benchmarks is what it claims to be: requests come at their rate, and a server that stalls is seen in all
// the requests that were due meanwhile. By the guest's own clock, because a busy host's guest cannot hold any rate.
import { describe, expect, test } from "vitest";
import { arrivals, arrivalsFile, pacedRequests, withHttpServer } from "../fixture/http.ts";
import { isFull } from "../fixture/kernels.ts";
import { cannotRunLab, sharedLab } from "../fixture/shared-lab.ts";
import type { LabNode } from "../machine/node.ts";

const load = { bytes: 100, rate: 100, seconds: 5 };

/** For a release: it tests the benchmarks, not podwire. */
describe.skipIf(!isFull || cannotRunLab("the load of benchmarks"))("requests by a schedule", () => {
  const lab = sharedLab({ nodes: 1, timing: "instructions" });

  test("come at their rate, by the server's own log", async () => {
    const { node1 } = lab;
    const ask = async () => {
      const { scheduled, answered } = await pacedRequests(node1, node1, load);
      expect(answered).toBe(scheduled);
      return arrivals(node1);
    };
    const times = await withHttpServer(node1, load.bytes, ask, true);
    const [first = 0] = times;
    for (let second = 1; second < load.seconds; second++) {
      const count = times.filter((time) => time < first + second).length;
      // A busy host may be late by a while, but not by more and more.
      expect(Math.abs(count - load.rate * second), `after ${second} s`).toBeLessThan(load.rate / 2);
    }
  });

  test("show a stall of the server in as many requests as were due", async () => {
    const { node1 } = lab;
    const ask = async () => {
      const stall = stallOnceAsked(node1);
      const { scheduled, answered, p50, p95, p99 } = await pacedRequests(node1, node1, load);
      await stall;
      expect(answered).toBe(scheduled);
      // Two of five seconds: of two fifths of the requests half waited for more than a second.
      expect(p50).toBeLessThan(1_000_000);
      expect(p95).toBeGreaterThan(1_500_000);
      expect(p99).toBeGreaterThan(1_800_000);
    };
    await withHttpServer(node1, load.bytes, ask, true);
  });
});

/** For two seconds, a second after the first request. */
async function stallOnceAsked(node: LabNode): Promise<void> {
  await node.sh(`until [ -s ${arrivalsFile} ]; do sleep 0.1; done
    sleep 1; pkill -STOP nginx; sleep 2; pkill -CONT nginx`);
}
