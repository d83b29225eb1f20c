// The report's place in a document.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { updateDocument } from "../../bench/document.ts";

let directory: string;
let file: string;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "podwire-document-"));
  file = path.join(directory, "measurements.md");
});
afterEach(() => fs.rmSync(directory, { recursive: true }));

test("only what is between the markers is replaced", () => {
  fs.writeFileSync(file, "before\n<!-- bench:cni -->\nold\n<!-- /bench:cni -->\nafter\n");
  updateDocument(file, "new");
  const updated = "before\n<!-- bench:cni -->\n\nnew\n\n<!-- /bench:cni -->\nafter\n";
  expect(fs.readFileSync(file, "utf8")).toBe(updated);
  updateDocument(file, "new");
  expect(fs.readFileSync(file, "utf8")).toBe(updated);
});

test("a document without markers is refused and left as it is", () => {
  fs.writeFileSync(file, "no place\n");
  expect(() => updateDocument(file, "new")).toThrow("no place for the report");
  expect(fs.readFileSync(file, "utf8")).toBe("no place\n");
});
