// ADD with iproute2, nft, nsenter or tee missing, failing, hanging or too old: refused without a trace.
import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { cni, dualStackIpam, network, succeed } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { masqueradedAddresses, storedFiles } from "../fixture/machine-state.ts";
import { podwireWith } from "../fixture/programs.ts";
import { shape } from "../fixture/shape/shape.ts";
import { untouchedNode } from "../fixture/untouched-node.ts";

const untouched = untouchedNode();

describe("programs", () => {
  const all = [...shape.programs, "cat"];
  const needed = shape.programs.filter((program) => program !== "tee");
  const without = (name: string) =>
    podwireWith(
      untouched.node,
      {},
      all.filter((program) => program !== name),
    );

  test.each(needed)("that are missing are named with code 102: %s", async (name) => {
    await untouched.refuse({ plugin: without(name) }, 102, name);
  });

  test.each(["tee"])("that are missing are named with code 102, or not needed: %s", async (name) => {
    const config = network({ ipam: dualStackIpam });
    const added = await cni(untouched.node, { verb: "ADD", config, plugin: without(name) });
    if (added.exitCode !== 0) return void expectFailure(added, 102, name);
    await succeed(untouched.node, { verb: "DEL", config, plugin: without(name) });
  });

  const old = 'echo "Option \\"-batch\\" is unknown, try \\"ip -help\\"." >&2; exit 255';
  const ofOpenVswitch = [
    ["ovs-vsctl", "fails", "exit 1", [107]],
    ["ovs-vsctl", "is killed", "kill -9 $$", [11, 107]],
    [
      "ovs-vsctl",
      "cannot reach its database",
      "echo 'ovs-vsctl: unix:/x: database connection failed ()' >&2; exit 1",
      [11],
    ],
    ["ovs-ofctl", "fails with words", "echo 'ovs-ofctl: bad flow' >&2; exit 1", [107]],
    ["ovs-ofctl", "is too old", "echo \"ovs-ofctl: unrecognized option '--bundle'\" >&2; exit 1", [107]],
  ] as const;
  // Open vSwitch is the first to miss a link that was not made.
  const unmade = shape.name === "ovs" ? [107] : [];
  test.each([
    ...(shape.name === "ovs" ? ofOpenVswitch : []),
    ["ip", "fails", "exit 1", [100]],
    ["ip", "fails with words", "echo broken >&2; exit 2", [100]],
    ["ip", "is killed", "kill -9 $$", [100]],
    ["ip", "is too old", old, [100]],
    ["ip", "does nothing and says that all is well", "cat > /dev/null; exit 0", [8, 100, ...unmade]],
    ["nsenter", "fails", "echo 'nsenter: setns(): out of luck' >&2; exit 1", [8, 100]],
    ["nsenter", "fails silently", "exit 1", [8, 100]],
    ["nft", "fails", "exit 1", [100]],
    ["nft", "is too old", "echo 'Error: syntax error, unexpected get' >&2; exit 1", [100]],
    ["tee", "fails", "echo 'tee: no' >&2; exit 1", [100]],
    ["ip", "cannot be executed", "\u0000", [5, 100, 102, ...unmade]],
  ] as const)("%s that %s fails the ADD", async (program, _, script, code) => {
    const plugin = podwireWith(untouched.node, { [program]: script });
    const isStuck = program === "nsenter" && shape.name === "ipvlan";
    // A slave has no end on the host by which it could be taken out of the pod.
    await untouched.refuse({ plugin }, code);
    if (isStuck) await succeed(untouched.node, { verb: "DEL", config: network() });
  });

  test("nft that does its work and fails leaves nothing that DEL does not remove", async () => {
    await cni(untouched.node, {
      verb: "ADD",
      config: network({ ipMasq: true, ipam: dualStackIpam }),
      plugin: podwireWith(untouched.node, { nft: '/usr/sbin/nft "$@"; exit 1' }),
    });
    await succeed(untouched.node, { verb: "DEL", config: network() });
    expect(await masqueradedAddresses(untouched.node)).toEqual([]);
    expect(await storedFiles(untouched.node)).toEqual([]);
    await untouched.cleanUp();
  });

  test.each(shape.programs)("%s that hangs is ended at the deadline, with code 11", async (program) => {
    const plugin = podwireWith(untouched.node, { [program]: "sleep 1000" });
    const config = network({ ipMasq: true, ipam: dualStackIpam, timeout: shape.undoableTimeout });
    const answer = await cni(untouched.node, { verb: "ADD", config, plugin });
    // With a program that hangs in undoing as well, DEL has to finish the work.
    await succeed(untouched.node, { verb: "DEL", config: network({ ipMasq: true, ipam: dualStackIpam }) });
    expectFailure(answer, 11, program === "tee" ? /tee|nsenter/ : program);
  });

  test.each([1, 2, 3, 4])("ip that hangs at its run %i only is rolled back at the deadline", async (run) => {
    fs.rmSync(untouched.node.file("/run/runs"), { force: true });
    const count =
      'echo >> /run/runs; if [ $(wc -l < /run/runs) = RUN ]; then sleep 1000; fi; exec /usr/sbin/ip "$@"';
    const plugin = podwireWith(untouched.node, { ip: count.replace("RUN", String(run)) });
    const config = network({ ipMasq: true, ipam: dualStackIpam, timeout: shape.undoableTimeout });
    const answer = await cni(untouched.node, { verb: "ADD", config, plugin });
    if (answer.exitCode !== 0) return void expectFailure(answer, 11, /ip|nsenter/);
    await succeed(untouched.node, { verb: "DEL", config });
    await untouched.cleanUp();
  });
});
