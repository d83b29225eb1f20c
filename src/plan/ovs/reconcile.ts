// The part of a plan that is in Open vSwitch, made real again and again: what is stale goes first, because a UDP port
// serves one tunnel, be it the kernel's own device or a bridge's port.
import { ipApply } from "../../linux/ip.ts";
import type { Kernel } from "../../linux/kernel.ts";
import { isPresent } from "../../linux/ovs/identity.ts";
import {
  changeFlows,
  isSameBridge,
  ovsRows,
  ovsRowsIfUp,
  ovsTransact,
  requireSwitch,
} from "../../linux/ovs/ovs.ts";
import { portsOn } from "../../linux/ovs/rows.ts";
import type { Done, Scope } from "../changes.ts";
import type { ObservedHost } from "../observe-host.ts";
import { isOfSwitch } from "../own.ts";
import { describeObject, type Plan } from "../plan.ts";
import { isAsPlanned } from "../verify.ts";
import { applyOvs } from "./apply.ts";
import type { OvsMemory } from "./former.ts";
import {
  type FlowChange,
  flowChange,
  isOvsObject,
  type OvsObject,
  ownCookies,
  removingFlowsLine,
  removingPortWords,
} from "./lines.ts";

/** Returns what was done, after which the host is another one. What there was is remembered before. */
export async function reconcileOvs(
  plan: Plan,
  scope: Scope,
  host: ObservedHost,
  memory: OvsMemory,
  kernel: Kernel,
): Promise<Done[]> {
  const wanted = plan.filter(isOvsObject);
  const stale: Done[] = [];
  for (const database of scope.databases.filter((each) => isPresent(each, kernel))) {
    stale.push(...(await removeStale(database, wanted, scope, host, memory, kernel)));
  }
  const faulty = wanted.filter((object) => !isAsPlanned(object, host));
  if (faulty.length === 0) return stale;
  await memory.remember();
  // Where ports are new, flows may be to their former numbers.
  const flows = faulty.filter((object) => object.kind === "ovs-flows");
  if (stale.length === 0 && flows.length === faulty.length) {
    const changes = flows.map((wanted) => flowChange(host.ovs.flows(wanted, wanted.cookie), wanted));
    return applyFlowChanges(changes, kernel);
  }
  const devices = await removeDevices(wanted, scope, host, kernel);
  await applyOvs(faulty, kernel, "any");
  return [
    ...stale,
    ...devices,
    ...faulty.map((object) => ({ what: describeObject(object), verb: "made" as const })),
  ];
}

export async function applyFlowChanges(changes: readonly FlowChange[], kernel: Kernel): Promise<Done[]> {
  for (const { wanted, lines } of changes) await changeFlows(wanted, lines, kernel);
  return changes.map(({ wanted }) => ({ what: describeObject(wanted), verb: "changed" }));
}

/** Ports that only these plans make, and the flows to them, wherever the plan does not have them. */
async function removeStale(
  database: string,
  wanted: readonly OvsObject[],
  { devices, ports }: Scope,
  host: ObservedHost,
  memory: OvsMemory,
  kernel: Kernel,
): Promise<Done[]> {
  const names = [...ports, ...devices];
  const questions = [
    ["--columns=name,ports", "list", "Bridge"],
    ["--columns=_uuid,name", "--if-exists", "list", "Port", ...names],
  ];
  const isInUse = devices.some((name) => isOfSwitch(host.link("host", name)));
  const ask = isInUse ? ovsRows : ovsRowsIfUp;
  const [bridges = [], found = []] = await ask(database, questions, kernel);
  const done: Done[] = [];
  for (const row of bridges) {
    const bridge = String(row["name"]);
    const own = portsOn(row, found).map(({ name }) => String(name));
    const kept = wanted.filter((object) => isSameBridge(object, { database, bridge }));
    const stale = own.filter(
      (name) => !kept.some((object) => object.kind === "ovs-port" && object.name === name),
    );
    if (stale.length === 0) continue;
    await memory.remember();
    if (kept.length === 0) {
      await changeFlows({ database, bridge }, [removingFlowsLine(ownCookies.overlay)], kernel);
      done.push({ what: `flows of the overlay on bridge ${bridge}`, verb: "removed" });
    }
    await ovsTransact(database, stale.map(removingPortWords), kernel);
    done.push(
      ...stale.map((name) => ({ what: `port ${name} of bridge ${bridge}`, verb: "removed" as const })),
    );
  }
  return done;
}

/** Of the kernel's own making; Open vSwitch's go with their ports. */
async function removeDevices(
  wanted: readonly OvsObject[],
  { devices }: Scope,
  host: ObservedHost,
  kernel: Kernel,
): Promise<Done[]> {
  if (!wanted.some(({ kind }) => kind === "ovs-port")) return [];
  const found = devices.filter((name) => {
    const link = host.link("host", name);
    return link?.linkinfo?.info_kind !== undefined && !isOfSwitch(link);
  });
  if (found.length === 0) return [];
  // A tunnel that works is given up for one that can be had only.
  for (const database of new Set(wanted.map((object) => object.database))) {
    await requireSwitch(database, kernel);
  }
  await ipApply(
    "host",
    found.map((name) => `link delete dev ${name}`),
    kernel,
    true,
  );
  return found.map((name) => ({ what: `link ${name} on the host`, verb: "removed" }));
}
