// The CNI protocol at its edges: environment, arguments, versions, exit status, and what may be on stdout.
import { describe, expect, test } from "vitest";
import { cni, network, succeed } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { shape } from "../fixture/shape/shape.ts";
import { sharedPod } from "../fixture/shared-pod.ts";

const pod = sharedPod();

const versions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

const required = {
  ADD: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
  CHECK: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
  DEL: ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"],
  GC: ["CNI_PATH"],
  STATUS: ["CNI_PATH"],
} as const;

describe("VERSION", () => {
  test.each([...versions, undefined])("of a configuration of %s lists all versions", async (cniVersion) => {
    const { json } = await succeed(pod.node, { verb: "VERSION", config: { cniVersion } });
    expect(json).toEqual({ cniVersion: cniVersion ?? "1.1.0", supportedVersions: versions });
  });

  test.each(["", "not JSON", "[]", "null", '{"cniVersion":7}', '{"cniVersion":"9.9.9"}'])(
    "needs no sense on stdin: %j",
    async (config) => {
      const nothing = { CNI_CONTAINERID: undefined, CNI_NETNS: undefined, CNI_IFNAME: undefined };
      const { json } = await succeed(pod.node, {
        verb: "VERSION",
        config,
        env: { ...nothing, CNI_PATH: undefined },
      });
      expect(json.supportedVersions).toEqual(versions);
    },
  );
});

describe.each(Object.entries(required))("%s", (verb, variables) => {
  test.each(variables)("without %s fails with code 4 and names it", async (variable) => {
    for (const value of [undefined, ""]) {
      const answer = await cni(pod.node, { verb, config: network(), env: { [variable]: value } });
      expectFailure(answer, 4, variable);
    }
  });

  test("without any variable names all of them", async () => {
    const env = Object.fromEntries(variables.map((variable) => [variable, undefined]));
    expectFailure(await cni(pod.node, { verb, config: network(), env }), 4, ...variables);
  });
});

describe("an unknown verb", () => {
  test.each(["add", "UPDATE", "ADD ", "__proto__", "constructor", "ADD\nDEL", "ПРИВЕТ"])(
    "is refused with code 4: %j",
    async (verb) => {
      expectFailure(await cni(pod.node, { verb, config: network() }), 4, "CNI_COMMAND");
    },
  );
});

describe("CNI_ARGS", () => {
  const good = [
    "",
    "IgnoreUnknown=1",
    "IgnoreUnknown=true;ANYTHING=goes=here;OTHER=",
    "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=1-2-3",
    "IP=10.244.1.77",
    ...(shape.hasOwnMac ? ["MAC=0a:58:0a:f4:01:07"] : []),
    ";;IgnoreUnknown=1;",
  ];
  test.each(good)("are taken: %j", async (args) => {
    const config = network();
    await succeed(pod.node, { verb: "ADD", config, args });
    await succeed(pod.node, { verb: "DEL", config, args });
  });

  const bad = [
    ["UNKNOWN=1", "UNKNOWN"],
    ["__proto__=1", "__proto__"],
    ["justaword", "justaword"],
    ["=value", "=value"],
    ["IP=10.244.1", "10.244.1"],
    ["IP=$(reboot)", "reboot"],
    ["MAC=nonsense", "nonsense"],
    ["MAC=01:00:5e:00:00:01", "01:00:5e:00:00:01"],
    ["IgnoreUnknown=perhaps", "perhaps"],
  ] as const;
  test.each(bad)("are refused with code 4: %j", async (args, word) => {
    expectFailure(await cni(pod.node, { verb: "ADD", config: network(), args }), 4, "CNI_ARGS", word);
  });
});

describe("versions", () => {
  const unknown = ["0.0.1", "0.3", "1", "1.2.0", "2.0.0", "latest", "v1.0.0", " 1.0.0", "1.0.0-rc1"];
  test.each(unknown)("of no specification are refused with code 1: %j", async (cniVersion) => {
    for (const verb of ["ADD", "DEL", "CHECK", "GC", "STATUS"])
      expectFailure(await cni(pod.node, { verb, config: network({ cniVersion }) }), 1, cniVersion, "1.1.0");
  });

  test.each([1, null, ["1.0.0"], { a: 1 }, true])("of a wrong type are refused: %j", async (cniVersion) => {
    expectFailure(
      await cni(pod.node, { verb: "ADD", config: network({ cniVersion }) }),
      [1, 7],
      "cniVersion",
    );
  });

  test.each(["0.1.0", "0.2.0", "0.3.0", "0.3.1", undefined])("of %s have no CHECK", async (cniVersion) => {
    expectFailure(
      await cni(pod.node, { verb: "CHECK", config: network({ cniVersion }) }),
      1,
      "CHECK",
      "0.4.0",
    );
  });

  test.each(["0.1.0", "0.4.0", "1.0.0"])("of %s have neither GC nor STATUS", async (cniVersion) => {
    for (const verb of ["GC", "STATUS"])
      expectFailure(await cni(pod.node, { verb, config: network({ cniVersion }) }), 1, verb, "1.1.0");
  });

  test("are said in the error object", async () => {
    const answer = await cni(pod.node, { verb: "ADD", config: network({ cniVersion: "0.4.0", oops: 1 }) });
    expectFailure(answer, 2);
    expect(answer.json.cniVersion).toBe("0.4.0");
  });
});

describe("stdout", () => {
  test("holds nothing but JSON with the most talkative log", async () => {
    const config = network({ log: { level: "debug" } });
    const env = { PODWIRE_LOG: "debug" };
    const added = await succeed(pod.node, { verb: "ADD", config, env });
    expect(added.json.ips).toHaveLength(1);
    const repeated = await cni(pod.node, { verb: "ADD", config, env });
    expect(repeated.json.code).toBe(101);
    const deleted = await succeed(pod.node, { verb: "DEL", config, env });
    expect(deleted.stdout).toBe("");
  });
});
