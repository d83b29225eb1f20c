// What an overlay has in Open vSwitch, remembered before it is changed: for a change that fails half-way. It becomes a plan again, which is
// made where something of it is missing.
import type { Kernel } from "../../linux/kernel.ts";
import { isPresent } from "../../linux/ovs/identity.ts";
import { changeFlows, isSameBridge, listFlows, ovsRowsIfUp, ovsTransact } from "../../linux/ovs/ovs.ts";
import { mapOf, numberOf, portsOn, type Row, textOf } from "../../linux/ovs/rows.ts";
import type { Scope } from "../changes.ts";
import type { BridgeName, Link, OvsFlows, OvsPort, Plan } from "../plan.ts";
import { applyOvs } from "./apply.ts";
import { byBridge } from "./by-bridge.ts";
import {
  isOvsObject,
  type OvsObject,
  ownCookies,
  parseFlow,
  removingFlowsLine,
  removingPortWords,
} from "./lines.ts";

export interface OvsMemory {
  /** Before the first change. */
  remember(): Promise<void>;
  /** What `failed` made goes, and what there was comes back. Returns the host's links of it, whose MTU and MAC are the port's. */
  putBack(failed: Plan, kernel: Kernel): Promise<Link[]>;
}

type OvsScope = Pick<Scope, "devices" | "ports" | "databases">;

export function ovsMemory(scope: OvsScope, kernel: Kernel): OvsMemory {
  let former: OvsObject[] | undefined;
  return {
    remember: async () => {
      former ??= (await Promise.all(scope.databases.map((each) => read(each, scope, kernel)))).flat();
    },
    putBack: async (failed, undo) => {
      if (former === undefined) return [];
      for (const database of scope.databases.filter((each) => isPresent(each, undo))) {
        await removeOthers(database, former, failed, scope, undo);
      }
      for (const objects of byBridge(former).values()) await applyOvs(objects, undo, "any");
      return former.flatMap(linkOf);
    },
  };
}

async function read(database: string, scope: OvsScope, kernel: Kernel): Promise<OvsObject[]> {
  if (!isPresent(database, kernel)) return [];
  const names = [...scope.ports, ...scope.devices];
  const questions = [
    ["--columns=name,ports", "list", "Bridge"],
    ["--columns=_uuid,name", "--if-exists", "list", "Port", ...names],
    [
      "--columns=name,type,options,mac,mtu_request,external_ids",
      "--if-exists",
      "list",
      "Interface",
      ...names,
    ],
  ];
  // Of one that does not answer nothing is changed.
  const [bridges = [], ports = [], interfaces = []] = await ovsRowsIfUp(database, questions, kernel);
  const found = bridges.map(async (row): Promise<OvsObject[]> => {
    const at = { database, bridge: String(row["name"]) };
    const own = portsOn(row, ports).map(({ name }) => name);
    if (own.length === 0) return [];
    const rows = interfaces.filter(({ name }) => own.includes(name));
    return [...rows.flatMap((each) => formerPort(at, each) ?? []), await formerFlows(at, kernel)];
  });
  return (await Promise.all(found)).flat();
}

/** undefined for one that no overlay makes so. */
function formerPort(at: BridgeName, row: Row): OvsPort | undefined {
  const type = formerType(row);
  if (type === undefined) return undefined;
  const externalIds = Object.fromEntries(mapOf(row["external_ids"]));
  return { kind: "ovs-port", where: "host", ...at, name: String(row["name"]), type, trunk: [], externalIds };
}

function formerType(row: Row): OvsPort["type"] | undefined {
  const { type: kind } = row;
  if (kind === "internal") {
    return { kind, mac: textOf(row["mac"]) ?? "", mtu: numberOf(row["mtu_request"]) ?? 0 };
  }
  if (kind !== "vxlan" && kind !== "geneve") return undefined;
  const options = mapOf(row["options"]);
  const [tos, ttl] = [options.get("tos"), options.get("ttl")];
  return {
    kind,
    port: Number(options.get("dst_port")),
    local: options.get("local_ip") ?? "",
    checksum: options.get("csum") === "true",
    ...(tos === undefined ? {} : { tos: Number(tos) }),
    ...(ttl === undefined ? {} : { ttl: Number(ttl) }),
  };
}

async function formerFlows(at: BridgeName, kernel: Kernel): Promise<OvsFlows> {
  const cookie = ownCookies.overlay;
  const lines = await listFlows(at, `${cookie}/-1`, kernel);
  const flows = lines.flatMap((line) => parseFlow(line)?.flow ?? []);
  return { kind: "ovs-flows", where: "host", ...at, cookie, flows };
}

/** Flows on bridges that had none, and ports that were not there. */
async function removeOthers(
  database: string,
  former: readonly OvsObject[],
  failed: Plan,
  { ports, devices }: OvsScope,
  kernel: Kernel,
): Promise<void> {
  const isFormer = (name: string) =>
    former.some(
      (object) => object.kind === "ovs-port" && object.database === database && object.name === name,
    );
  const others = [...ports, ...devices].filter((name) => !isFormer(name));
  if (others.length > 0) await ovsTransact(database, others.map(removingPortWords), kernel, false);
  const flows = failed.filter(isOvsObject).filter(({ kind }) => kind === "ovs-flows");
  for (const at of flows.filter((object) => object.database === database)) {
    if (former.some((object) => isSameBridge(object, at))) continue;
    await changeFlows(at, [removingFlowsLine(ownCookies.overlay)], kernel);
  }
}

function linkOf(object: OvsObject): Link[] {
  if (object.kind !== "ovs-port" || object.type.kind !== "internal") return [];
  const { name, database, bridge, type } = object;
  const { mac, mtu } = type;
  const ofBridge = { kind: "ovs", bridge: { database, bridge } } as const;
  return [{ kind: "link", where: "host", name, mac, mtu, noAutomaticAddress: true, type: ofBridge }];
}
