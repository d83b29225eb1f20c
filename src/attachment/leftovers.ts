// What of a network is left in the kernel without a record: its state was wiped, or written by hand.

import type { AttachmentName } from "../datapath/datapath.ts";
import { hostLinkPattern, parseLinkAlias } from "../datapath/names.ts";
import { ipAsk } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";

/** Attachments of all networks that have a link on the host, by the links' aliases. */
export async function linkedAttachments(kernel: Kernel): Promise<AttachmentName[]> {
  const [links] = await ipAsk("host", ["link show"], kernel);
  return (links ?? []).flatMap((link) => {
    const { ifname, ifalias } = link as { ifname?: string; ifalias?: string };
    if (ifname === undefined || ifalias === undefined || !hostLinkPattern.test(ifname)) return [];
    return parseLinkAlias(ifalias) ?? [];
  });
}
