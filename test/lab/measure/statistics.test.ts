// How samples become figures.
import { describe, expect, test } from "vitest";
import { figuresOf, median, orderOf, spread } from "./statistics.ts";

const rate = { name: "rate", unit: "datagrams/s" };

describe("figures", () => {
  test("hold each variant's median, and its spread as a share of it", () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(spread([110, 90, 100])).toBeCloseTo(0.2);
    expect(spread([7, 7, 7])).toBe(0);
  });

  test("compare samples of the same round, so that a machine that slows down changes no ratio", () => {
    const host = { name: "host" };
    const pods = { name: "pods" };
    const figures = figuresOf(
      rate,
      new Map([
        [host, [1000, 500, 100]],
        [pods, [600, 300, 60]],
      ]),
    );
    expect(figures).toEqual([
      { measurement: "rate", unit: "datagrams/s", variant: "host", ...inOrder([1000, 500, 100]), ratio: 1 },
      { measurement: "rate", unit: "datagrams/s", variant: "pods", ...inOrder([600, 300, 60]), ratio: 0.6 },
    ]);
  });

  test("take the median of the ratios, so that one disturbed round changes none", () => {
    const samples = new Map([
      [{ name: "host" }, [100, 10, 100]],
      [{ name: "pods" }, [50, 50, 51]],
    ]);
    expect(figuresOf(rate, samples).map(({ ratio }) => ratio)).toEqual([1, 0.51]);
  });

  test("are refused for variants that were not sampled alike", () => {
    const samples = new Map([
      [{ name: "host" }, [100, 100]],
      [{ name: "pods" }, [50]],
    ]);
    expect(() => figuresOf(rate, samples)).toThrow("every round has one of each");
  });
});

describe("the order of a round", () => {
  test("begins with another variant each time and leaves none out", () => {
    const variants = ["host", "veth", "ipvlan"];
    expect([0, 1, 2, 3].map((round) => orderOf(round, variants))).toEqual([
      ["host", "veth", "ipvlan"],
      ["veth", "ipvlan", "host"],
      ["ipvlan", "host", "veth"],
      ["host", "veth", "ipvlan"],
    ]);
  });
});

function inOrder(samples: readonly [number, number, number]) {
  const [first, second, third] = samples;
  return { samples, median: second, spread: (first - third) / second };
}
