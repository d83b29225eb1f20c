// Which iptables lists the rules of the older kind, and what is said where none does.
import { describe, expect, test } from "vitest";
import { listLegacy } from "../../src/bypass/legacy-rules.ts";
import type { Host } from "../../src/kernel-module/host.ts";

const nobody = {
  fault: "the kernel has rules of iptables, table filter, that iptables-legacy cannot list",
};

/** A node whose programs print this, by "program arguments". */
const node = (programs: Record<string, string>): Host => ({
  ask: async (program, args) => {
    const stdout = programs[`${program} ${args.join(" ")}`];
    return stdout === undefined ? undefined : { stdout, stderr: "", exitCode: 0 };
  },
});
const ask = (programs: Record<string, string>) =>
  listLegacy(node(programs), { program: "iptables", table: "filter" });

describe("rules of iptables' older kind are listed", () => {
  test("by iptables-legacy", async () => {
    const programs = { "iptables-legacy -t filter -S": "-P FORWARD DROP\n" };
    expect(await ask(programs)).toEqual({ listing: "-P FORWARD DROP\n" });
  });

  test.each(["iptables v1.8.9 (legacy)", "iptables v1.6.1"])("by what says %s", async (version) => {
    const programs = { "iptables -V": version, "iptables -t filter -S": "-P FORWARD DROP\n" };
    expect(await ask(programs)).toEqual({ listing: "-P FORWARD DROP\n" });
  });

  test("not by an iptables that speaks to nft, which lists that one's rules and succeeds", async () => {
    const programs = {
      "iptables -V": "iptables v1.8.9 (nf_tables)",
      "iptables -t filter -S": "-P FORWARD ACCEPT\n",
    };
    expect(await ask(programs)).toEqual(nobody);
  });

  test("by nobody where there is no iptables", async () => {
    expect(await ask({})).toEqual(nobody);
  });
});
