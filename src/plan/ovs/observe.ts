// Reads what a plan has in Open vSwitch.
import { isUnicastMac } from "../../address/mac.ts";
import { toCniError } from "../../cni/error.ts";
import type { Kernel } from "../../linux/kernel.ts";
import { isSameBridge, listFlows, OvsDownError, ovsRows } from "../../linux/ovs/ovs.ts";
import { idOf, labelOf, mapOf, membersOf, numberOf, type Row, textOf } from "../../linux/ovs/rows.ts";
import type { BridgeName, OvsFlow, OvsPort, Plan } from "../plan.ts";
import { byBridge } from "./by-bridge.ts";
import { isOvsObject, type OvsObject, ownBridge, ownCookies, ownerKey, parseFlow } from "./lines.ts";

export interface ObservedPort {
  /** -1: Open vSwitch could not open the link, for the reason in `error`. */
  readonly number: number | undefined;
  readonly error: string;
  readonly type: string;
  readonly vlan: number | undefined;
  readonly trunk: readonly number[];
  readonly vlanMode: string | undefined;
  /** The port's other_config. */
  readonly settings: ReadonlyMap<string, string>;
  /** kbit/s; 0: no limit. */
  readonly rate: number;
  /** kbit; 0: Open vSwitch's default. */
  readonly burst: number;
  readonly bridge: string | undefined;
  /** What was asked for; undefined: nothing. */
  readonly mtu: number | undefined;
  readonly options: ReadonlyMap<string, string>;
  /** external_ids. */
  readonly labels: ReadonlyMap<string, string>;
}

export interface ObservedBridge {
  readonly datapathType: string;
  /** That it is to have (other_config:hwaddr), if it is one that Open vSwitch takes. */
  readonly mac: string | undefined;
  /** Whether podwire made it. */
  readonly isOwn: boolean;
}

export interface ObservedOvs {
  /** Why Open vSwitch cannot be asked. */
  readonly down?: string;
  bridge(at: BridgeName): ObservedBridge | undefined;
  port(at: BridgeName, name: string): ObservedPort | undefined;
  /** The flows with a cookie. */
  flows(at: BridgeName, cookie: string): readonly OvsFlow[];
}

export const noOvs: ObservedOvs = {
  bridge: () => undefined,
  port: () => undefined,
  flows: () => [],
};

export async function readOvs(plan: Plan, kernel: Kernel): Promise<ObservedOvs> {
  const objects = plan.filter(isOvsObject);
  if (objects.length === 0) return noOvs;
  try {
    return await read(objects, kernel);
  } catch (error) {
    if (error instanceof OvsDownError) return { ...noOvs, down: error.details };
    throw error;
  }
}

async function read(objects: readonly OvsObject[], kernel: Kernel): Promise<ObservedOvs> {
  const databases = [...new Set(objects.map(({ database }) => database))];
  const bridges = [...byBridge(objects)];
  const reading = Promise.all(bridges.map(([at, own]) => readFlows(at, own, kernel).catch(faultOf)));
  const tables = await Promise.all(databases.map((database) => readTables(database, objects, kernel)));
  const tablesOf = ({ database }: BridgeName) => tables[databases.indexOf(database)];
  const flows = (await reading).map((found, index) => {
    if (!(found instanceof Error)) return found;
    const at = bridges[index]?.[0];
    // Without a bridge nobody answers for it.
    if (at === undefined || tablesOf(at)?.bridges.has(at.bridge)) throw found;
    return new Map<bigint, OvsFlow[]>();
  });
  const flowsOf = (wanted: BridgeName) => flows[bridges.findIndex(([at]) => isSameBridge(at, wanted))];
  return {
    bridge: (at) => tablesOf(at)?.bridges.get(at.bridge),
    port: (at, name) => tablesOf(at)?.ports.get(name),
    flows: (at, cookie) => flowsOf(at)?.get(BigInt(cookie)) ?? [],
  };
}

function faultOf(error: unknown): Error {
  return toCniError(error);
}

interface Tables {
  readonly bridges: ReadonlyMap<string, ObservedBridge>;
  readonly ports: ReadonlyMap<string, ObservedPort>;
}

const portColumns =
  "name,ofport,error,type,ingress_policing_rate,ingress_policing_burst,mtu_request,options,external_ids";

async function readTables(database: string, objects: readonly OvsObject[], kernel: Kernel): Promise<Tables> {
  const names = objects
    .filter((object): object is OvsPort => object.kind === "ovs-port" && object.database === database)
    .map(({ name }) => name);
  const questions = [
    ["--columns=name,datapath_type,ports,other_config,external_ids", "list", "Bridge"],
    ["--columns=_uuid,name,tag,trunks,vlan_mode,other_config", "--if-exists", "list", "Port", ...names],
    [`--columns=${portColumns}`, "--if-exists", "list", "Interface", ...names],
  ];
  // Without a name all rows would be listed, and are harmless.
  const [bridges = [], ports = [], interfaces = []] = await ovsRows(database, questions, kernel);
  const portOf = new Map(ports.map((row) => [row["name"], row]));
  return {
    bridges: new Map(bridges.map((row) => [String(row["name"]), observedBridge(row)])),
    ports: new Map(
      interfaces.map((row) => {
        const port = portOf.get(row["name"]);
        const bridge = bridges.find((candidate) =>
          membersOf(candidate["ports"]).includes(port === undefined ? "" : idOf(port)),
        );
        return [String(row["name"]), observedPort(row, port, bridge)];
      }),
    ),
  };
}

function observedBridge(row: Row): ObservedBridge {
  const mac = mapOf(row["other_config"]).get("hwaddr")?.toLowerCase() ?? "";
  return {
    datapathType: String(row["datapath_type"] || "system"),
    isOwn: labelOf(row, ownerKey) === ownBridge,
    mac: isUnicastMac(mac) ? mac : undefined,
  };
}

function observedPort(row: Row, port: Row | undefined, bridge: Row | undefined): ObservedPort {
  return {
    number: numberOf(row["ofport"]),
    error: textOf(row["error"]) ?? "",
    type: String(row["type"] || "system"),
    vlan: numberOf(port?.["tag"]),
    trunk: port === undefined ? [] : membersOf(port["trunks"]).map(Number),
    vlanMode: textOf(port?.["vlan_mode"]),
    settings: port === undefined ? new Map() : mapOf(port["other_config"]),
    rate: Number(row["ingress_policing_rate"]),
    burst: Number(row["ingress_policing_burst"]),
    bridge: bridge === undefined ? undefined : String(bridge["name"]),
    mtu: numberOf(row["mtu_request"]),
    options: mapOf(row["options"]),
    labels: mapOf(row["external_ids"]),
  };
}

async function readFlows(
  at: BridgeName,
  objects: readonly OvsObject[],
  kernel: Kernel,
): Promise<Map<bigint, OvsFlow[]>> {
  const cookies = new Set(
    objects.filter((object) => object.kind === "ovs-flows").map(({ cookie }) => cookie),
  );
  const [first] = cookies;
  if (first === undefined) return new Map();
  const lines = await listFlows(at, cookies.size === 1 ? `${first}/-1` : ownCookies.all, kernel);
  const flows = new Map<bigint, OvsFlow[]>();
  for (const { cookie, flow } of lines.flatMap((line) => parseFlow(line) ?? [])) {
    const known = flows.get(BigInt(cookie));
    if (known === undefined) flows.set(BigInt(cookie), [flow]);
    else known.push(flow);
  }
  return flows;
}
