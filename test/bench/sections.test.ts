// What the lab's benchmarks are made of.
import { describe, expect, test } from "vitest";
import { datapathBench } from "../../bench/datapath-sections.ts";
import { overlayBench } from "../../bench/overlay-sections.ts";

describe.each([datapathBench, overlayBench])("sections of bench:$name", ({ sections, planOf, textOf }) => {
  test.each(sections)("%s compares ways with the host, by instructions or by the clock", (section) => {
    const { variants = [], deterministic = [], wallClock = [], name } = planOf(section, "6.1") ?? {};
    expect(name).toBe(section);
    expect(variants[0]?.name).toMatch(/^host/);
    expect(new Set(variants.map((variant) => variant.name)).size).toBe(variants.length);
    expect(variants.length).toBeGreaterThan(1);
    // A section is one lab, so that it can be measured by itself.
    expect([deterministic, wallClock].filter((measurements) => measurements.length > 0)).toHaveLength(1);
  });

  test("have their place in the report, and no plan by any other name", () => {
    for (const section of sections) expect(textOf({})).toContain(section);
    expect(planOf("none/clock", "6.1")).toBeUndefined();
    expect(planOf(`${sections[0]?.split("/")[0]}/none`, "6.1")).toBeUndefined();
  });
});
