// Sections that come of groups of ways, which share guests, and of kinds of measurements: each kind of each group is one.
import type { Lab } from "../test/lab/lab.ts";
import type { Plan } from "../test/lab/measure/plan.ts";
import { textOf } from "./section-report.ts";
import type { SectionBench } from "./sections.ts";

/** What of a group is measured, and how. */
export interface Kind<Group> {
  /** Of the report's part. */
  readonly title: string;
  /** Undefined for a group that is not measured so. */
  readonly plan: (group: Group) => Omit<Plan, "name"> | undefined;
}

export function benchOf<Group extends { readonly prepare?: (lab: Lab) => Promise<void> }>(
  name: string,
  groups: Readonly<Record<string, Group>>,
  kinds: Readonly<Record<string, Kind<Group>>>,
): SectionBench {
  // Those of one kind together.
  const sections = Object.entries(kinds).flatMap(([kind, { plan }]) =>
    Object.entries(groups).flatMap(([name, group]) => (plan(group) === undefined ? [] : `${name}/${kind}`)),
  );
  const titles = Object.fromEntries(Object.entries(kinds).map(([kind, { title }]) => [kind, title]));
  return {
    name,
    groups: Object.keys(groups),
    kinds: Object.keys(kinds),
    sections,
    planOf: (section) => {
      const [groupName = "", kind = ""] = section.split("/");
      const group = groups[groupName];
      const plan = group === undefined ? undefined : kinds[kind]?.plan(group);
      if (group === undefined || plan === undefined) return undefined;
      return { name: section, ...plan, ...(group.prepare === undefined ? {} : { prepare: group.prepare }) };
    },
    textOf: (results) => textOf(results, sections, titles),
  };
}
