// The listing is as nft 1.0.6 prints it on Linux 6.12.
import { describe, expect, test } from "vitest";
import { parsePrefix } from "../../src/address/ip.ts";
import { podsTraffic, tunnelsTraffic } from "../../src/bypass/concern.ts";
import { hookObstacles } from "../../src/bypass/foreign-hooks.ts";

const prefixes = ["10.244.0.0/16"].flatMap((text) => parsePrefix(text) ?? []);
const pods = podsTraffic(prefixes);
const tunnels = tunnelsTraffic(prefixes, [4789]);
const listing = (hook: string, ...lines: string[]) =>
  `family ip {\n\thook ${hook} {\n${lines.map((line) => `\t\t${line}\n`).join("")}\t}\n}\n`;

describe("hooks that are no rules", () => {
  test.each([
    "-0000000400 ipv4_conntrack_defrag [nf_defrag_ipv4]",
    "-0000000300 iptable_raw_hook [iptable_raw]",
    " 0000000000 chain ip own f [nf_tables]",
    "-0000000200 ipv4_conntrack_in [nf_conntrack]",
    "-0000000100 nf_nat_ipv4_pre_routing [nf_nat]",
    "-2147483648 enter [podwire_bypass]",
    "-2147483648 ip_sabotage_in [br_netfilter]",
    "+2147483647 nf_confirm",
    "-0000000225 apparmor_ip_postroute",
    "-0000000225 selinux_ipv4_forward",
  ])("%s is known", (line) => {
    expect(hookObstacles(listing("prerouting", line), pods)).toEqual([]);
  });

  test.each([
    ["-0000000128 nf_hook_run_bpf", "nf_hook_run_bpf"],
    [" 0000000000 bpf_prog 32 [bpf]", "bpf_prog 32 [bpf]"],
    ["+0000000010 ipv4_conntrack_in [others]", "ipv4_conntrack_in [others]"],
    ["-0000000001 ila_nf_input [ila]", "ila_nf_input [ila]"],
  ])("%s is in the way", (line, what) => {
    expect(hookObstacles(listing("forward", line), pods)).toEqual([`${what} at hook forward of family ip`]);
  });

  test("are in the way only where what is bypassed meets them", () => {
    const line = "-0000000128 nf_hook_run_bpf";
    expect(hookObstacles(listing("input", line), pods)).toEqual([]);
    expect(hookObstacles(listing("input", line), tunnels)).toHaveLength(1);
    expect(hookObstacles(listing("forward", line), tunnels)).toEqual([]);
    expect(hookObstacles(listing("forward", line).replace("family ip ", "family ip6 "), pods)).toEqual([]);
    expect(hookObstacles(listing("ingress device eth0", line), pods)).toEqual([]);
  });

  test("are in the way of any pods where nobody says which", () => {
    const line = "-0000000128 nf_hook_run_bpf";
    expect(hookObstacles(listing("forward", line), podsTraffic([]))).toHaveLength(1);
  });

  test("are none where the kernel cannot tell", () => {
    expect(hookObstacles("", pods)).toEqual([]);
  });
});
