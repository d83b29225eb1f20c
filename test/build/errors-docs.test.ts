import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { ErrorCode } from "../../src/cni/error.ts";

const text = fs.readFileSync(path.join(import.meta.dirname, "../../docs/errors.md"), "utf8");
const documented = [...text.matchAll(/^### ([0-9]+) /gm)].map((match) => Number(match[1]));

test("docs/errors.md has every error code once, in order, and no other", () => {
  expect(documented).toEqual(Object.values(ErrorCode).sort((a, b) => a - b));
});
