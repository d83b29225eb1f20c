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

test("only what is between the report's own markers is replaced", () => {
  const other = "<!-- bench:cni -->\nother\n<!-- /bench:cni -->\n";
  fs.writeFileSync(file, `${other}before\n<!-- bench:lab -->\nold\n<!-- /bench:lab -->\nafter\n`);
  updateDocument(file, "bench:lab", "new");
  const updated = `${other}before\n<!-- bench:lab -->\n\nnew\n\n<!-- /bench:lab -->\nafter\n`;
  expect(fs.readFileSync(file, "utf8")).toBe(updated);
  updateDocument(file, "bench:lab", "new");
  expect(fs.readFileSync(file, "utf8")).toBe(updated);
});

test("a document without the report's markers is refused and left as it is", () => {
  const text = "<!-- bench:cni -->\nother\n<!-- /bench:cni -->\n";
  fs.writeFileSync(file, text);
  expect(() => updateDocument(file, "bench:lab", "new")).toThrow(
    "no place for the report: <!-- bench:lab -->",
  );
  expect(fs.readFileSync(file, "utf8")).toBe(text);
});
