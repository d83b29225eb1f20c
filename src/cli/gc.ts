// `podwire gc`: removes attachments that provably no longer exist, where no runtime calls GC or its
// list is not to be had. A runtime's DEL or GC may run at the same time: each attachment is looked at
// again just before it is removed.
import { linkedAttachments } from "../attachment/leftovers.ts";
import { sweepSharedLinks } from "../attachment/shared-links.ts";
import type { Kernel } from "../linux/kernel.ts";
import { type Attachment, examine, listAttachments } from "./attachments.ts";
import type { Colour } from "./colour.ts";
import type { Run, Words } from "./command.ts";
import { commandKernel } from "./command-kernel.ts";
import { failed, nobody, type Outcome, untold } from "./gc-outcome.ts";
import { collectPorts, presentDatabases } from "./gc-ports.ts";
import { removeAttachment } from "./removal.ts";
import { renderTable } from "./table.ts";
import { printJson, type Terminal } from "./terminal.ts";

const colours: Readonly<Record<Outcome["action"], Colour>> = {
  removed: "green",
  "would remove": "green",
  kept: "yellow",
  unrecorded: "yellow",
  failed: "red",
};

/** The kernel takes a netns apart in the background; its links follow within this time. */
const settlingMs = 2000;

export const gc: Run = async (words, terminal) => {
  const kernel = commandKernel();
  const outcomes: Outcome[] = [];
  for (const attachment of await settled(listAttachments().filter(isDead))) {
    outcomes.push(await collect(attachment, words));
  }
  const databases = presentDatabases(words, kernel);
  for (const database of databases) {
    outcomes.push(...(await collectPorts(database, words, kernel)));
  }
  outcomes.push(...untold(await unrecorded(kernel), outcomes));
  // Of an attachment without a record nobody knows what it needs.
  const isClear = outcomes.every(({ action }) => action === "removed" || action === "kept");
  if (isClear && !words.flag("dry-run")) await releaseAll(databases, kernel);
  if (words.flag("json")) printJson(outcomes, terminal);
  else printOutcomes(outcomes, terminal);
  return outcomes.some(({ action }) => action === "failed") ? 1 : 0;
};

/** Links that many attachments used, and the bridges of Open vSwitch. */
async function releaseAll(databases: readonly string[], kernel: Kernel): Promise<void> {
  for (const database of databases.length === 0 ? [undefined] : databases)
    await sweepSharedLinks(kernel, database);
}

function isDead({ condition }: Attachment): boolean {
  return condition === "stale" || condition === "unfinished" || condition === "torn";
}

/** The attachments, after waiting a little for links that are about to go. */
async function settled(found: readonly Attachment[]): Promise<Attachment[]> {
  const until = Date.now() + settlingMs;
  let current = [...found];
  while (current.some(({ doubt }) => doubt !== undefined) && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    current = current.flatMap(({ name }) => examine(name) ?? []).filter(isDead);
  }
  return current;
}

async function collect({ name, why, doubt }: Attachment, words: Words): Promise<Outcome> {
  if (doubt !== undefined) return { ...name, action: "kept", why: `${why}, but ${doubt}` };
  if (words.flag("dry-run")) return { ...name, action: "would remove", why };
  try {
    const now = examine(name);
    if (now !== undefined && (!isDead(now) || now.doubt !== undefined)) {
      return { ...name, action: "kept", why: "it has been added again" };
    }
    await removeAttachment(name, now, words);
    return { ...name, action: "removed", why };
  } catch (error) {
    return failed(name, `${why};`, error);
  }
}

/** A link without a record is only reported: as long as it exists, so does its pod's netns. */
async function unrecorded(kernel: Kernel): Promise<Outcome[]> {
  try {
    const linked = await linkedAttachments(kernel);
    return linked
      .filter((name) => examine(name) === undefined)
      .map((name) => ({
        ...name,
        action: "unrecorded",
        why: "it has a link on the host but no record; it goes with its pod, or by DEL",
      }));
  } catch (error) {
    return [failed(nobody, "links on the host cannot be listed:", error)];
  }
}

function printOutcomes(outcomes: readonly Outcome[], terminal: Terminal): void {
  if (outcomes.length === 0) {
    terminal.print("nothing to remove\n");
    return;
  }
  const rows = outcomes.map(({ network, containerID, ifname, action, why }) => [
    { text: action, colour: colours[action] },
    network || "-",
    containerID.slice(0, 12) || "-",
    ifname || "-",
    why,
  ]);
  terminal.print(renderTable(["ACTION", "NETWORK", "CONTAINER", "INTERFACE", "WHY"], rows, terminal.paint));
}
