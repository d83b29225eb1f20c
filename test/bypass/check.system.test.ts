// What `podwire bypass check` finds among rules that the real programs made.
import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { executable, startNode, type TestNode } from "../fixture/node.ts";

let node: TestNode;
beforeEach(async () => {
  node = await startNode();
});
afterEach(async () => node.stop());

const pods = ["--pods", "10.244.0.0/16"];
const tunnels = ["--node", "192.0.2.1/32", "--peers", "192.0.2.2/32", "--tunnels", "udp:4789"];

async function check(words: readonly string[], searchPath?: string): Promise<string[]> {
  const setting = searchPath === undefined ? [] : [`PATH=${searchPath}`];
  const command = [...setting, executable, "bypass", "check", ...words, "--json"];
  return JSON.parse((await node.attempt("env", command)).stdout) as string[];
}

const encryption = [
  [
    "iptables",
    "-t",
    "mangle",
    "-A",
    "OUTPUT",
    "-p",
    "udp",
    "--dport",
    "4789",
    "-j",
    "MARK",
    "--set-mark",
    "1",
  ],
  [
    "iptables",
    "-A",
    "INPUT",
    "-p",
    "udp",
    "--dport",
    "4789",
    "-m",
    "policy",
    "--dir",
    "in",
    "--pol",
    "none",
    "-j",
    "DROP",
  ],
] as const;

describe("rules about tunnels", () => {
  test("that encrypt them are found, and are none about pods", async () => {
    for (const [program, ...args] of encryption) await node.run(program, ...args);
    expect((await check(tunnels)).sort()).toEqual([
      expect.stringMatching(/^rule [0-9]+ of chain ip filter INPUT \(drop\)$/),
      expect.stringMatching(/^rule [0-9]+ of chain ip mangle OUTPUT \(MARK\)$/),
    ]);
    expect(await check(pods)).toEqual([]);
  });

  test("are found in the older kind's tables", async () => {
    for (const [program, ...args] of encryption) await node.run(`${program}-legacy`, ...args);
    expect((await check(tunnels)).sort()).toEqual([
      expect.stringContaining("iptables -t filter -A INPUT -p udp"),
      expect.stringContaining("iptables -t mangle -A OUTPUT -p udp"),
    ]);
    expect(await check(pods)).toEqual([]);
  });

  test("are none that let other things in, or out", async () => {
    await node.run(
      "nft",
      `add table inet host; add chain inet host in { type filter hook input priority 0; };
       add chain inet host out { type filter hook output priority 0; };
       add rule inet host in tcp dport { 22, 80 } drop; add rule inet host in udp dport 53 drop;
       add rule inet host in meta l4proto icmp drop; add rule inet host in ip saddr 203.0.113.0/24 drop;
       add rule inet host out tcp flags syn drop`,
    );
    expect(await check(tunnels)).toEqual([]);
  });
});

test("without arguments, whatever is forwarded is asked about", async () => {
  const rules = [
    ["iptables-nft", "-A", "FORWARD", "-j", "DROP"],
    ["ip6tables-nft", "-A", "FORWARD", "-j", "DROP"],
    ["iptables-legacy", "-A", "FORWARD", "-s", "203.0.113.0/24", "-j", "DROP"],
  ] as const;
  expect(await check([])).toEqual([]);
  for (const [program, ...args] of rules) await node.run(program, ...args);
  expect(await check([])).toHaveLength(rules.length);
});

test("what comments say is no part of their rules", async () => {
  const comments = [
    "was -j ACCEPT before",
    "not only -s 203.0.113.1/32 any more",
    "-j",
    'said " -j ACCEPT once',
  ];
  for (const comment of comments)
    await node.run("iptables-legacy", "-A", "FORWARD", "-m", "comment", "--comment", comment, "-j", "DROP");
  expect(await check(pods)).toHaveLength(comments.length);
});

describe("zones of conntrack are in the way", () => {
  test.each([
    [
      "nft",
      "add table ip own; add chain ip own p { type filter hook prerouting priority -300; }; add rule ip own p ct zone set 5",
    ],
    ["iptables", "-t", "raw", "-A", "PREROUTING", "-j", "CT", "--zone", "5"],
    ["iptables-legacy", "-t", "raw", "-A", "PREROUTING", "-j", "CT", "--zone", "5"],
  ])("by %s", async (program, ...args) => {
    await node.run(program, ...args);
    expect(await check(pods)).toHaveLength(1);
  });
});

test("rules that only iptables-legacy can list are in the way where it is missing", async () => {
  await node.run("iptables-legacy", "-A", "FORWARD", "-d", "10.244.0.0/16", "-j", "DROP");
  expect(await check(pods)).toEqual(["iptables -t filter -A FORWARD -d 10.244.0.0/16 -j DROP"]);
  // It lists nft's rules, of which there are none, and succeeds.
  const programs = node.file("/run/programs");
  fs.mkdirSync(programs);
  for (const name of ["nft", "ip", "iptables", "ip6tables"])
    fs.symlinkSync(`/usr/sbin/${name}`, path.join(programs, name));
  expect(await check(pods, "/run/programs")).toEqual([
    "the kernel has rules of iptables, table filter, that iptables-legacy cannot list",
  ]);
});

test("rules for a pod that is excluded are not in the way, as long as it is", async () => {
  const reject = ["-A", "FORWARD", "-d", "10.244.1.7/32", "-j", "REJECT"];
  await node.run("iptables", ...reject);
  await node.run("iptables-legacy", ...reject);
  expect(await check(pods)).toHaveLength(2);
  await node.run(executable, "bypass", "set", "--exclude", "10.244.1.7/32");
  expect(await check(pods)).toEqual([]);
  await node.run(executable, "bypass", "set", "--exclude", "");
  expect(await check(pods)).toHaveLength(2);
});
