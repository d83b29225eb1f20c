// Rules of iptables' older kind. The kernel says which tables have some; only iptables-legacy, or an iptables that is one, lists them.
import type { Host } from "../kernel-module/host.ts";
import { readText } from "../kernel-module/module.ts";

export interface LegacyTable {
  readonly program: "iptables" | "ip6tables";
  readonly table: string;
}

export function legacyTables(): LegacyTable[] {
  const tables = { iptables: "ip_tables_names", ip6tables: "ip6_tables_names" } as const;
  return (["iptables", "ip6tables"] as const).flatMap((program) =>
    readText(`/proc/net/${tables[program]}`)
      .split("\n")
      .filter((name) => name !== "")
      .map((table) => ({ program, table })),
  );
}

/** What the table has, as lines of `-S`; or why nobody knows. */
export async function listLegacy(
  host: Host,
  { program, table }: LegacyTable,
): Promise<{ listing: string } | { fault: string }> {
  const listing =
    (await host.ask(`${program}-legacy`, ["-t", table, "-S"])) ??
    ((await isForNft(host, program)) ? undefined : await host.ask(program, ["-t", table, "-S"]));
  if (listing?.exitCode === 0) return { listing: listing.stdout };
  return { fault: `the kernel has rules of ${program}, table ${table}, that ${program}-legacy cannot list` };
}

/** It lists nft's rules instead, and succeeds. */
async function isForNft(host: Host, program: string): Promise<boolean> {
  return (await host.ask(program, ["-V"]))?.stdout.includes("nf_tables") === true;
}
