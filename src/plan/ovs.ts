// Makes, reads and removes what a plan has in Open vSwitch: one transaction for a bridge and its ports, one bundle for
// flows.
import { toCniError } from "../cni/error.ts";
import type { Kernel } from "../linux/kernel.ts";
import { hostLinkExists } from "../linux/links.ts";
import {
  changeFlows,
  isPresent,
  isSameBridge,
  listFlows,
  OvsDownError,
  ovsRefused,
  ovsRows,
  ovsTransact,
} from "../linux/ovs.ts";
import { idOf, labelOf, mapOf, membersOf, numberOf, type Row, textOf } from "../linux/ovs-rows.ts";
import {
  bridgeWords,
  flowLines,
  isOvsObject,
  type OvsObject,
  ownCookies,
  ownerKey,
  parseFlow,
  portWords,
  removingFlowsLine,
  removingPortWords,
} from "./ovs-lines.ts";
import type { BridgeName, OvsBridge, OvsFlow, OvsFlows, OvsPort, Plan } from "./plan.ts";

/** Makes objects of one bridge. `ports`: whether those may be there. */
export async function applyOvs(
  objects: readonly OvsObject[],
  kernel: Kernel,
  ports: "new" | "any" = "new",
): Promise<void> {
  try {
    await setOvs(objects, ports, kernel);
  } catch (error) {
    // A DEL that found nobody has left a row, of which nothing may stay; or somebody has moved the port.
    if (!/port named .* already exists|actually attached to/.test(toCniError(error).details)) throw error;
    const own = objects.filter((object) => object.kind === "ovs-port");
    for (const port of own) if (!(await removeOwnPort(port, kernel))) throw error;
    await setOvs(objects, ports, kernel);
  }
}

/** Returns false if the port is not of this attachment. */
async function removeOwnPort({ database, name, externalIds }: OvsPort, kernel: Kernel): Promise<boolean> {
  const question = ["--columns=external_ids", "--if-exists", "list", "Interface", name];
  const [[row] = []] = await ovsRows(database, [question], kernel);
  if (row === undefined || labelOf(row, ownerKey) !== externalIds[ownerKey]) return false;
  await ovsTransact(database, [removingPortWords(name)], kernel);
  return true;
}

async function setOvs(objects: readonly OvsObject[], ports: "new" | "any", kernel: Kernel): Promise<void> {
  const [first] = objects;
  if (first === undefined) return;
  const words = objects
    .filter((object) => object.kind === "ovs-port")
    .flatMap((port) => portWords(port, ports));
  const bridges = objects.filter((object) => object.kind === "ovs-bridge");
  if (words.length > 0 || bridges.length > 0) await setPorts(bridges, words, first.database, kernel);
  const flows = objects.filter((object) => object.kind === "ovs-flows").flatMap(flowLines);
  if (flows.length > 0) await changeFlows(first, flows, kernel);
}

async function setPorts(
  bridges: readonly OvsBridge[],
  ports: readonly string[][],
  database: string,
  kernel: Kernel,
): Promise<void> {
  const making = bridges.flatMap(bridgeWords);
  const isThere = bridges.every(({ bridge }) => hostLinkExists(bridge));
  const transact = async (commands: readonly string[][]) => {
    const fault = commands.length === 0 ? undefined : await ovsTransact(database, commands, kernel);
    if (fault !== undefined) throw ovsRefused(fault);
  };
  try {
    await transact(isThere ? ports : [...making, ...ports]);
  } catch (error) {
    // Another ADD was faster, or a link of that name says nothing about the database.
    const isOtherwise = isThere ? /no bridge named/ : /bridge named .* already exists/;
    if (making.length === 0 || !isOtherwise.test(toCniError(error).details)) throw error;
    await transact(isThere ? [...making, ...ports] : ports);
  }
}

/** Flows go before their port, whose number another one could get. Where Open vSwitch is down only GC can. */
export async function removeOvs(plan: Plan, kernel: Kernel): Promise<void> {
  const own = plan.filter(isOvsObject).filter((object) => object.kind !== "ovs-bridge");
  const databases = new Set(own.map(({ database }) => database));
  for (const database of [...databases].filter((each) => isPresent(each, kernel))) {
    const objects = own.filter((object) => object.database === database);
    try {
      await removeFrom(database, objects, kernel);
    } catch (error) {
      if (!(error instanceof OvsDownError)) throw error;
    }
  }
}

async function removeFrom(database: string, objects: readonly OvsObject[], kernel: Kernel): Promise<void> {
  const ports = objects.filter((object) => object.kind === "ovs-port");
  const flows = objects.filter((object) => object.kind === "ovs-flows").filter(({ shared }) => !shared);
  const answers = await removeFlows(flows, kernel);
  const names = [...new Set(ports.map(({ name }) => name))];
  if (names.length > 0) await ovsTransact(database, names.map(removingPortWords), kernel, answers);
}

/** Returns whether ovs-vswitchd answers. */
async function removeFlows(objects: readonly OvsFlows[], kernel: Kernel): Promise<boolean> {
  try {
    for (const [at, cookies] of byBridge(objects)) {
      await changeFlows(at, [...new Set(cookies.map(({ cookie }) => removingFlowsLine(cookie)))], kernel);
    }
    return true;
  } catch (error) {
    // A bridge that is gone has no flows, one whose switch is dead gets none back, and the rest GC finds.
    return !(error instanceof OvsDownError);
  }
}

function byBridge<T extends BridgeName>(objects: readonly T[]): Map<BridgeName, T[]> {
  const groups = new Map<string, [BridgeName, T[]]>();
  for (const object of objects) {
    const { database, bridge } = object;
    const key = `${database} ${bridge}`;
    const group = groups.get(key) ?? [{ database, bridge }, []];
    group[1].push(object);
    groups.set(key, group);
  }
  return new Map(groups.values());
}

export interface ObservedPort {
  /** -1: Open vSwitch could not open the link, for the reason in `error`. */
  readonly number: number | undefined;
  readonly error: string;
  readonly type: string;
  readonly vlan: number | undefined;
  readonly trunk: readonly number[];
  /** kbit/s; 0: no limit. */
  readonly rate: number;
  readonly bridge: string | undefined;
  /** What was asked for; undefined: nothing. */
  readonly mtu: number | undefined;
  readonly options: ReadonlyMap<string, string>;
}

export interface ObservedOvs {
  /** Why Open vSwitch cannot be asked. */
  readonly down?: string;
  bridge(at: BridgeName): { readonly datapathType: string } | undefined;
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
  readonly bridges: ReadonlyMap<string, { datapathType: string }>;
  readonly ports: ReadonlyMap<string, ObservedPort>;
}

const portColumns = "name,ofport,error,type,ingress_policing_rate,mtu_request,options";

async function readTables(database: string, objects: readonly OvsObject[], kernel: Kernel): Promise<Tables> {
  const names = objects
    .filter((object): object is OvsPort => object.kind === "ovs-port" && object.database === database)
    .map(({ name }) => name);
  const questions = [
    ["--columns=name,datapath_type,ports", "list", "Bridge"],
    ["--columns=_uuid,name,tag,trunks", "--if-exists", "list", "Port", ...names],
    [`--columns=${portColumns}`, "--if-exists", "list", "Interface", ...names],
  ];
  // Without a name all rows would be listed, and are harmless.
  const [bridges = [], ports = [], interfaces = []] = await ovsRows(database, questions, kernel);
  const portOf = new Map(ports.map((row) => [row["name"], row]));
  return {
    bridges: new Map(
      bridges.map((row) => [String(row["name"]), { datapathType: String(row["datapath_type"] || "system") }]),
    ),
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

function observedPort(row: Row, port: Row | undefined, bridge: Row | undefined): ObservedPort {
  return {
    number: numberOf(row["ofport"]),
    error: textOf(row["error"]) ?? "",
    type: String(row["type"] || "system"),
    vlan: numberOf(port?.["tag"]),
    trunk: port === undefined ? [] : membersOf(port["trunks"]).map(Number),
    rate: Number(row["ingress_policing_rate"]),
    bridge: bridge === undefined ? undefined : String(bridge["name"]),
    mtu: numberOf(row["mtu_request"]),
    options: mapOf(row["options"]),
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
