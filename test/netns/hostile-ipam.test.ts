// ADD with an IPAM plugin that is missing, fails, hangs or talks nonsense: refused without a trace.
import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { type CniCall, cni, network } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { executable } from "../fixture/node.ts";
import { pluginDirectory } from "../fixture/programs.ts";
import { untouchedNode } from "../fixture/untouched-node.ts";

const untouched = untouchedNode();

describe("an IPAM plugin", () => {
  const delegated = (script: string, extra: object = {}): Partial<CniCall> => ({
    config: network({ ipMasq: true, ipam: { type: "stub" }, ...extra }),
    path: pluginDirectory(untouched.node, { stub: script }),
  });
  const failing = (body: string) => `cat > /dev/null; [ $CNI_COMMAND = ADD ] || exit 0; ${body}`;
  const print = (value: unknown) => failing(`echo '${JSON.stringify(value)}'`);

  test("that is missing is named with code 102", async () => {
    await untouched.refuse({ config: network({ ipam: { type: "nowhere" } }) }, 102, "nowhere", "CNI_PATH");
  });

  test.each(["/nowhere", ":", "relative", "/etc/passwd"])("on a CNI_PATH of %j is missing", async (path) => {
    await untouched.refuse({ config: network({ ipam: { type: "stub" } }), path }, [4, 102]);
  });

  test("that is podwire itself is refused instead of recurring", async () => {
    const path = pluginDirectory(untouched.node, {
      podwire: `echo >> /run/recursions; [ $(wc -l < /run/recursions) -lt 4 ] || exit 1; exec ${executable}`,
    });
    const lists = { "cni.dev/valid-attachments": [] };
    const config = network({ ipam: { type: "podwire" }, timeout: 20, ...lists });
    for (const verb of ["ADD", "STATUS", "GC"]) {
      expectFailure(await cni(untouched.node, { verb, config, path }), 7, "ipam.type");
      expect(fs.existsSync(untouched.node.file("/run/recursions"))).toBe(false);
    }
    // DEL asks whatever IPAM it is given, once.
    expectFailure(await cni(untouched.node, { verb: "DEL", config, path }), 7, "ipam.type", "podwire itself");
    expect(fs.readFileSync(untouched.node.file("/run/recursions"), "utf8")).toBe("\n");
  });

  test.each([
    ["fails without a word", failing("exit 1"), 6],
    ["fails with words", failing("echo sorry >&2; exit 3"), 6],
    ["is killed", failing("kill -9 $$"), 6],
    ["cannot be started", "\u0000", [5, 6, 102]],
    ["prints garbage", failing("echo garbage"), 6],
    ["prints garbage and fails", failing("echo garbage; exit 1"), 6],
    ["prints nothing", failing("exit 0"), 6],
    ["prints half a result", failing(`echo '{"ips":[{"addr'`), 6],
    ["prints endlessly much", failing("yes | head -c 100000000"), 6],
    ["prints a list", print([]), 6],
    ["gives no ips", print({ cniVersion: "1.1.0", ips: [] }), 6],
    ["gives null ips", print({ cniVersion: "1.1.0", ips: null }), 6],
    ["gives a bad address", print({ ips: [{ address: "10.0.0.1" }] }), 6],
    ["gives shell as address", print({ ips: [{ address: "10.0.0.1/24;reboot" }] }), 6],
    ["gives a bad route", print({ ips: [{ address: "10.0.0.1/24" }], routes: [{ dst: "x" }] }), 6],
    [
      "gives a route of another family",
      print({ ips: [{ address: "10.0.0.1/24" }], routes: [{ dst: "::/0" }] }),
      [6, 7],
    ],
    [
      "gives a gateway elsewhere",
      print({ ips: [{ address: "10.0.0.1/24" }], routes: [{ dst: "0.0.0.0/0", gw: "10.9.9.9" }] }),
      [6, 7],
    ],
    [
      "gives one address twice",
      print({ ips: [{ address: "10.0.0.1/24" }, { address: "10.0.0.1/24" }] }),
      [6, 7, 100],
    ],
    [
      "answers with an error",
      failing(`echo '{"cniVersion":"1.1.0","code":11,"msg":"wait","details":"for it"}'; exit 1`),
      11,
    ],
    ["answers with an error of its own", failing(`echo '{"code":117,"msg":"full"}'; exit 1`), 117],
    ["answers with a nonsensical error", failing(`echo '{"code":"many","msg":7}'; exit 1`), 6],
    ["answers with an error but success", failing(`echo '{"code":11,"msg":"wait"}'; exit 0`), [6, 11]],
  ] as const)("that %s fails the ADD", async (_, script, code) => {
    await untouched.refuse(delegated(script), code, ...([code].flat().includes(7) ? [] : ["stub"]));
  });

  test("that hangs is ended at the deadline, with all that it started", async () => {
    await untouched.refuse(delegated(failing("sleep 1000 & sleep 1000"), { timeout: 2 }), 11, "stub");
  });

  test("that hangs in DEL too does not hang the ADD", async () => {
    await untouched.refuse(delegated("exec sleep 1000", { timeout: 2 }), 11, "stub");
  });

  test("that leaves a child with its output open does not hang the ADD", async () => {
    const answer = JSON.stringify({ cniVersion: "1.1.0", ips: [{ address: "10.0.0.1/24" }] });
    const call = delegated(failing(`echo '${answer}'; sleep 4 &`), { timeout: 2 });
    const added = await cni(untouched.node, { verb: "ADD", config: network(), ...call });
    await cni(untouched.node, { verb: "DEL", config: network(), ...call });
    await untouched.node.run("sh", "-c", "while pgrep -f '^sleep 4$' > /dev/null; do sleep 0.1; done");
    await untouched.cleanUp();
    if (added.exitCode !== 0) expectFailure(added, 11);
  });

  test("is told to DEL after it failed", async () => {
    const script = "echo $CNI_COMMAND >> /run/verbs; cat > /dev/null; exit 1";
    fs.rmSync(untouched.node.file("/run/verbs"), { force: true });
    await untouched.refuse(delegated(script), 6);
    expect(fs.readFileSync(untouched.node.file("/run/verbs"), "utf8")).toBe("ADD\nDEL\n");
  });
});
