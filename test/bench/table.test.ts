// Tables for terminals and Markdown alike.
import { expect, test } from "vitest";
import { format } from "../../bench/table.ts";

test("columns are as wide as their widest cell, and numbers stand to the right", () => {
  expect(
    format({
      head: ["verb", "ms"],
      rows: [
        ["ADD", 1234.5],
        ["CHECK", 7.125],
        ["DEL", 12.25],
      ],
    }),
  ).toBe(
    ["| verb  |   ms |", "| ----- | ---: |", "| ADD   | 1235 |", "| CHECK | 7.13 |", "| DEL   | 12.3 |"].join(
      "\n",
    ),
  );
});
