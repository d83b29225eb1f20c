// `podwire doctor` on nodes with faults, through the built executable.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { dualStackIpam, network, succeed } from "../fixture/calls.ts";
import { executable, type TestNode } from "../fixture/node.ts";
import { binDir, confDir, examine, type Finding, startConfiguredNode } from "./examination.ts";
import { cannotMakeNodes } from "./root.ts";

describe.skipIf(cannotMakeNodes("podwire doctor"))("podwire doctor", () => {
  let node: TestNode;
  beforeEach(async () => {
    node = await startConfiguredNode();
  });
  afterEach(async () => node.stop());

  test("finds no fault on a sound node, and says what it looked at", async () => {
    const { findings, exitCode } = await examine(node);
    expect(findings.filter(({ level }) => level !== "ok")).toEqual([]);
    expect(findings.map(({ check }) => check)).toEqual([
      "kernel version",
      "kernel veth",
      "kernel IPv6",
      "kernel nf_tables NAT",
      "program ip",
      "program nft",
      "program nsenter",
      "program flock",
      "program tee",
      "program cat",
      "sysctl net.ipv4.ip_forward",
      "sysctl net.ipv6.conf.all.forwarding",
      "sysctl net.ipv4.conf.all.rp_filter",
      "sysctl net.ipv6.conf.default.disable_ipv6",
      "router advertisements",
      "br_netfilter",
      "underlay",
      "firewall of forwarded packets",
      "configuration 10-podnet.conflist",
      "first configuration",
      "addresses of network podnet",
      "addresses of network podnet",
      "state directory",
      "attachments",
    ]);
    expect(exitCode).toBe(0);
  });

  test("prints each finding for people, with what it breaks and how to fix it", async () => {
    await node.run("sysctl", "-w", "net.ipv4.conf.all.rp_filter=1");
    const stdout = await node.run(executable, "doctor", "--conf-dir", confDir, "--bin-dir", binDir);
    expect(stdout).toMatch(/^ok {7}underlay: uplink, MTU 1500$/m);
    expect(stdout).toMatch(
      /^warning {2}sysctl net\.ipv4\.conf\.all\.rp_filter: 1.*\n {9}breaks: .*\n {9}fix: .*sysctl -w/m,
    );
    expect(stdout).toMatch(/\nok: 23, warnings: 1, errors: 0$/);
  });

  test("leaves the node as it is", async () => {
    const state = "ip link; ip address; nft list ruleset; find /var/lib/podwire /var/lib/cni";
    const before = await node.run("sh", "-c", state);
    await examine(node);
    expect(await node.run("sh", "-c", state)).toBe(before);
  });

  test("names missing programs and their packages", async () => {
    const { about, exitCode } = await examine(node, "PATH=/nowhere");
    for (const name of ["ip", "nft", "nsenter", "tee", "cat"]) {
      expect(about(`program ${name}`)[0]).toMatchObject({ level: "error", found: "not in PATH" });
    }
    expect(about("program ip")[0]?.fix).toContain("iproute2");
    expect(exitCode).toBe(1);
  });

  test("finds forwarding that was turned off under running pods", async () => {
    await node.addPod("pod1");
    await succeed(node, { verb: "ADD", config: network({ ipam: dualStackIpam }) });
    expect((await examine(node)).level("sysctl net.ipv4.ip_forward")).toEqual(["ok"]);
    await node.run("sysctl", "-w", "net.ipv4.ip_forward=0");
    const { about, exitCode } = await examine(node);
    expect(about("sysctl net.ipv4.ip_forward")[0]).toMatchObject({ level: "error", found: "0" });
    expect(exitCode).toBe(1);
  });

  test("warns of a firewall that drops forwarded packets, until it accepts pods", async () => {
    await node.run(
      "nft",
      "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }",
    );
    await node.run("nft", 'add rule ip filter FORWARD oifname "docker0" accept');
    const { about } = await examine(node);
    expect(about("firewall")[0]).toMatchObject({
      level: "warning",
      found: "chain ip filter FORWARD drops by default, and no rule for pods was found",
      fix: "iptables -I FORWARD -i pw+ -j ACCEPT; iptables -I FORWARD -o pw+ -j ACCEPT",
    });
    await node.run("nft", 'add rule ip filter FORWARD iifname "pw*" accept');
    expect((await examine(node)).level("firewall")).toEqual(["ok"]);
  });

  test("finds a default route that depends on router advertisements no longer taken", async () => {
    const route = ["-6", "route", "replace", "default", "via", "2001:db8::2", "dev", "uplink", "proto", "ra"];
    await node.run("ip", ...route);
    expect((await examine(node)).level("router advertisements")).toEqual(["ok"]);
    await node.run("sysctl", "-w", "net.ipv6.conf.all.forwarding=1", "net.ipv6.conf.uplink.accept_ra=1");
    const { about } = await examine(node);
    expect(about("router advertisements")[0]).toMatchObject({
      level: "error",
      fix: "sysctl -w net.ipv6.conf.uplink.accept_ra=2",
    });
  });

  test("finds a state directory that cannot be written", async () => {
    await node.run("mount", "-o", "remount,ro", "/var/lib/podwire");
    expect((await examine(node)).level("state directory")).toEqual(["error"]);
  });

  test("counts attachments that gc would remove", async () => {
    await node.addPod("pod1");
    await succeed(node, { verb: "ADD", config: network() });
    await node.run("ip", "netns", "delete", "pod1");
    const { about } = await examine(node);
    expect(about("attachments")[0]).toMatchObject({ level: "warning" });
    expect(about("attachments")[0]?.fix).toContain("podwire gc");
  });

  test("without root, says what it could not check and finds nothing else wrong", async () => {
    // The checkout may be in a directory of root's.
    await node.run("sh", "-c", `touch /run/podwire && mount --bind ${executable} /run/podwire`);
    const nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"];
    const { stdout } = await node.attempt("setpriv", [...nobody, "/run/podwire", "doctor", "--json"]);
    const findings = (JSON.parse(stdout) as Finding[]).filter(({ found }) =>
      found.startsWith("not checked: "),
    );
    expect(findings.map(({ check }) => check)).toContain("kernel nf_tables NAT");
    for (const { level, fix } of findings) {
      expect(level).toBe("warning");
      expect(fix).toBe("run doctor as root");
    }
  });
});
