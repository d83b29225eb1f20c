// `podwire apply`: makes the node what its configuration and its records say: the overlay first, then what attachments lost. Exits
// with 1 if something cannot be.
import { liveAttachments } from "../attachment/liveness.ts";
import { mendHearing } from "../attachment/ovs/hearing.ts";
import { asOnlyRepairer, type Repair, repairAttachments } from "../attachment/repair.ts";
import { CniError, toCniError } from "../cni/error.ts";
import { firstFew } from "../few.ts";
import { applyNode } from "../node/overlay.ts";
import { overlayUnusable } from "../plan/fault.ts";
import { type OverlayReport, overlayReport, printOverlay, readDeclaration } from "./apply-overlay.ts";
import type { Run, Words } from "./command.ts";
import { commandKernel } from "./command-kernel.ts";
import { printable } from "./table.ts";
import { printJson, type Terminal } from "./terminal.ts";

export const apply: Run = async (words, terminal) => {
  if (words.flag("watch")) {
    const { watch } = await import("./watch.ts");
    return watch(words, terminal);
  }
  // First: what it takes away the rest puts back.
  const faults = await mendHearing(liveAttachments(), commandKernel());
  const overlay = await applyOverlay(words).catch(toCniError);
  const { attachments, repairs, fault } = await repairAll();
  if (fault !== undefined) faults.push(fault);
  const found = overlay instanceof CniError ? {} : overlay;
  if (words.flag("json")) printJson({ ...found, attachments, faults, repairs }, terminal);
  else {
    if (!(overlay instanceof CniError)) printOverlay(overlay, terminal);
    for (const fault of faults) terminal.print(`Open vSwitch: ${printable(fault)}\n`);
    print(attachments, repairs, terminal);
  }
  // Pods get back what is theirs, whatever is wrong with the overlay.
  if (overlay instanceof CniError) throw overlay;
  if (overlay.obstacles.length > 0) throw overlayUnusable(firstFew(overlay.obstacles).join("; "));
  const isIncomplete =
    faults.length > 0 ||
    overlay.bypass?.fault !== undefined ||
    repairs.some(({ fault }) => fault !== undefined);
  return isIncomplete ? 1 : 0;
};

interface Repaired {
  /** How many there are. */
  readonly attachments: number;
  readonly repairs: readonly Repair[];
  /** Why none was looked at. */
  readonly fault?: string;
}

async function repairAll(): Promise<Repaired> {
  const kernel = commandKernel();
  try {
    return await asOnlyRepairer(kernel, async () => {
      const records = liveAttachments();
      return { attachments: records.length, repairs: await repairAttachments(records, kernel) };
    });
  } catch (error) {
    return { attachments: liveAttachments().length, repairs: [], fault: toCniError(error).details };
  }
}

async function applyOverlay(words: Words): Promise<OverlayReport> {
  const read = () => readDeclaration(words.text("conf-dir") ?? "");
  return overlayReport(await applyNode(read, commandKernel()));
}

function print(attachments: number, repairs: readonly Repair[], terminal: Terminal): void {
  for (const { name, mended, fault } of repairs) {
    const subject = `${name.network}/${name.containerID}/${name.ifname}`;
    if (fault !== undefined) terminal.print(`${subject}: cannot be repaired: ${printable(fault)}\n`);
    for (const what of mended) terminal.print(`${subject}: made again: ${printable(what)}\n`);
  }
  const changed =
    repairs.length === 0 ? "all as they were made" : `${repairs.length} were not as they were made`;
  terminal.print(`${attachments} attachments: ${changed}\n`);
}
