// Open vSwitch by its own programs: one transaction on its database, one atomic bundle of flows, and what they tell.
import { CniError, ErrorCode } from "../../cni/error.ts";
import { runIn } from "../enter.ts";
import type { Kernel } from "../kernel.ts";
import type { ProgramName } from "../programs.ts";
import type { RunOutcome } from "../run.ts";
import { directoryOf, managementSocket, pidFileOf, switchProcess } from "./identity.ts";
import type { Row } from "./rows.ts";

export const defaultDatabase = "unix:/var/run/openvswitch/db.sock";

/** Seconds to wait for ovs-vswitchd to do what was written to the database. */
const usualPatience = 10;
const mostPatience = 120;

/** OpenFlow 1.3 is enough; bundles make a change of flows atomic. */
const openFlow = ["-O", "OpenFlow13,OpenFlow14,OpenFlow15"];

/** Open vSwitch does not run, or does not answer: what is in its database may be there all the same. */
export class OvsDownError extends CniError {}

/** A bridge by its name and the database that it is in, "unix:/path". */
export interface BridgeName {
  readonly database: string;
  readonly bridge: string;
}

export function isSameBridge(one: BridgeName, other: BridgeName): boolean {
  return one.bridge === other.bridge && one.database === other.database;
}

/** Name of the link that Open vSwitch makes for all tunnel ports of a kind and UDP port (lib/dpif-netlink-rtnl.c). */
export function switchTunnel(kind: "vxlan" | "geneve", port: number): string {
  return `${kind === "geneve" ? "genev" : kind}_sys_${port}`;
}

/** Whether it is the name of such a link. */
export function isSwitchTunnel(link: string): boolean {
  return /^(vxlan|genev)_sys_[0-9]+$/.test(link);
}

/**
 * One transaction of several commands, each with its words; waits until ovs-vswitchd has done it. Returns Open vSwitch's
 * words on what it could not set up although it is in the database now.
 */
export async function ovsTransact(
  database: string,
  commands: readonly (readonly string[])[],
  kernel: Kernel,
  wait = true,
): Promise<string | undefined> {
  const options = [timeLimit(kernel), ...(wait ? [] : ["--no-wait"])];
  const { stderr } = await run("ovs-vsctl", database, [...options, ...joined(commands)], "", kernel);
  return setUpFault(stderr);
}

/** Of a bridge Open vSwitch gives no reason: "'br0'.  See ovs-vswitchd log for details." */
export function setUpFault(stderr: string): string | undefined {
  const [, words] =
    /Error detected while setting up (.*?)(?:\s+See ovs-vswitchd log.*)?$/m.exec(stderr) ?? [];
  const [, name] = /^'([^']*)'\.?$/.exec(words ?? "") ?? [];
  return name === undefined ? words : `${name} could not be set up; ovs-vswitchd's log alone says why`;
}

/** Answers to several "list" or "find" commands, in order. */
export async function ovsRows(
  database: string,
  questions: readonly (readonly string[])[],
  kernel: Kernel,
): Promise<Row[][]> {
  const options = [timeLimit(kernel), "--no-wait", "--format=json"];
  const { stdout } = await run("ovs-vsctl", database, [...options, ...joined(questions)], "", kernel);
  const tables = stdout.split("\n").filter((line) => line !== "");
  return tables.map((text) => {
    const { headings, data } = JSON.parse(text) as { headings: string[]; data: unknown[][] };
    return data.map((row) => Object.fromEntries(headings.map((heading, index) => [heading, row[index]])));
  });
}

/** The same; no answers if Open vSwitch is down. */
export const ovsRowsIfUp: typeof ovsRows = (database, questions, kernel) =>
  ovsRows(database, questions, kernel).catch((error: unknown) => {
    if (error instanceof OvsDownError) return [];
    throw error;
  });

/** Lines such as "add table=0,… actions=…" and "delete cookie=…", all or none of which take effect. */
export async function changeFlows(at: BridgeName, lines: readonly string[], kernel: Kernel): Promise<void> {
  const args = [timeLimit(kernel), ...openFlow, "--bundle", "add-flows", managementOf(at), "-"];
  await run("ovs-ofctl", at.database, args, `${lines.join("\n")}\n`, kernel);
}

/** Flows whose cookie matches ("0x1/-1"), in Open vSwitch's notation, with names for ports. */
export async function listFlows(at: BridgeName, cookie: string, kernel: Kernel): Promise<string[]> {
  const args = [
    timeLimit(kernel),
    ...openFlow,
    "--names",
    "--no-stats",
    "dump-flows",
    managementOf(at),
    `cookie=${cookie}`,
  ];
  const { stdout } = await run("ovs-ofctl", at.database, args, "", kernel);
  return stdout.split("\n").filter((line) => line.includes("cookie="));
}

/** For ovs-ofctl: tells of all flows, and of what becomes of them. By default in OpenFlow 1.0, and without a socket of its own. */
export function flowMonitorWords(at: BridgeName, versions?: "newer"): string[] {
  const options = ["--unixctl=none", ...(versions === "newer" ? openFlow : [])];
  return [...options, "monitor", managementOf(at), "watch:"];
}

/** Throws OvsDownError unless the database and ovs-vswitchd answer. */
export async function requireSwitch(database: string, kernel: Kernel): Promise<void> {
  await ovsRows(database, [["--columns=ovs_version", "list", "Open_vSwitch"]], kernel);
  await askSwitch(database, "version", kernel);
}

/** What ovs-vswitchd itself says, by its control socket. */
export async function askSwitch(database: string, command: string, kernel: Kernel): Promise<string> {
  const pid = switchProcess(database);
  if (pid === undefined) {
    throw down(database, `ovs-vswitchd does not run: there is no ${pidFileOf(database)}`);
  }
  const target = `--target=${directoryOf(database)}/ovs-vswitchd.${pid}.ctl`;
  const args = [timeLimit(kernel), target, command];
  return (await run("ovs-appctl", database, args, "", kernel)).stdout;
}

/** Whether it is worth waiting for ovs-vswitchd: it is if nobody knows. */
export async function isAnswering(database: string, kernel: Kernel): Promise<boolean> {
  try {
    await requireSwitch(database, kernel);
    return true;
  } catch (error) {
    return !(error instanceof OvsDownError);
  }
}

function managementOf(at: BridgeName): string {
  return `unix:${managementSocket(at)}`;
}

/** In seconds. What gets no answer must leave time to go on without Open vSwitch; many calls at once need more of it. */
function patienceOf({ timeout }: Kernel): number {
  if (timeout === undefined) return usualPatience;
  return Math.ceil(Math.max(Math.min(usualPatience, timeout / 3), Math.min(mostPatience, timeout / 6)));
}

function timeLimit(kernel: Kernel): string {
  return `--timeout=${patienceOf(kernel)}`;
}

function joined(commands: readonly (readonly string[])[]): string[] {
  return commands.flatMap((words) => ["--", ...words]);
}

async function run(
  name: ProgramName,
  database: string,
  args: readonly string[],
  input: string,
  kernel: Kernel,
): Promise<RunOutcome> {
  const where = name === "ovs-vsctl" ? [`--db=${database}`] : [];
  const outcome = await runIn({ where: "host", name, args: [...where, ...args] }, input, kernel);
  if (outcome.exitCode === 0) return outcome;
  const words = wordsOf(outcome.stderr);
  if (outcome.exitCode === null) throw down(database, `${name} got no answer for ${patienceOf(kernel)} s`);
  if (/version negotiation failed/.test(words)) {
    throw ovsRefused(`${name}: ${words}; podwire speaks OpenFlow 1.3 or newer: see the bridge's protocols`);
  }
  if (
    /connection failed|connecting to|failed to connect|cannot connect|not a bridge or a socket/i.test(words)
  ) {
    throw down(database, words);
  }
  throw ovsRefused(`${name}: ${words}`);
}

/** Without the time stamps and names of modules that warnings have. */
function wordsOf(stderr: string): string {
  const lines = stderr
    .split("\n")
    .map((line) => line.replace(/^\S+Z\|[0-9]+\|(\w+\|[A-Z]+\|)?/, "").replace(/^ovs-[a-z]+: /, ""));
  return lines.filter((line) => line !== "").join("; ") || "no reason given";
}

function down(database: string, words: string): OvsDownError {
  return new OvsDownError(
    ErrorCode.tryAgainLater,
    "Open vSwitch is down",
    `${database}: ${words}; start ovsdb-server and ovs-vswitchd (systemctl start openvswitch-switch)`,
  );
}

export function ovsRefused(details: string): CniError {
  return new CniError(ErrorCode.ovsRefused, "Open vSwitch refused a part of the pod's network", details);
}
