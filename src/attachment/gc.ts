// GC: removes all of this network that belongs to no valid attachment, by records, by links and in the
// IPAM. It keeps going on errors and reports them together.
import { CniError, ErrorCode, toCniError } from "../cni/error.ts";
import type { AttachmentName } from "../datapath/datapath.ts";
import type { AttachmentKey } from "../ipam/ipam.ts";
import { ipamOf } from "../ipam/registry.ts";
import { sweepBypass } from "./bypass.ts";
import { type Call, kernelOf } from "./call.ts";
import { linkedAttachments, portAttachments, removeStrayFlows } from "./leftovers.ts";
import { sweepMasquerade } from "./masquerade-sweep.ts";
import { repairSwitches } from "./ovs/stamp.ts";
import { bridgeOf, presentDatabase } from "./ovs/switch.ts";
import { type Claim, claimsOn, storedOf } from "./ownership.ts";
import { listRecords } from "./record.ts";
import { sweepSharedLinks } from "./shared-links.ts";
import { unwireClaim, unwireUnrecorded } from "./unwire.ts";

/** Milliseconds: times of files go by a clock that ticks a hundred times a second, or more often; one more for rounding. */
const clockLag = 11;

/** One GC: what stays, and what could not be removed so far, in words. */
interface Sweep {
  readonly call: Call;
  readonly valid: readonly AttachmentKey[];
  readonly faults: string[];
}

export async function gc(call: Call): Promise<void> {
  const sweep: Sweep = { call, valid: validAttachments(call), faults: [] };
  const kernel = kernelOf(call);
  await removeRecorded(sweep);
  const linked = await attempt("links on the host", () => linkedAttachments(kernel), sweep);
  await removeUnrecorded(linked ?? [], sweep);
  // One that has the ovs datapath now says so if Open vSwitch does not answer.
  const database = call.config.datapath === "ovs" ? bridgeOf(call.config).database : presentDatabase(call);
  const ports = database === undefined ? [] : await removeFromSwitch(database, sweep);
  const isOthers = ({ network }: AttachmentName) => network !== call.config.name;
  const staying = [...listed(sweep), ...[...(linked ?? []), ...ports].filter(isOthers)];
  // Of a valid attachment without a record, or of another network's, nobody knows what it needs.
  if (staying.every((name) => storedOf(name) !== undefined)) {
    await attempt("shared links", () => sweepSharedLinks(kernel, database), sweep);
  }
  await repairSwitches(call);
  await attempt("masquerading", () => sweepMasquerade(call.config.name, sweep.valid, call), sweep);
  await sweepBypass(call);
  await attempt("addresses", () => releaseAddresses(sweep), sweep);
  if (sweep.faults.length > 0) throw incomplete(sweep.faults);
}

/** An ADD that is under way now, or comes later, is not on the runtime's list, and may be through at its turn: it stays. */
async function removeRecorded(sweep: Sweep): Promise<void> {
  const idle = new Map<AttachmentName, ReadonlySet<string>>();
  const look = async (name: AttachmentName) => {
    idle.set(name, new Set(idleClaimsOn(name).map(({ text }) => text)));
  };
  const unwire = async (name: AttachmentName) => {
    for (const claim of idleClaimsOn(name)) {
      if (idle.get(name)?.has(claim.text)) await unwireClaim(name, claim, sweep.call);
    }
  };
  await forStale(listRecords(sweep.call.config.name), look, sweep);
  await forStale([...idle.keys()], unwire, sweep);
}

/** Those of this network. */
async function removeUnrecorded(found: readonly AttachmentName[], sweep: Sweep): Promise<void> {
  const { call } = sweep;
  const own = found.filter(({ network }) => network === call.config.name);
  const unwire = async (name: AttachmentName) => {
    if (claimsOn(name).length === 0) await unwireUnrecorded(name, call);
  };
  await forStale(own, unwire, sweep);
}

/** Returns whose ports there were, of any network. */
async function removeFromSwitch(database: string, sweep: Sweep): Promise<readonly AttachmentName[]> {
  const { call, faults } = sweep;
  const kernel = kernelOf(call);
  const found = await attempt("ports of Open vSwitch", () => portAttachments(database, kernel), sweep);
  await removeUnrecorded(found ?? [], sweep);
  const removeFlows = () => removeStrayFlows(bridgeOf(call.config), listed(sweep), kernel);
  const unread = await attempt("flows of Open vSwitch", removeFlows, sweep);
  faults.push(...(unread ?? []).map((fault) => `flows of Open vSwitch: ${fault}`));
  return found ?? [];
}

async function releaseAddresses({ call, valid }: Sweep): Promise<void> {
  // Only now: an ADD writes its record before it takes an address.
  const began = Date.now() - clockLag;
  const kept = [...valid, ...listRecords(call.config.name).filter((name) => !includes(valid, name))];
  await ipamOf(call.config.ipam.type).gc(keeping(kept, call), kept, began);
}

function listed({ call, valid }: Sweep): AttachmentName[] {
  return valid.map(({ containerID, ifname }) => ({ network: call.config.name, containerID, ifname }));
}

async function forStale(
  names: readonly AttachmentName[],
  work: (name: AttachmentName) => Promise<void>,
  sweep: Sweep,
): Promise<void> {
  for (const name of names.filter((candidate) => !includes(sweep.valid, candidate))) {
    await attempt(`container ${name.containerID}, interface ${name.ifname}`, () => work(name), sweep);
  }
}

/** undefined: it failed. */
async function attempt<T>(what: string, work: () => Promise<T>, { faults }: Sweep): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    faults.push(`${what}: ${toCniError(error).details}`);
    return undefined;
  }
}

/** Those that no live process is adding or removing. */
function idleClaimsOn(name: AttachmentName): Claim[] {
  return claimsOn(name).filter(({ busyProcess }) => busyProcess === undefined);
}

/** Without a list nothing is provably stale, so nothing is removed. */
function validAttachments({ config }: Call): readonly AttachmentKey[] {
  const { "cni.dev/valid-attachments": current, "cni.dev/attachments": older } = config;
  const valid = current === undefined ? older : current;
  // libcni writes an empty list as null.
  if (valid !== undefined) return valid ?? [];
  throw new CniError(
    ErrorCode.invalidConfig,
    "invalid network configuration",
    "config: cni.dev/valid-attachments is missing; GC needs the list of attachments to keep",
  );
}

function includes(list: readonly AttachmentKey[], { containerID, ifname }: AttachmentKey): boolean {
  return list.some((key) => key.containerID === containerID && key.ifname === ifname);
}

/** A delegated IPAM goes by the configuration's list. */
function keeping(kept: readonly AttachmentKey[], call: Call): Call {
  const list = kept.map(({ containerID, ifname }) => ({ containerID, ifname }));
  const rawConfig = { ...call.rawConfig, "cni.dev/valid-attachments": list, "cni.dev/attachments": list };
  return { ...call, rawConfig };
}

function incomplete(faults: readonly string[]): CniError {
  return new CniError(ErrorCode.incomplete, "garbage collection is incomplete", faults.join("; "));
}
