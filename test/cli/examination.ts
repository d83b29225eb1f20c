// A node with podwire installed and a network configured, for doctor to examine.
import fs from "node:fs";
import path from "node:path";
import { dualStackIpam, network } from "../fixture/calls.ts";
import { executable, startNode, type TestNode } from "../fixture/node.ts";

export interface Finding {
  readonly check: string;
  readonly level: "ok" | "warning" | "error";
  readonly found: string;
  readonly breaks: string;
  readonly fix: string;
}

export const confDir = "/run/conf";
export const binDir = "/run/bin";

export async function startConfiguredNode(): Promise<TestNode> {
  const node = await startNode();
  fs.mkdirSync(node.file(confDir));
  fs.mkdirSync(node.file(binDir));
  fs.symlinkSync(executable, node.file(path.join(binDir, "podwire")));
  configure(node);
  return node;
}

/** Replaces the network's configuration. */
export function configure(node: TestNode, overrides: Record<string, unknown> = {}): void {
  const { name, cniVersion, ...plugin } = network({ ipMasq: true, ipam: dualStackIpam, ...overrides });
  const conflist = { cniVersion, name, plugins: [plugin] };
  fs.writeFileSync(node.file(path.join(confDir, "10-podnet.conflist")), JSON.stringify(conflist));
}

/** `variables` are set in doctor's environment ("PATH=/nowhere"). */
export async function examine(node: TestNode, ...variables: string[]) {
  const words = [executable, "doctor", "--json", "--conf-dir", confDir, "--bin-dir", binDir];
  const { stdout, stderr, exitCode } = await node.attempt("env", [...variables, ...words]);
  if (stdout === "") throw new Error(stderr);
  const findings = JSON.parse(stdout) as Finding[];
  const about = (check: string) => findings.filter((finding) => finding.check.startsWith(check));
  return { findings, exitCode, about, level: (check: string) => about(check).map(({ level }) => level) };
}
