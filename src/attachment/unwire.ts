// Takes one attachment away, by its record or, without one, by what its name tells: the way of DEL,
// of GC, and of an ADD that finds what a killed one left.
import { formatIp, parsePrefix } from "../address/ip.ts";
import { parseCniArgs } from "../cni/args.ts";
import { parseForRemoval } from "../config/load.ts";
import type { AttachmentName } from "../datapath/datapath.ts";
import { datapaths } from "../datapath/registry.ts";
import type { IpamRequest } from "../ipam/ipam.ts";
import { ipamOf } from "../ipam/registry.ts";
import { closeNetns, type Netns, openNetns } from "../linux/netns.ts";
import { endOrphans } from "../linux/orphans.ts";
import { bootId } from "../linux/process.ts";
import { findProgram } from "../linux/programs.ts";
import type { BridgeName, Masquerade, PodPlan } from "../plan/plan.ts";
import { podLinks, remove } from "../plan/remove.ts";
import { minusClaimed, putBackClaimed, withoutAddresses } from "./by-address.ts";
import { type Call, kernelOf } from "./call.ts";
import { hasNetns } from "./liveness.ts";
import { releaseShared } from "./ovs/shared-flows.ts";
import { bridgeOf, presentDatabase } from "./ovs/switch.ts";
import { abandon, announceRemoval, type Claim, claimsOn, isSameWriter, seize } from "./ownership.ts";
import { type AttachmentRecord, readRecord, removeRecordFile } from "./record.ts";
import { onSharedLinks, releaseUnusedLinks } from "./shared-links.ts";

export interface RemovalPolicy {
  /** Told of a live process that is adding or removing the attachment: waits, throws, or answers "leave". */
  busy(process: number): Promise<"look again" | "leave">;
  /** Throws if the attachment must stay. */
  judge?(record: AttachmentRecord): Promise<void>;
}

/** Takes away all that is recorded of an attachment. Returns whether there was anything. */
export async function unwireRecorded(
  name: AttachmentName,
  call: Call,
  policy: RemovalPolicy,
): Promise<boolean> {
  // An ADD that waits for this removal is not to be removed by it.
  const known = claimsOn(name);
  for (let [found, claims] = [false, known]; ; found = true, claims = claimsOn(name)) {
    const claim = claims.find((each) => known.some((other) => isSameWriter(each, other)));
    if (claim === undefined) return found;
    if (claim.busyProcess !== undefined) {
      if ((await policy.busy(claim.busyProcess)) === "leave") return true;
      continue;
    }
    if (claim.stored !== "torn") await policy.judge?.(claim.stored);
    await unwireClaim(name, claim, call);
  }
}

/** Does nothing if somebody else is faster. */
export async function unwireClaim(name: AttachmentName, claim: Claim, call: Call): Promise<void> {
  // Before the claim has our name instead of its.
  if (claim.deadRemover !== undefined) await endOrphans(claim.deadRemover, call.deadline);
  const file = seize(claim, name);
  if (file === undefined) return;
  let isReleased = mayBeReleased(claim);
  try {
    const release =
      claim.stored === "torn"
        ? await takeUnrecordedApart(name, call)
        : await takeRecordedApart(name, claim.stored, call, isReleased);
    isReleased = true;
    await releaseAddress(release);
  } catch (error) {
    // The claim of one that began tells the next one that the address may be another pod's by then.
    if (!isReleased) abandon(file, name);
    throw error;
  }
  removeRecordFile(file, name);
  if (claim.stored === "torn") return releaseUnusedLinks(kernelOf(call), presentDatabase(call));
  await releaseShared(claim.stored.plan, kernelOf(call));
}

/** Does nothing if it has a record by now. */
export async function unwireUnrecorded(name: AttachmentName, call: Call): Promise<void> {
  const announcement = announceRemoval(name);
  try {
    if (readRecord(name) === undefined) await releaseAddress(await takeUnrecordedApart(name, call));
  } finally {
    removeRecordFile(announcement, name);
  }
}

/** Goes by what the attachment's name, the IPAM and prevResult can tell. Returns whose address is to be released. */
async function takeUnrecordedApart(name: AttachmentName, call: Call): Promise<IpamRequest> {
  const release = requestFor(name, call);
  const addresses = [...new Set([...(await heldAddresses(name, call)), ...reportedAddresses(call)])];
  const at = bridgeOf(call.config);
  const traces = Object.values(datapaths).flatMap((datapath) => datapath.traces(name, at));
  const masquerade = masqueradeOf(name.network, addresses, call);
  const plan = [...traces, ...onSharedLinks(addresses, at.bridge), ...masquerade];
  const { netns } = call.environment;
  const mine = minusClaimed(plan);
  await takeApart(mine, call, netns === "" ? undefined : openIfThere(netns));
  await putBack(mine, call);
  return release;
}

/** What the IPAM has given to the attachment; none if it cannot tell. */
export async function heldAddresses(name: AttachmentName, call: Call): Promise<string[]> {
  const request = requestFor(name, call);
  return ipamOf(request.config.ipam.type).held(request);
}

/**
 * Whether the address may be another pod's by now: who began to remove this attachment, or to take its ADD back, was killed, or failed,
 * after it released that. To look for the other pod is to read all records.
 */
function mayBeReleased({ isBegun, stored }: Claim): boolean {
  return isBegun === true || stored === "torn" || stored.state !== "ready";
}

/** The same by its record. */
async function takeRecordedApart(
  name: AttachmentName,
  record: AttachmentRecord,
  call: Call,
  isReleased: boolean,
): Promise<IpamRequest> {
  if (record.state === "adding") await endOrphans(record.writer, call.deadline);
  const release = recordedRequestFor(name, record, call);
  const needsPod = podLinks(record.plan).length > 0;
  const inPod = needsPod && hasNetns(record) ? openIfThere(record.netns.path) : undefined;
  const traces = datapaths[record.datapath].traces(name, bridgeIn(record, call));
  // The kernel has nothing from before the machine's start.
  const isOfThisBoot = record.bootId === bootId();
  const mine = isReleased && isOfThisBoot ? minusClaimed(record.plan) : record.plan;
  const plan = isOfThisBoot ? mine : withoutAddresses(record.plan);
  await takeApart([...plan, ...traces], call, inPod);
  if (isReleased) await putBack(plan, call);
  return release;
}

/** What cannot be is for the CHECK of the one that has it. */
async function putBack(removed: PodPlan, call: Call): Promise<void> {
  await putBackClaimed(removed, kernelOf(call)).catch(() => {});
}

async function takeApart(plan: PodPlan, call: Call, pod?: Netns): Promise<void> {
  try {
    await remove(plan, kernelOf(call, pod));
  } finally {
    if (pod !== undefined) closeNetns(pod);
  }
}

/** After all else, so that no address is given away while it is in use. */
async function releaseAddress(request: IpamRequest): Promise<void> {
  await ipamOf(request.config.ipam.type).del(request);
}

/** Where its port is, if it has one: the configuration may name another bridge by now. */
function bridgeIn({ plan }: AttachmentRecord, call: Call): BridgeName {
  const port = plan.find((object) => object.kind === "ovs-port");
  return port === undefined ? bridgeOf(call.config) : { database: port.database, bridge: port.bridge };
}

function openIfThere(netns: string): Netns | undefined {
  try {
    return openNetns(netns);
  } catch {
    return undefined;
  }
}

function masqueradeOf(network: string, sources: readonly string[], call: Call): Masquerade[] {
  const hasNft = findProgram("nft", call.environment.variables["PATH"]) !== undefined;
  return hasNft && sources.length > 0
    ? [{ kind: "masquerade", where: "host", network, sources, direct: [] }]
    : [];
}

/** From 0.3.0 on; nobody has checked prevResult for DEL, which must not fail for it. */
function reportedAddresses({ config }: Call): string[] {
  const { ips } = (config.prevResult ?? {}) as { ips?: unknown };
  return (Array.isArray(ips) ? ips : []).flatMap((ip: { address?: unknown } | null) => {
    const prefix = typeof ip?.address === "string" ? parsePrefix(ip.address) : undefined;
    return prefix === undefined ? [] : formatIp(prefix.ip);
  });
}

function requestFor(name: AttachmentName, call: Call): IpamRequest {
  const { containerID, ifname } = name;
  const variables = { ...call.environment.variables, CNI_CONTAINERID: containerID, CNI_IFNAME: ifname };
  return { ...call, environment: { ...call.environment, verb: "DEL", containerID, ifname, variables } };
}

/** The IPAM that gave the address is asked to take it back, also if the conflist names another one now. */
function recordedRequestFor(name: AttachmentName, record: AttachmentRecord, call: Call): IpamRequest {
  const request = requestFor(name, call);
  const { environment } = request;
  return {
    ...request,
    config: parseForRemoval(record.rawConfig),
    rawConfig: record.rawConfig,
    args: parseCniArgs(record.args),
    environment: {
      ...environment,
      args: record.args,
      variables: { ...environment.variables, CNI_ARGS: record.args, CNI_NETNS: environment.netns },
    },
  };
}
