// What is said of a module that was loaded by a podwire of before.
import { expect, test } from "vitest";
import { describeOtherVersion } from "../../src/cli/kernel-module/told.ts";
import { sttModule } from "../../src/kernel-module/module.ts";

test.each([
  [
    "0.1.0",
    "the loaded podwire_stt is version 0.1.0, and this podwire is 0.2.0: podwire stt build, unload, load",
  ],
  [
    undefined,
    "the loaded podwire_stt says no version, and this podwire is 0.2.0: podwire stt build, unload, load",
  ],
])("a module of version %s is told from that of podwire 0.2.0", (version, words) => {
  expect(describeOtherVersion(sttModule, version, "0.2.0")).toBe(words);
});
