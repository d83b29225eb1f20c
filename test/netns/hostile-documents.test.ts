// ADD with what is no configuration, or has keys that nobody knows: refused with the right code, a clear
// message, and a machine that is exactly as it was.
import { describe, test } from "vitest";
import { cni, dualStackIpam, network } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { untouchedNode } from "../fixture/untouched-node.ts";

const untouched = untouchedNode();

describe("what is not a configuration", () => {
  const config = JSON.stringify(network());
  test.each([
    ["nothing", ""],
    ["a space", " "],
    ["words", "hello"],
    ["truncated JSON", config.slice(0, -1)],
    ["half the JSON", config.slice(0, config.length / 2)],
    ["JSON and more", `${config}}`],
    ["two documents", `${config}\n${config}`],
    ["a list", `[${config}]`],
    ["null", "null"],
    ["a number", "7"],
    ["text", '"text"'],
    ["a comment", `// hello\n${config}`],
    ["a byte order mark", `\uFEFF${config}`],
    ["single quotes", config.replaceAll('"', "'")],
    ["100 KB of [", "[".repeat(100_000)],
    ["100 KB of {", '{"a":'.repeat(20_000)],
    ["100 KB of closed [", `${"[".repeat(50_000)}${"]".repeat(50_000)}`],
    ["deep nesting", `{"name":"podnet","args":${'{"a":'.repeat(5000)}1${"}".repeat(5000)}}`],
    ["bytes", "\u0000\u0001\u0002"],
    ["NaN", '{"mtu":NaN}'],
  ])("is refused with code 6: %s", async (_, text) => {
    await untouched.refuse({ config: text }, 6);
    expectFailure(await cni(untouched.node, { verb: "DEL", config: text }), 6);
  });

  test("is refused with code 6 from a certain size on", async () => {
    await untouched.refuse({ config: `{"name":"${"a".repeat(6_000_000)}"}` }, 6, "bytes");
  });
});

describe("keys that reach into JavaScript's prototypes", () => {
  test.each(["__proto__", "constructor", "prototype", "toString", "hasOwnProperty"])(
    "are refused with code 2: %s",
    async (key) => {
      const text = JSON.stringify(network());
      const evil = `"${key}":{"mtu":1300,"ipMasq":true}`;
      await untouched.refuse({ config: text.replace("{", `{${evil},`) }, 2, key);
      await untouched.refuse({ config: text.replace('"ipam":{', `"ipam":{${evil},`) }, [2, 7], key);
      await untouched.refuse({ config: text.replace('{"subnet"', `{${evil},"subnet"`) }, 2, key);
    },
  );
});

describe("unknown keys", () => {
  const oops = { oops: "strange" };
  const levels: Record<string, Record<string, unknown>> = {
    "the entry": oops,
    ipvlan: { ipvlan: oops },
    ovs: { ovs: oops },
    overlay: { overlay: { type: "none", ...oops } },
    "overlay.peers": {
      overlay: { type: "none", peers: [{ node: "n", address: "192.0.2.9", podCIDRs: [], ...oops }] },
    },
    bypass: { bypass: { mode: "auto", ...oops } },
    log: { log: oops },
    dns: { dns: oops },
    ipam: { ipam: { ...dualStackIpam, ...oops } },
    "ipam.ranges": { ipam: { type: "host-local", ranges: [[{ subnet: "10.244.1.0/24", ...oops }]] } },
    "ipam.routes": { ipam: { ...dualStackIpam, routes: [{ dst: "0.0.0.0/0", ...oops }] } },
  };
  test.each(Object.entries(levels))("of %s are refused with code 2, key and value", async (_, extra) => {
    await untouched.refuse({ config: network(extra) }, 2, "oops", "strange");
  });

  test.each(["MTU", "ipmasq", "IPMasq", "Datapath", "plugins", "ranges", "bridge", "isGateway"])(
    "that nearly exist are refused with code 2: %s",
    async (key) => {
      await untouched.refuse({ config: network({ [key]: 1400 }) }, 2, key, "1400");
    },
  );
});
