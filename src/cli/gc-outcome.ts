// What became of one attachment that `podwire gc` looked at.
import { toCniError } from "../cni/error.ts";
import type { AttachmentName } from "../datapath/datapath.ts";

export interface Outcome extends AttachmentName {
  readonly action: "removed" | "would remove" | "kept" | "failed" | "unrecorded";
  readonly why: string;
}

/** For what could not be looked at. */
export const nobody: AttachmentName = { network: "", containerID: "", ifname: "" };

/** `what`: with the mark that the reason follows. */
export function failed(name: AttachmentName, what: string, error: unknown): Outcome {
  const { message, details } = toCniError(error);
  return { ...name, action: "failed", why: `${what} ${message}: ${details}` };
}

/** Those of attachments that are not told of yet as having no record: a port of Open vSwitch may be a link of the host, too. */
export function untold(outcomes: readonly Outcome[], told: readonly Outcome[]): Outcome[] {
  const named = told.filter(({ action }) => action === "unrecorded").map(nameOf);
  return outcomes.filter((outcome) => outcome.action !== "unrecorded" || !named.includes(nameOf(outcome)));
}

function nameOf({ network, containerID, ifname }: AttachmentName): string {
  return [network, containerID, ifname].join(" ");
}
