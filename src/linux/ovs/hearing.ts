// Whether packets get to ovs-vswitchd. Version 3.1.0 (Debian 12 has it) counts the processors for the first time ten
// seconds after boot: to a datapath that it opens in the kernel before, it does not listen, for as long as that is open.
// Every packet that no flow was made for before is lost then. Versions from 3.1.1 on count at once.
import { CniError, ErrorCode } from "../../cni/error.ts";
import type { Kernel } from "../kernel.ts";
import { sinceBoot, startedAfterBoot } from "../process.ts";
import { switchProcess } from "./identity.ts";
import { askSwitch } from "./ovs.ts";

const affectedVersion = "3.1.0";

const uncountedSeconds = 10;

/** Whether ovs-vswitchd may have opened a datapath before it counted: costs no process. */
export function startedBeforeCounting(database: string): boolean {
  const pid = switchProcess(database);
  return pid !== undefined && (startedAfterBoot(pid) ?? uncountedSeconds) < uncountedSeconds;
}

/** Of the daemon that runs: the database may have another version, or none. */
export async function isAffected(database: string, kernel: Kernel): Promise<boolean> {
  const [first = ""] = (await askSwitch(database, "version", kernel)).split("\n");
  return first.endsWith(` ${affectedVersion}`);
}

/** Waits for the moment from which on a datapath can be opened. */
export async function untilCounted(deadline: AbortSignal): Promise<void> {
  while (sinceBoot() < uncountedSeconds && !deadline.aborted) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export type Hearing = "hears" | "deaf" | "no packets yet";

export async function hearingOf(database: string, kernel: Kernel): Promise<Hearing> {
  // Of one that was started later the kernel may still have the counters of the one before.
  if (!startedBeforeCounting(database)) return "hears";
  return parseHearing(await askSwitch(database, "dpctl/show", kernel));
}

/** "system@ovs-system:\n  lookups: hit:0 missed:5 lost:5", among other lines. */
export function parseHearing(shown: string): Hearing {
  const lookups = /^system@.*\n +lookups: hit:[0-9]+ missed:([0-9]+) lost:([0-9]+)/m.exec(shown);
  const [missed, lost] = [Number(lookups?.[1] ?? 0), Number(lookups?.[2] ?? 0)];
  if (missed > lost) return "hears";
  return lost > 0 ? "deaf" : "no packets yet";
}

export function deaf(database: string): CniError {
  return new CniError(
    ErrorCode.tryAgainLater,
    "Open vSwitch gets no packets",
    `${database}: ovs-vswitchd was started in the first ${uncountedSeconds} s after boot and lost all packets that it had ` +
      "to decide on, as version 3.1.0 does; restart it (systemctl restart ovs-vswitchd), then podwire apply, or update it",
  );
}
