// From a plan that is known to be in the kernel to one that differs in its peers alone, without reading the kernel: for the
// keeper of thousands of peers, one of whom has changed.
import type { Change } from "./changes.ts";
import { makingLines, routeLine } from "./ip-lines.ts";
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
  readonly before: PeerSets | undefined;
  readonly after: PeerSets | undefined;
}

/** undefined if more differs than neighbours, routes and peers' sets. */
export function amendment(before: Plan, after: Plan): Amendment | undefined {
  if (JSON.stringify(before.filter(isFixed)) !== JSON.stringify(after.filter(isFixed))) return undefined;
  const [old, now] = [indexOf(before), indexOf(after)];
  const neighbours = { before: old.neighbours, after: now.neighbours };
  const routes = { before: old.routes, after: now.routes };
  const setsOf = (plan: Plan) => plan.find((object) => object.kind === "peer-sets");
  return {
    changes: [
      ...made(neighbours.before, neighbours.after, (object) => makingLines(object)[0] ?? ""),
      ...made(routes.before, routes.after, (object, isNew) => routeLine(object, isNew ? "add" : "replace")),
      ...gone(routes.before, routes.after, (object) => routeLine(object, "delete")),
      ...gone(
        neighbours.before,
        neighbours.after,
        ({ address, link }) => `neighbour delete ${address} dev ${link}`,
      ),
    ],
    before: setsOf(before),
    after: setsOf(after),
  };
}

interface Entry<T> {
  readonly object: T;
  readonly line: string;
}

interface Index {
  readonly neighbours: ReadonlyMap<string, Entry<Neighbour>>;
  readonly routes: ReadonlyMap<string, Entry<Route>>;
}

const indexes = new WeakMap<Plan, Index>();

/** What is the new plan this time is the old one the next time. */
function indexOf(plan: Plan): Index {
  const index = indexes.get(plan) ?? {
    neighbours: indexed(plan, isNeighbour),
    routes: indexed(plan, isRoute),
  };
  indexes.set(plan, index);
  return index;
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
  return object.kind === "route" ? object.dst : `${object.link} ${object.address}`;
}

function made<T extends PlanObject>(
  before: ReadonlyMap<string, Entry<T>>,
  after: ReadonlyMap<string, Entry<T>>,
  lineOf: (object: T, isNew: boolean) => string,
): Change[] {
  return [...after].flatMap(([key, { object, line }]): Change[] => {
    const old = before.get(key);
    if (old?.line === line) return [];
    const what = describeObject(object);
    return [{ line: lineOf(object, old === undefined), what, verb: old === undefined ? "made" : "changed" }];
  });
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

function isFixed({ kind }: PlanObject): boolean {
  return kind !== "neighbour" && kind !== "route" && kind !== "peer-sets";
}

function isNeighbour(object: PlanObject): object is Neighbour {
  return object.kind === "neighbour";
}

function isRoute(object: PlanObject): object is Route {
  return object.kind === "route";
}
