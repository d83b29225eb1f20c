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

export async function gc(call: Call): Promise<void> {
  const valid = validAttachments(call);
  const network = call.config.name;
  const listed = valid.map(({ containerID, ifname }) => ({ network, containerID, ifname }));
  const faults: string[] = [];
  const attempt = async (what: string, work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      faults.push(`${what}: ${toCniError(error).details}`);
    }
  };
  const forAll = async (
    names: readonly AttachmentName[],
    work: (name: AttachmentName) => Promise<unknown>,
  ) => {
    for (const name of names.filter((candidate) => !includes(valid, candidate))) {
      await attempt(`container ${name.containerID}, interface ${name.ifname}`, () => work(name));
    }
  };
  // An ADD that is under way now, or comes later, is not on the runtime's list, and may be through at its turn.
  const recorded = listRecords(network);
  const idle = new Map<AttachmentName, readonly string[]>();
  await forAll(recorded, async (name) => {
    idle.set(
      name,
      idleClaimsOn(name).map(({ text }) => text),
    );
  });
  await forAll([...idle.keys()], async (name) => {
    for (const claim of idleClaimsOn(name))
      if (idle.get(name)?.includes(claim.text)) await unwireClaim(name, claim, call);
  });
  const others: AttachmentName[] = [];
  const unwireUnlisted = (names: readonly AttachmentName[]) => {
    const own = names.filter((name) => name.network === network);
    others.push(...names.filter((name) => name.network !== network));
    return forAll(own, async (name) => {
      if (claimsOn(name).length === 0) await unwireUnrecorded(name, call);
    });
  };
  await attempt("links on the host", async () => unwireUnlisted(await linkedAttachments(kernelOf(call))));
  // One that has the ovs datapath now says so if Open vSwitch does not answer.
  const database = call.config.datapath === "ovs" ? bridgeOf(call.config).database : presentDatabase(call);
  if (database !== undefined) {
    await attempt("ports of Open vSwitch", async () =>
      unwireUnlisted(await portAttachments(database, kernelOf(call))),
    );
    await attempt("flows of Open vSwitch", async () => {
      const unread = await removeStrayFlows(bridgeOf(call.config), listed, kernelOf(call));
      faults.push(...unread.map((fault) => `flows of Open vSwitch: ${fault}`));
    });
  }
  // Of a valid attachment without a record, or of another network's, nobody knows what it needs.
  if ([...listed, ...others].every((name) => storedOf(name) !== undefined)) {
    await attempt("shared links", () => sweepSharedLinks(kernelOf(call), database));
  }
  await repairSwitches(call);
  await attempt("masquerading", () => sweepMasquerade(network, valid, call));
  await sweepBypass(call);
  await attempt("addresses", () => {
    // Only now: an ADD writes its record before it takes an address.
    const began = Date.now() - clockLag;
    const kept = [...valid, ...listRecords(network).filter((name) => !includes(valid, name))];
    return ipamOf(call.config.ipam.type).gc(keeping(kept, call), kept, began);
  });
  if (faults.length > 0) throw incomplete(faults);
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
