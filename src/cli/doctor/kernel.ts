// What the kernel can do, found out by doing it in a netns that is thrown away.
import { kernelRelease } from "../../kernel-module/module.ts";
import { type Finding, fault, fine, unchecked, warning } from "./finding.ts";
import { type Node, usesFamily, usesMasquerade } from "./node.ts";
import { isAtLeastVersion } from "./programs.ts";

/** NAT in tables of family inet came with it. */
const natInInet = "5.2";

export async function checkKernel(node: Node): Promise<Finding[]> {
  return [checkVersion(node), ...(await probeLinks(node)), await probeMasquerade(node)];
}

function checkVersion(node: Node): Finding {
  const release = kernelRelease();
  const found = `Linux ${release}`;
  if (isAtLeastVersion(release, natInInet)) return fine("kernel version", found);
  const report = usesMasquerade(node) ? fault : warning;
  return report("kernel version", found, "networks with ipMasq", `run Linux ${natInInet} or newer`);
}

const linkProbe = ["link add podwire0 type veth peer name podwire1", "link set podwire0 up"];
const ipv6Probe = ["address add fe80::1/64 dev podwire0 nodad"];

async function probeLinks(node: Node): Promise<Finding[]> {
  const lines = [...linkProbe, ...ipv6Probe].map((line) => `${line}\n`).join("");
  const outcome = await inThrowAwayNetns(node, "ip", ["-force", "-batch", "-"], lines);
  if (typeof outcome === "string")
    return ["veth", "IPv6"].map((name) => unchecked(`kernel ${name}`, outcome));
  const refused = [...outcome.stderr.matchAll(/Command failed -:([0-9]+)/g)].map((match) => Number(match[1]));
  const words = outcome.stderr.trim().replaceAll("\n", "; ");
  const veth = refused.some((line) => line <= linkProbe.length)
    ? fault("kernel veth", words, "no pod can be wired", "load or build the kernel module veth")
    : fine("kernel veth", "a pair can be made");
  return [
    veth,
    ipv6Finding(
      refused.some((line) => line > linkProbe.length),
      words,
      node,
    ),
  ];
}

function ipv6Finding(isRefused: boolean, words: string, node: Node): Finding {
  if (!isRefused) return fine("kernel IPv6", "addresses can be given");
  const report = usesFamily(6, node) ? fault : warning;
  const fix = "boot without ipv6.disable=1, or use a kernel with IPv6";
  return report("kernel IPv6", words, "pods with IPv6 addresses cannot be wired", fix);
}

/** What src/plan/masquerade.ts asks for. */
const masqueradeProbe = `add table inet podwire
add set inet podwire pods { type ipv4_addr; }
add set inet podwire direct { type ipv4_addr; flags interval; auto-merge; }
add chain inet podwire masquerade-probe { type nat hook postrouting priority srcnat; }
add rule inet podwire masquerade-probe ip saddr @pods ip daddr != @direct masquerade fully-random
`;

async function probeMasquerade(node: Node): Promise<Finding> {
  const check = "kernel nf_tables NAT";
  const outcome = await inThrowAwayNetns(node, "nft", [masqueradeProbe]);
  if (typeof outcome === "string") return unchecked(check, outcome);
  if (outcome.exitCode === 0) return fine(check, "masquerading rules can be made");
  const report = usesMasquerade(node) ? fault : warning;
  const fix = "load or build the kernel modules nf_tables, nft_chain_nat and nft_masq";
  return report(check, firstLine(outcome.stderr), "networks with ipMasq cannot be wired", fix);
}

/** Returns why it could not be tried, if it could not. */
async function inThrowAwayNetns(node: Node, program: string, args: readonly string[], input?: string) {
  const file = node.find(program);
  if (file === undefined) return `${program} is not in PATH`;
  const outcome = await node.ask("unshare", ["--net", "--", file, ...args], input);
  if (outcome === undefined) return "unshare is not in PATH; install util-linux";
  return outcome.stderr.startsWith("unshare:") ? firstLine(outcome.stderr) : outcome;
}

function firstLine(text: string): string {
  return text.trim().split("\n")[0] ?? "";
}
