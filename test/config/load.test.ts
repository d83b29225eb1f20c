// Every key of the conflist entry with good and bad values, and how the refusals read.
import { describe, expect, test } from "vitest";
import {
  checkNetworkName,
  explain,
  parseForRemoval,
  parseNetwork,
  withDefaults,
} from "../../src/config/load.ts";
import { networkSchema, nodeSchema } from "../../src/config/network.ts";
import { thrown } from "../cni/thrown.ts";
import { base, configWith, keys, steps, type Values } from "./keys.ts";

const cases = (kind: keyof Values) =>
  Object.entries(keys).flatMap(([path, values]) => values[kind].map((value) => [path, value] as const));

describe("the configuration", () => {
  test("has a table entry here for each of its keys", () => {
    const known = new Set(Object.keys(keys).map((path) => steps(path)[0]));
    expect(Object.keys(networkSchema.shape).filter((key) => !known.has(key))).toEqual([]);
  });

  test("needs no more than a name, a type and an IPAM", () => {
    expect(parseNetwork(base)).toEqual(base);
    for (const key of ["name", "type", "ipam"]) {
      const { code, details } = thrown(() => parseNetwork({ ...base, [key]: undefined }));
      expect([code, details]).toEqual([7, expect.stringContaining(`${key} is missing`)]);
    }
  });

  test.each(cases("good"))("may have %s = %j", (path, value) => {
    const config = configWith(path, value);
    expect(parseNetwork(config)).toEqual(config);
  });

  test.each(cases("bad"))(
    "may not have %s = %j, which is refused with key, value and expectation",
    (path, value) => {
      const { code, details } = thrown(() => parseNetwork(configWith(path, value)));
      expect(code).toBe(7);
      expect(details).toContain(path);
      expect(details).toMatch(/expected|at most/i);
      expect(details).not.toMatch(/invalid input|undefined/i);
      // An object is named by what is wrong in it.
      const isSimple = typeof value !== "object" || value === null;
      const isNamedByLength = typeof value === "string" && value.length > 100;
      if (isSimple && !isNamedByLength && value !== "") expect(details).toContain(JSON.stringify(value));
    },
  );
});

describe("a refusal reads", () => {
  const details = (path: string, value: unknown) =>
    thrown(() => parseNetwork(configWith(path, value))).details;

  test("path = value; expectation", () => {
    expect(details("overlay.peers.0.address", "node2")).toBe(
      'config: overlay.peers.0.address = "node2"; expected an IP address such as 10.244.1.10',
    );
    expect(details("timeout", 0)).toBe("config: timeout = 0; expected a whole number from 1 to 3600");
    expect(details("ipMasq", "true")).toBe('config: ipMasq = "true"; expected boolean, received string');
  });

  test("path is missing; expectation", () => {
    expect(details("overlay", {})).toMatch(/^config: overlay\.type is missing; .*expected one of "none"/);
    expect(details("ipam", {})).toBe("config: ipam.type is missing; expected string");
  });
});

describe("an unknown key", () => {
  const objects = ["", "ipvlan", "ovs", "overlay", "overlay.peers.0", "bypass", "log", "dns"];
  const names = [
    "mtuu",
    "MTU",
    "constructor",
    "toString",
    "hasOwnProperty",
    "valueOf",
    "prototype",
    "",
    " mtu",
  ];

  test.each(objects.flatMap((object) => names.map((name) => [object, name] as const)))(
    "of %j, %j, is refused with code 2, its place and its value",
    (object, name) => {
      const config = configWith(object === "" ? name : `${object}.${name}`, { some: "value" });
      const { code, details } = thrown(() => parseNetwork(config));
      expect(code).toBe(2);
      expect(details).toContain(`${object === "" ? "" : `${object}.`}${name} = {"some":"value"}`);
    },
  );

  test("with a long value is quoted in short", () => {
    const { code, details } = thrown(() => parseNetwork({ ...base, extra: "x".repeat(100_000) }));
    expect([code, details.length < 400]).toEqual([2, true]);
  });

  test.each(["ipam", "runtimeConfig", "runtimeConfig.dns", "args", "args.cni"])(
    "of %s is left to others",
    (object) => {
      const config = configWith(`${object}.unknown`, { some: "value" });
      expect(parseNetwork(config)).toEqual(config);
    },
  );
});

describe("the configuration for DEL", () => {
  test("is the whole one where that is right", () => {
    const config = { ...base, mtu: 1400, timeout: 5, ipMasq: true, prevResult: { ips: [] } };
    expect(parseForRemoval(config)).toEqual(parseNetwork(config));
  });

  test.each(cases("bad").filter(([path]) => !/^(cniVersion|name|type|ipam)\b/.test(path)))(
    "may have %s = %j, which counts as absent",
    (path, value) => {
      const parsed = parseForRemoval(configWith(path, value));
      expect(parsed).toMatchObject(base);
      expect(parsed).not.toHaveProperty(steps(path).slice(0, 1));
    },
  );

  test.each(["mtuu", "constructor", "ipvlan.mtuu", "overlay.peers.0.mtuu"])(
    "may have the unknown key %s, also beside what it needs",
    (path) => {
      const needed = { timeout: 5, log: { level: "debug" }, runtimeConfig: { ips: ["10.1.2.3"] } };
      const config = { ...configWith(path, "x"), ...needed };
      expect(parseForRemoval(config)).toEqual({ ...base, ...needed });
    },
  );

  // What a name's characters may be is checked by itself (checkNetworkName).
  test.each(cases("bad").filter(([path]) => /^(cniVersion|type|ipam)\b/.test(path)))(
    "may not have %s = %j, without which nothing can be found",
    (path, value) => {
      const { code, details } = thrown(() => parseForRemoval(configWith(path, value)));
      expect([code, details]).toEqual([7, expect.stringContaining(path)]);
    },
  );
});

describe("a network's name", () => {
  test("is checked by itself, for verbs that need no more", () => {
    expect(checkNetworkName("podnet")).toBe("podnet");
  });

  test.each([undefined, "", null, 7, {}, ["podnet"], "..", ".", "a/b", "a:b", "pod net", "x".repeat(113)])(
    "may not be %j, with code 7",
    (name) => {
      const { code, details } = thrown(() => checkNetworkName(name));
      expect([code, details]).toEqual([7, expect.stringMatching(/^name (is|has) .*expected/)]);
    },
  );
});

describe("the node's defaults", () => {
  test("fill in what the conflist leaves open, key by key and whole", () => {
    const config = parseNetwork({ ...base, mtu: 1400, overlay: { type: "vxlan" } });
    const defaults = nodeSchema.parse({ mtu: 9000, ipMasq: true, overlay: { type: "geneve", vni: 7 } });
    expect(withDefaults(config, defaults)).toEqual({
      ...config,
      mtu: 1400,
      ipMasq: true,
      overlay: { type: "vxlan" },
    });
  });

  test("give way to values that are false or 0", () => {
    const config = parseNetwork({ ...base, mtu: 0, ipMasq: false });
    expect(withDefaults(config, { mtu: 9000, ipMasq: true })).toEqual(config);
  });

  test("change nothing where there are none", () => {
    expect(withDefaults(parseNetwork(base), {})).toEqual(base);
  });

  test.each(["name", "type", "ipam", "dns", "cniVersion", "runtimeConfig", "capabilities", "mtuu"])(
    "cannot have %s, which belongs to a network or to nobody",
    (key) => {
      const document = { [key]: "x" };
      const parsed = nodeSchema.safeParse(document);
      if (parsed.success) expect.fail(`${key} is refused`);
      expect(explain(parsed.error, document, "node.json")).toMatchObject({
        code: 2,
        details: expect.stringContaining(`node.json: ${key} = "x"`),
      });
    },
  );
});
