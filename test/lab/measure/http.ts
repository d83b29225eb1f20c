// What a way does for a web server: its most requests, and latencies at shares of that, where queues say nothing of the way yet.
import { mostRequests, pacedRequests, withHttpServer } from "../fixture/http.ts";
import type { Sampling } from "./plan.ts";
import { megainstructions, workDuring } from "./work.ts";

const shares = [0.3, 0.5];
const percentiles = ["p50", "p95", "p99", "p99.9"] as const;

/** By the clock. Latencies count from when a request was due (paced.lua). */
export function requests(bytes: number): Sampling {
  return {
    figures: [
      { name: "most", unit: "requests/s" },
      ...shares.flatMap((share) => [
        ...percentiles.map((percentile) => ({ name: `${percentile} at ${100 * share} %`, unit: "us" })),
      ]),
    ],
    sample: ({ from, to }) =>
      withHttpServer(to, bytes, async () => {
        const most = await mostRequests(from, to, bytes, 3);
        const figures = [most];
        for (const share of shares) {
          const paced = await pacedRequests(from, to, {
            bytes,
            rate: Math.max(10, share * most),
            seconds: 8,
          });
          figures.push(...percentiles.map((percentile) => paced[percentile]));
        }
        return figures;
      }),
  };
}

const seconds = 2;

/** By instructions: what a request costs each end's guest, however many the two of them do in the time. */
export function requestWork(bytes: number): Sampling {
  return {
    figures: [
      { name: `CPU to ask 1k times for ${bytes} B`, unit: megainstructions },
      { name: `CPU to serve 1k times ${bytes} B`, unit: megainstructions },
    ],
    sample: ({ from, to }) =>
      withHttpServer(to, bytes, async () => {
        let rate = 0;
        const work = await workDuring([from, to], async () => {
          rate = await mostRequests(from, to, bytes, seconds);
        });
        return work.map(({ instructions }) => instructions / 1e3 / (rate * seconds));
      }),
  };
}
