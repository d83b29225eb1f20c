import { describe, expect, test } from "vitest";
import { identifierFault, interfaceNameFault, parseEnvironment } from "../../src/cni/environment.ts";
import { thrown } from "./thrown.ts";

const complete = {
  CNI_COMMAND: "ADD",
  CNI_CONTAINERID: "pod1",
  CNI_NETNS: "/run/netns/pod1",
  CNI_IFNAME: "eth0",
  CNI_PATH: "/opt/cni/bin:/usr/lib/cni",
};
const needed = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"];
const refuse = (changes: NodeJS.ProcessEnv) => thrown(() => parseEnvironment({ ...complete, ...changes }));

describe("the environment of a call", () => {
  test("becomes what the verbs work with", () => {
    const variables = { ...complete, CNI_ARGS: "IP=10.1.2.3", PATH: "/bin" };
    expect(parseEnvironment(variables)).toEqual({
      verb: "ADD",
      containerID: "pod1",
      netns: "/run/netns/pod1",
      ifname: "eth0",
      args: "IP=10.1.2.3",
      path: ["/opt/cni/bin", "/usr/lib/cni"],
      variables,
    });
  });

  test.each([
    ["ADD", needed],
    ["CHECK", needed],
    ["DEL", ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"]],
    ["GC", ["CNI_PATH"]],
    ["STATUS", ["CNI_PATH"]],
    ["VERSION", []],
  ])("of %s must have exactly %j, and a refusal names each that is missing", (verb, names) => {
    const present = Object.fromEntries(names.map((name) => [name, complete[name as keyof typeof complete]]));
    expect(parseEnvironment({ CNI_COMMAND: verb, ...present }).verb).toBe(verb);
    for (const name of names) {
      for (const value of ["", undefined]) {
        const error = thrown(() => parseEnvironment({ CNI_COMMAND: verb, ...present, [name]: value }));
        expect([error.code, needed.filter((other) => error.details.includes(other))]).toEqual([4, [name]]);
      }
    }
    if (names.length === 0) return;
    const { code, details } = thrown(() => parseEnvironment({ CNI_COMMAND: verb }));
    expect([code, needed.filter((name) => details.includes(name))]).toEqual([4, names]);
  });

  test.each(["", "add", "ADD ", "ADDD", "constructor", "__proto__", "toString", "UPDATE"])(
    "with the verb %j is refused with the verbs that exist",
    (verb) => {
      const error = refuse({ CNI_COMMAND: verb });
      expect(error.code).toBe(4);
      expect(error.details).toContain(JSON.stringify(verb));
      expect(error.details).toContain("ADD, CHECK, DEL, GC, STATUS, VERSION");
    },
  );

  test("of GC and STATUS is not judged by what they do not use", () => {
    const variables = { CNI_PATH: "/opt/cni/bin", CNI_CONTAINERID: "../x", CNI_IFNAME: "a/b" };
    for (const verb of ["GC", "STATUS"])
      expect(parseEnvironment({ ...variables, CNI_COMMAND: verb }).verb).toBe(verb);
  });

  test("has absolute directories in CNI_PATH only, without empty ones", () => {
    const { path } = parseEnvironment({ ...complete, CNI_PATH: ":/opt/cni/bin/:/a/../b::" });
    expect(path).toEqual(["/opt/cni/bin", "/b"]);
  });
});

const dangerous = [
  "a/b",
  "../etc",
  "a b",
  "a;b",
  "$(id)",
  "`id`",
  "a\nb",
  "a\0b",
  "a'b",
  'a"b',
  "a|b",
  "a&b",
  "a*b",
  "é",
];

describe("a container id", () => {
  test.each(["a", "0", "4F1e_9.x-y", "a..b", "x".repeat(112)])("may be %s", (id) => {
    expect(identifierFault(id)).toBeUndefined();
    expect(parseEnvironment({ ...complete, CNI_CONTAINERID: id }).containerID).toBe(id);
  });

  test.each([".", "..", "-a", "_a", ".a", "a:b", "a@b", "pod1\n", ...dangerous])("may not be %j", (id) => {
    expect(identifierFault(id)).toContain(JSON.stringify(id));
    for (const verb of ["ADD", "DEL", "CHECK"]) {
      const error = refuse({ CNI_COMMAND: verb, CNI_CONTAINERID: id });
      expect([error.code, error.details.startsWith("CNI_CONTAINERID is ")]).toEqual([4, true]);
    }
  });

  test("may have 112 characters at most, and the refusal of more stays short", () => {
    expect(refuse({ CNI_CONTAINERID: "x".repeat(113) }).code).toBe(4);
    const error = refuse({ CNI_CONTAINERID: "x".repeat(100_000) });
    expect(error.code).toBe(4);
    expect(error.details.length).toBeLessThan(200);
  });
});

describe("an interface name", () => {
  test.each(["e", "eth0", "eth0.100", "net1@x", "0", "_", "a".repeat(15)])("may be %s", (name) => {
    expect(interfaceNameFault(name)).toBeUndefined();
    expect(parseEnvironment({ ...complete, CNI_IFNAME: name }).ifname).toBe(name);
  });

  test.each([
    ".",
    "..",
    "a:b",
    "-a",
    "--help",
    "a".repeat(16),
    "eth0\n",
    "\t",
    "a%d",
    "ééééééé",
    ...dangerous,
  ])("may not be %j", (name) => {
    expect(interfaceNameFault(name)).toContain(JSON.stringify(name));
    for (const verb of ["ADD", "DEL", "CHECK"]) {
      const error = refuse({ CNI_COMMAND: verb, CNI_IFNAME: name });
      expect([error.code, error.details.startsWith("CNI_IFNAME is ")]).toEqual([4, true]);
    }
  });
});
