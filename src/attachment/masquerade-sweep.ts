// Takes addresses of no attachment out of a network's masquerading, for GC. Records are looked at before and after: an ADD may come
// in between, and what it needs of what was taken is put back.
import type { AttachmentKey } from "../ipam/ipam.ts";
import type { Kernel } from "../linux/kernel.ts";
import { findProgram } from "../linux/programs.ts";
import {
  applyMasquerade,
  hasStaleDirect,
  type MasqueradeState,
  readMasquerades,
  removeMasquerade,
  removeNetworkMasquerade,
  replaceDirect,
} from "../plan/masquerade.ts";
import type { Masquerade } from "../plan/plan.ts";
import { type Call, kernelOf } from "./call.ts";
import { storedOf } from "./ownership.ts";
import { listRecords, readRecord, type StoredRecord, wholeRecords } from "./record.ts";
import { heldAddresses } from "./unwire.ts";

/** And all of a network without attachments. */
export async function sweepMasquerade(
  network: string,
  valid: readonly AttachmentKey[],
  call: Call,
): Promise<void> {
  const kernel = kernelOf(call);
  if (findProgram("nft", kernel.searchPath) === undefined) return;
  const state = (await readMasquerades(kernel))(network);
  // Read after the kernel was: an ADD writes its record before it adds its addresses.
  const names = listRecords(network);
  if (names.length === 0 && valid.length === 0) {
    await removeNetworkMasquerade(network, kernel);
    return putBack(network, () => true, kernel);
  }
  const all = [...names, ...valid.map((key) => ({ network, ...key }))];
  const stored = all.map((name) => ({ name, record: storedOf(name) }));
  const unknown = stored.filter(({ record }) => record === undefined || record === "torn");
  const held = await Promise.all(unknown.map(({ name }) => heldAddresses(name, call)));
  // Of one whose IPAM cannot tell either, all may be its own.
  if (held.some((addresses) => addresses.length === 0)) return;
  const records = stored.map(({ record }) => record);
  const sources = new Set([...masqueradesOf(records).flatMap((object) => object.sources), ...held.flat()]);
  const stale = [...state.sources].filter((source) => !sources.has(source));
  if (stale.length > 0) {
    await removeMasquerade(network, stale, kernel);
    await putBack(network, (object) => object.sources.some((source) => stale.includes(source)), kernel);
  }
  // To which prefixes it goes without masquerading, its record alone could tell.
  if (unknown.length === 0) await sweepDirect(network, records, state, kernel);
}

async function sweepDirect(
  network: string,
  records: readonly StoredRecord[],
  state: MasqueradeState,
  kernel: Kernel,
): Promise<void> {
  const direct = [...new Set(masqueradesOf(records).flatMap((object) => object.direct))];
  if (!hasStaleDirect(state, direct)) return;
  await replaceDirect(network, direct, kernel);
  await putBack(network, (object) => object.direct.some((prefix) => !direct.includes(prefix)), kernel);
}

async function putBack(
  network: string,
  isTaken: (object: Masquerade) => boolean,
  kernel: Kernel,
): Promise<void> {
  const recorded = masqueradesOf(listRecords(network).map(readRecord));
  for (const object of recorded.filter(isTaken)) await applyMasquerade(object, kernel);
}

function masqueradesOf(records: readonly StoredRecord[]): Masquerade[] {
  return wholeRecords(records)
    .flatMap(({ plan }) => plan)
    .filter((object) => object.kind === "masquerade");
}
