// `podwire status`: every attachment on this node, and whether it is as it was made.
import type { AttachmentName } from "../datapath/datapath.ts";
import { hostLinksOf } from "../plan/plan.ts";
import { formatAge } from "./age.ts";
import { type Attachment, type Condition, listAttachments, recordsOfWired } from "./attachments.ts";
import type { Colour } from "./colour.ts";
import type { Run } from "./command.ts";
import { commandKernel } from "./command-kernel.ts";
import { type Cell, printable, renderTable } from "./table.ts";
import { printJson, type Terminal } from "./terminal.ts";
import { type Verdict, verifyAll } from "./verification.ts";

/** What is printed of an attachment; with --json, all of it. */
interface Report extends AttachmentName {
  /** changed: as a plugin after podwire in the chain may rightly have done. */
  readonly state: "ok" | "changed" | "failed" | Exclude<Condition, "wired">;
  /** Differences from the plan, or why the attachment is in this state. */
  readonly faults: readonly string[];
  readonly pod: { readonly namespace?: string; readonly name?: string };
  readonly netns?: string;
  readonly addresses: readonly string[];
  readonly hostLink?: string;
  readonly datapath?: string;
  readonly createdAt?: string;
}

const colours: Readonly<Record<Report["state"], Colour>> = {
  ok: "green",
  changed: "green",
  failed: "red",
  adding: "dim",
  unfinished: "yellow",
  stale: "yellow",
  torn: "yellow",
};

const shortIdLength = 12;

export const status: Run = async (words, terminal) => {
  const attachments = listAttachments();
  const wired = recordsOfWired(attachments);
  const verdicts = await verifyAll(wired, commandKernel());
  const verdictOf = new Map(wired.map((record, index) => [record, verdicts[index]]));
  const reports = attachments.map((attachment) =>
    report(attachment, attachment.record && verdictOf.get(attachment.record)),
  );
  if (words.flag("json")) printJson(reports, terminal);
  else printReports(reports, terminal);
  return reports.some(({ state }) => state === "failed") ? 1 : 0;
};

function report(attachment: Attachment, verdict: Verdict | undefined): Report {
  const { name, record } = attachment;
  const { network, containerID, ifname } = name;
  const [hostLink] = hostLinksOf(record?.plan ?? []);
  const { namespace, name: podName } = record?.pod ?? {};
  return {
    network,
    containerID,
    ifname,
    ...stateOf(attachment, verdict),
    pod: {
      ...(namespace === undefined ? {} : { namespace }),
      ...(podName === undefined ? {} : { name: podName }),
    },
    ...(record === undefined ? {} : { netns: record.netns.path }),
    addresses: record?.ips.map(({ address }) => address) ?? [],
    ...(hostLink === undefined ? {} : { hostLink: hostLink.name }),
    ...(record === undefined ? {} : { datapath: record.datapath, createdAt: record.createdAt }),
  };
}

function stateOf(
  { condition, why, doubt }: Attachment,
  verdict: Verdict = { faults: [], changes: [] },
): Pick<Report, "state" | "faults"> {
  const { faults, changes } = verdict;
  if (condition !== "wired") {
    return { state: condition, faults: [doubt === undefined ? why : `${why}, but ${doubt}`] };
  }
  if (faults.length > 0) return { state: "failed", faults: [...faults, ...changes] };
  return changes.length > 0 ? { state: "changed", faults: changes } : { state: "ok", faults: [] };
}

function printReports(reports: readonly Report[], terminal: Terminal): void {
  if (reports.length === 0) {
    terminal.print("no attachments on this node\n");
    return;
  }
  const heading = "NETWORK CONTAINER POD INTERFACE ADDRESSES HOST-LINK DATAPATH AGE STATE".split(" ");
  const now = Date.now();
  terminal.print(
    renderTable(
      heading,
      reports.map((entry) => rowOf(entry, now)),
      terminal.paint,
    ),
  );
  for (const entry of reports.filter(({ state }) => state !== "ok")) {
    const { network, containerID, ifname, faults } = entry;
    const subject = `${network}/${containerID.slice(0, shortIdLength)}/${ifname}`;
    terminal.print(`\n${terminal.paint(subject, colours[entry.state])}: ${entry.state}\n`);
    for (const fault of faults) terminal.print(`  ${printable(fault)}\n`);
  }
}

function rowOf(entry: Report, now: number): Cell[] {
  const { namespace, name } = entry.pod;
  return [
    entry.network,
    entry.containerID.slice(0, shortIdLength),
    [namespace, name].filter((part) => part !== undefined).join("/") || "-",
    entry.ifname,
    entry.addresses.map((address) => address.replace(/\/.*/, "")).join(",") || "-",
    entry.hostLink ?? "-",
    entry.datapath ?? "-",
    formatAge(entry.createdAt, now) || "-",
    { text: entry.state, colour: colours[entry.state] },
  ];
}
