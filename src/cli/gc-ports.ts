// What `podwire gc` finds in Open vSwitch of attachments that are no more: a DEL does not fail where Open vSwitch is down, and leaves
// their ports and flows.
import { removeStrayFlows, unrecordedPorts } from "../attachment/leftovers.ts";
import { bridgeOf } from "../attachment/ovs-switch.ts";
import { toCniError } from "../cni/error.ts";
import type { AttachmentName } from "../datapath/datapath.ts";
import type { Kernel } from "../linux/kernel.ts";
import { isPresent } from "../linux/ovs.ts";
import type { Words } from "./command.ts";
import { configuredNetworks, removeTraces } from "./removal.ts";

export interface Outcome extends AttachmentName {
  readonly action: "removed" | "would remove" | "kept" | "failed" | "unrecorded";
  readonly why: string;
}

/** Open vSwitch's databases that networks of this node may use: those that are there. */
export function presentDatabases(words: Words, kernel: Kernel): string[] {
  const configured = configuredNetworks(words).map(({ config }) => bridgeOf(config).database);
  return [...new Set([bridgeOf({}).database, ...configured])].filter((each) => isPresent(each, kernel));
}

export async function collectPorts(database: string, words: Words, kernel: Kernel): Promise<Outcome[]> {
  try {
    const { dead, unclear } = await unrecordedPorts(database, kernel);
    const outcomes: Outcome[] = [];
    for (const name of dead) outcomes.push(await collect(name, words));
    const unread = words.flag("dry-run")
      ? []
      : await removeStrayFlows({ ...bridgeOf({}), database }, unclear, kernel);
    return [
      ...outcomes,
      ...unclear.map((name): Outcome => ({ ...name, action: "unrecorded", why: inUse })),
      ...unread.map((fault) => unlisted(`flows cannot be looked at: ${fault}`)),
    ];
  } catch (error) {
    const { message, details } = toCniError(error);
    return [unlisted(`ports of Open vSwitch cannot be listed: ${message}: ${details}`)];
  }
}

const outlived = "it has a port of Open vSwitch, and neither a record nor a link";
const inUse =
  "it has a port of Open vSwitch that is in use, but no record; it goes by DEL, or ovs-vsctl del-port";

async function collect(name: AttachmentName, words: Words): Promise<Outcome> {
  if (words.flag("dry-run")) return { ...name, action: "would remove", why: outlived };
  try {
    await removeTraces(name, words);
    return { ...name, action: "removed", why: outlived };
  } catch (error) {
    const { message, details } = toCniError(error);
    return { ...name, action: "failed", why: `${outlived}; ${message}: ${details}` };
  }
}

function unlisted(why: string): Outcome {
  return { network: "", containerID: "", ifname: "", action: "failed", why };
}
