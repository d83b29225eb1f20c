// `podwire doctor`: what on this node would keep pods from being wired or reached, and how to fix it.
import { toCniError } from "../cni/error.ts";
import type { Colour } from "./colour.ts";
import type { Run } from "./command.ts";
import { checkApart } from "./doctor/apart.ts";
import { checkBypass } from "./doctor/bypass.ts";
import { checkDrivers } from "./doctor/drivers.ts";
import { type Finding, type Level, unchecked } from "./doctor/finding.ts";
import { checkFirewall } from "./doctor/firewall.ts";
import { checkIpvlan } from "./doctor/ipvlan.ts";
import { checkKernel } from "./doctor/kernel.ts";
import { checkNetworks } from "./doctor/networks.ts";
import { lookAtNode, type Node } from "./doctor/node.ts";
import { checkOverlay } from "./doctor/overlay.ts";
import { checkOvs } from "./doctor/ovs.ts";
import { checkPrograms } from "./doctor/programs.ts";
import { checkSettings } from "./doctor/settings.ts";
import { checkState } from "./doctor/state.ts";
import { checkUnderlay } from "./doctor/underlay.ts";
import { printable } from "./table.ts";
import { printJson, type Terminal } from "./terminal.ts";

/** In the order of the report. */
const checks: Readonly<Record<string, (node: Node) => Promise<Finding[]>>> = {
  kernel: checkKernel,
  drivers: checkDrivers,
  programs: checkPrograms,
  settings: checkSettings,
  underlay: checkUnderlay,
  overlay: checkOverlay,
  ipvlan: checkIpvlan,
  "Open vSwitch": checkOvs,
  firewall: checkFirewall,
  bypass: checkBypass,
  networks: checkNetworks,
  state: checkState,
  "pods of several datapaths": checkApart,
};

const colours: Readonly<Record<Level, Colour>> = { ok: "green", warning: "yellow", error: "red" };

export const doctor: Run = async (words, terminal) => {
  const node = lookAtNode(words);
  const findings = (
    await Promise.all(
      Object.entries(checks).map(([name, check]) =>
        check(node).catch((error: unknown) => [unchecked(name, toCniError(error).details)]),
      ),
    )
  ).flat();
  if (words.flag("json")) printJson(findings, terminal);
  else printFindings(findings, terminal);
  return findings.some(({ level }) => level === "error") ? 1 : 0;
};

function printFindings(findings: readonly Finding[], terminal: Terminal): void {
  const width = Math.max(...Object.keys(colours).map((level) => level.length));
  const indent = " ".repeat(width + 2);
  for (const { check, level, found, breaks, fix } of findings) {
    const mark = terminal.paint(level, colours[level]) + " ".repeat(width - level.length);
    terminal.print(`${mark}  ${printable(`${check}: ${found}`)}\n`);
    if (breaks !== "") terminal.print(`${indent}breaks: ${printable(breaks)}\n`);
    if (fix !== "") terminal.print(`${indent}fix: ${printable(fix)}\n`);
  }
  const count = (wanted: Level) => findings.filter(({ level }) => level === wanted).length;
  terminal.print(`\nok: ${count("ok")}, warnings: ${count("warning")}, errors: ${count("error")}\n`);
}
