import fs from "node:fs";
import { expect, test } from "vitest";
import { configurationDocument, documentFile } from "../../build/configuration-docs.ts";
import { rowsOf } from "../../build/configuration-tables.ts";
import { networkSchema } from "../../src/config/network.ts";

test("docs/configuration.md is what `npm run docs` makes", () => {
  expect(fs.readFileSync(documentFile, "utf8")).toBe(configurationDocument());
});

test("every key of the entry stands in the document", () => {
  const text = configurationDocument();
  for (const key of Object.keys(networkSchema.shape)) expect(text).toContain(`| \`${key}\` |`);
});

test("limits that only the code knows stand in the tables", () => {
  const value = (key: string) => rowsOf(networkSchema).find((row) => row.key === key)?.value;
  expect(value("mtu")).toBe("0 (automatic) or a whole number from 576 to 65535");
  expect(value("timeout")).toBe("a whole number from 1 to 3600");
  expect(value("overlay.peers[].address")).toMatch(/^an IP address/);
});
