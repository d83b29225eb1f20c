// CHECK: the attachment's plan against the kernel, its result against the runtime's, its address
// against the IPAM.
import { CniError, ErrorCode } from "../cni/error.ts";
import type { Result } from "../cni/result.ts";
import { decodeResult } from "../cni/result-versions.ts";
import { ipamOf } from "../ipam/registry.ts";
import { closeNetns, openNetns } from "../linux/netns.ts";
import { observe } from "../plan/observe.ts";
import type { PodPlan } from "../plan/plan.ts";
import { describeDifference, verify } from "../plan/verify.ts";
import { type Call, describeAttachment, kernelOf, nameOf } from "./call.ts";
import { planAfterChain } from "./chained-changes.ts";
import { type AttachmentRecord, readRecord } from "./record.ts";
import { requestedMac } from "./wishes.ts";

export async function check(call: Call): Promise<void> {
  if (call.config.disableCheck) return;
  const result = requirePreviousResult(call);
  const record = requireRecord(call);
  checkResult(record, result, call);
  await checkKernel(planAfterChain(record, result, requestedMac(call) !== undefined), call);
  await ipamOf(call.config.ipam.type).check({ ...call, rawConfig: asLeased(record, call.rawConfig) });
}

function requirePreviousResult({ config, version }: Call): Result {
  if (config.prevResult !== undefined && config.prevResult !== null) {
    return decodeResult(config.prevResult, version, "prevResult");
  }
  throw new CniError(
    ErrorCode.invalidConfig,
    "invalid network configuration",
    "config: prevResult is missing; CHECK needs the result of ADD",
  );
}

function requireRecord(call: Call): AttachmentRecord {
  const name = nameOf(call);
  const record = readRecord(name);
  if (record !== undefined && record !== "torn" && record.state === "ready") return record;
  throw new CniError(
    ErrorCode.unknownContainer,
    "the attachment is unknown",
    `${describeAttachment(name)} has ${record === undefined ? "no" : "an unfinished or torn"} record; ` +
      "expected one of a completed ADD",
  );
}

function checkResult(record: AttachmentRecord, result: Result, { environment }: Call): void {
  const own = result.interfaces.find((link) => link.name === record.ifname && link.sandbox !== undefined);
  if (own !== undefined && own.sandbox !== environment.netns) {
    throw failed(`prevResult has ${record.ifname} in ${own.sandbox}, but CNI_NETNS is ${environment.netns}`);
  }
  const missing = record.ips.find(({ address }) => !result.ips.some((ip) => ip.address === address));
  if (missing === undefined) return;
  throw failed(`prevResult lacks the address ${missing.address} that ADD gave to ${record.ifname}`);
}

async function checkKernel(plan: PodPlan, call: Call): Promise<void> {
  const netns = openNetns(call.environment.netns);
  try {
    const differences = verify(plan, await observe(plan, kernelOf(call, netns)));
    if (differences.length > 0) throw failed(differences.map(describeDifference).join("; "));
  } finally {
    closeNetns(netns);
  }
}

/** An IPAM compares prevResult with its own answer, which had the subnet's prefix length and gateway. */
function asLeased(record: AttachmentRecord, config: Call["rawConfig"]): Call["rawConfig"] {
  const previous = config["prevResult"] as { ips?: { address: string }[] };
  const leased = new Map(record.ips.map(({ address }, index) => [address, record.leased[index]]));
  const ips = previous.ips?.map((ip) => {
    const { address, gateway } = leased.get(ip.address) ?? {};
    return address === undefined ? ip : { ...ip, address, gateway };
  });
  return { ...config, prevResult: { ...previous, ips } };
}

function failed(details: string): CniError {
  return new CniError(ErrorCode.checkFailed, "the attachment is not as it was added", details);
}
