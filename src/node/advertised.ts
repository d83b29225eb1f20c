// By which links this node hears its routers of IPv6 although an overlay makes it forward: where podwire has told the kernel so, it
// is kept so, until somebody says by 0 that none are to be heard.
import fs from "node:fs";
import path from "node:path";
import { advertisedLinks } from "../attachment/host-facts.ts";
import { replaceFile, runDirectory } from "../linux/files.ts";
import { readHostSysctl } from "../linux/sysctl.ts";
import type { Plan } from "../plan/plan.ts";

const file = path.join(runDirectory, "overlay.advertised");
const setting = /^net\/ipv6\/conf\/([^/]+)\/accept_ra$/;

export function advertisedLinksFor(underlay: string): string[] {
  const kept = told().filter((link) =>
    ["1", "2"].includes(readHostSysctl(`net/ipv6/conf/${link}/accept_ra`) ?? ""),
  );
  return [...new Set([...advertisedLinks(underlay), ...kept])];
}

/** Of an overlay that has been applied. */
export function rememberAdvertised(plan: Plan): void {
  const links = plan.flatMap((object) =>
    object.kind === "sysctl" ? (setting.exec(object.key)?.[1] ?? []) : [],
  );
  const known = told();
  if (links.every((link) => known.includes(link))) return;
  replaceFile(file, JSON.stringify([...new Set([...known, ...links])]));
}

function told(): string[] {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8")) as string[];
  } catch {
    return [];
  }
}
