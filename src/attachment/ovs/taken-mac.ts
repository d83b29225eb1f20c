// Of two pods of a bridge with one MAC only one would get what is sent to it.
import { CniError, ErrorCode } from "../../cni/error.ts";
import { isSameBridge } from "../../linux/ovs/ovs.ts";
import type { OvsPort, Plan } from "../../plan/plan.ts";
import { recordsOfLivePods } from "../liveness.ts";
import { type AttachmentRecord, recordFile } from "../record.ts";

/** For an ADD that was asked for a MAC and whose record has its plan: throws code 7 if a live pod of the bridge has it. */
export function refuseTakenMac(own: AttachmentRecord): void {
  const port = portOf(own.plan);
  if (port === undefined) return;
  const other = recordsOfLivePods()
    .filter((record) => recordFile(record) !== recordFile(own))
    .find(({ plan }) => {
      const theirs = portOf(plan);
      return theirs !== undefined && isSameBridge(theirs, port) && macOf(theirs) === macOf(port);
    });
  if (other === undefined) return;
  throw new CniError(
    ErrorCode.invalidConfig,
    "the MAC is taken",
    `MAC ${macOf(port)} is that of container ${other.containerID}, ${other.ifname}, on bridge ${port.bridge}; ` +
      "ask for another one, or for none",
  );
}

function portOf(plan: Plan): OvsPort | undefined {
  return plan.find((object) => object.kind === "ovs-port");
}

function macOf({ externalIds }: OvsPort): string | undefined {
  return externalIds["attached-mac"];
}
