// What `podwire gc` finds in Open vSwitch of attachments that are no more: a DEL does not fail where Open vSwitch is down, and leaves
// their ports and flows.
import { removeStrayFlows, unrecordedPorts } from "../attachment/leftovers.ts";
import { bridgeOf } from "../attachment/ovs/switch.ts";
import type { AttachmentName } from "../datapath/datapath.ts";
import type { Kernel } from "../linux/kernel.ts";
import { isPresent } from "../linux/ovs/identity.ts";
import type { Words } from "./command.ts";
import { failed, nobody, type Outcome } from "./gc-outcome.ts";
import { configuredNetworks, removeTraces } from "./removal.ts";

/** Open vSwitch's databases that networks of this node may use: those that are there. */
export function presentDatabases(words: Words, kernel: Kernel): string[] {
  const configured = configuredNetworks(words).map(({ config }) => bridgeOf(config).database);
  return [...new Set([bridgeOf({}).database, ...configured])].filter((each) => isPresent(each, kernel));
}

export async function collectPorts(database: string, words: Words, kernel: Kernel): Promise<Outcome[]> {
  try {
    const outcomes: Outcome[] = [];
    for (const { owner, isDead } of await unrecordedPorts(database, kernel)) {
      outcomes.push(isDead ? await collect(owner, words) : { ...owner, action: "unrecorded", why: inUse });
    }
    if (words.flag("dry-run")) return outcomes;
    const unread = await removeStrayFlows({ ...bridgeOf({}), database }, [], kernel);
    return [
      ...outcomes,
      ...unread.map(
        (fault): Outcome => ({ ...nobody, action: "failed", why: `flows cannot be looked at: ${fault}` }),
      ),
    ];
  } catch (error) {
    return [failed(nobody, "ports of Open vSwitch cannot be listed:", error)];
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
    return failed(name, `${outlived};`, error);
  }
}
