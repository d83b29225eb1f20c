import { describe, expect, test } from "vitest";
import type { Verb } from "../../src/cni/environment.ts";
import {
  checkVersion,
  isAtLeast,
  isSupported,
  supportedVersions,
  versionAnswer,
} from "../../src/cni/versions.ts";
import { thrown } from "./thrown.ts";

const firstWith: Record<Verb, string> = {
  ADD: "0.1.0",
  DEL: "0.1.0",
  VERSION: "0.1.0",
  CHECK: "0.4.0",
  GC: "1.1.0",
  STATUS: "1.1.0",
};

describe("the version of a configuration", () => {
  test("is one of the seven of the specification", () => {
    expect(supportedVersions).toEqual(["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]);
  });

  test.each(Object.entries(firstWith))(
    "serves %s from %s on, and is refused with code 1 before",
    (verb, first) => {
      for (const version of supportedVersions) {
        const check = () => checkVersion(version, verb as Verb);
        if (supportedVersions.indexOf(version) >= supportedVersions.indexOf(first as "0.1.0")) {
          expect(check()).toBe(version);
        } else {
          const { code, details } = thrown(check);
          expect([code, details.includes(version), details.includes(verb)]).toEqual([1, true, true]);
        }
      }
    },
  );

  test("is 0.1.0 where there is none, as in libcni", () => {
    expect(checkVersion(undefined, "ADD")).toBe("0.1.0");
    expect(checkVersion("", "DEL")).toBe("0.1.0");
    expect(thrown(() => checkVersion(undefined, "CHECK")).code).toBe(1);
  });

  test.each([
    "1.1.1",
    "2.0.0",
    "0.0.9",
    "1.1",
    "1.1.0 ",
    "v1.1.0",
    "01.1.0",
    1,
    1.1,
    null,
    [],
    {},
    ["1.1.0"],
    true,
  ])("%j is refused with code 1 and the versions there are", (version) => {
    const { code, details } = thrown(() => checkVersion(version, "ADD"));
    expect(code).toBe(1);
    expect(details).toContain(JSON.stringify(version));
    expect(details).toContain(supportedVersions.join(", "));
    expect(isSupported(version)).toBe(false);
  });

  test("is ordered as the specification's history", () => {
    for (const [i, a] of supportedVersions.entries()) {
      for (const [j, b] of supportedVersions.entries()) expect(isAtLeast(a, b)).toBe(i >= j);
    }
  });
});

describe("the answer to VERSION", () => {
  test.each(supportedVersions)("is given in the version that was asked for: %s", (cniVersion) => {
    expect(versionAnswer({ cniVersion })).toEqual({ cniVersion, supportedVersions });
  });

  test.each([undefined, null, 7, "1.0.0", [], {}, { cniVersion: "9.9.9" }, { cniVersion: null }])(
    "is in the newest version when %j was asked",
    (input) => {
      expect(versionAnswer(input)).toEqual({ cniVersion: "1.1.0", supportedVersions });
    },
  );
});
