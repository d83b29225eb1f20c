// From a plan that is known to be in the kernel to one that differs in its peers alone, without reading the kernel: for the
// keeper of thousands of peers, one of whom has changed.
import { type Change, isInTheWay } from "./changes.ts";
import { makingLines, routeLine } from "./ip-lines.ts";
import { type FlowChange, flowChange } from "./ovs/lines.ts";
import {
  describeObject,
  type Neighbour,
  type PeerSets,
  type Plan,
  type PlanObject,
  type Route,
} from "./plan.ts";

export interface Amendment {
  readonly changes: readonly Change[];
  readonly flows: readonly FlowChange[];
  readonly before: PeerSets | undefined;
  readonly after: PeerSets | undefined;
}

/** undefined if more differs than neighbours, routes, flows, and who are peers. */
export function amendment(before: Plan, after: Plan): Amendment | undefined {
  const [old, now] = [without(before, after), without(after, before)];
  if (JSON.stringify(old.flatMap(fixedPart)) !== JSON.stringify(now.flatMap(fixedPart))) return undefined;
  const neighbours = { before: indexed(old, isNeighbour), after: indexed(now, isNeighbour) };
  const routes = { before: indexed(old, isRoute), after: indexed(now, isRoute) };
  const setsOf = (plan: Plan) => plan.find((object) => object.kind === "peer-sets");
  return {
    changes: [
      ...made(neighbours.before, neighbours.after, makingLines),
      ...made(routes.before, routes.after, linesInstead),
      ...gone(routes.before, routes.after, (object) => routeLine(object, "delete")),
      ...gone(
        neighbours.before,
        neighbours.after,
        ({ address, link }) => `neighbour delete ${address} dev ${link}`,
      ),
    ],
    flows: flowChanges(old, now),
    before: setsOf(before),
    after: setsOf(after),
  };
}

interface Entry<T> {
  readonly object: T;
  readonly line: string;
}

/** What follows from a peer that did not change is the same object in both plans. */
function without(plan: Plan, other: Plan): Plan {
  const others = new Set(other);
  return plan.filter((object) => !others.has(object));
}

/** By what makes an object the same one, whatever its properties. */
function indexed<T extends Neighbour | Route>(
  plan: Plan,
  isOfKind: (object: PlanObject) => object is T,
): Map<string, Entry<T>> {
  const entries = new Map<string, Entry<T>>();
  for (const object of plan) {
    if (!isOfKind(object)) continue;
    entries.set(keyOf(object), { object, line: makingLines(object)[0] ?? "" });
  }
  return entries;
}

function keyOf(object: Neighbour | Route): string {
  // A prefix that moves to this node has another kind of route, beside the old one until that goes.
  return object.kind === "route"
    ? `${object.dst} ${object.priority ?? ""}`
    : `${object.link} ${object.address}`;
}

function made<T extends PlanObject>(
  before: ReadonlyMap<string, Entry<T>>,
  after: ReadonlyMap<string, Entry<T>>,
  linesOf: (object: T, old: T | undefined) => string[],
): Change[] {
  return [...after].flatMap(([key, { object, line }]): Change[] => {
    const old = before.get(key);
    if (old?.line === line) return [];
    const [what, verb] = [describeObject(object), old === undefined ? "made" : "changed"] as const;
    return linesOf(object, old?.object).map((each) => ({ line: each, what, verb }));
  });
}

function linesInstead(route: Route, old: Route | undefined): string[] {
  if (old === undefined) return [routeLine(route, "add")];
  const inTheWay = isInTheWay(route, old.link) ? [routeLine(old, "delete")] : [];
  return [...inTheWay, routeLine(route, "replace")];
}

function gone<T extends PlanObject>(
  before: ReadonlyMap<string, Entry<T>>,
  after: ReadonlyMap<string, Entry<T>>,
  lineOf: (object: T) => string,
): Change[] {
  return [...before].flatMap(([key, { object }]): Change[] =>
    after.has(key) ? [] : [{ line: lineOf(object), what: describeObject(object), verb: "removed" }],
  );
}

/** Both plans have flows with the same cookies (fixedPart), in the same order. */
function flowChanges(before: Plan, after: Plan): FlowChange[] {
  const old = before.filter((object) => object.kind === "ovs-flows");
  return after
    .filter((object) => object.kind === "ovs-flows")
    .map((wanted, index) => flowChange(old[index]?.flows ?? [], wanted))
    .filter(({ lines }) => lines.length > 0);
}

/** What has to be the same in both plans. */
function fixedPart(object: PlanObject): Plan {
  if (object.kind === "stt-settings") return [{ ...object, peers: [] }];
  if (object.kind === "ovs-flows") return [{ ...object, flows: [] }];
  return ["neighbour", "route", "peer-sets"].includes(object.kind) ? [] : [object];
}

function isNeighbour(object: PlanObject): object is Neighbour {
  return object.kind === "neighbour";
}

function isRoute(object: PlanObject): object is Route {
  return object.kind === "route";
}
