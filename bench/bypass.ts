// `npm run bench:bypass`: what netfilter costs pods, and what podwire_bypass and what else one would take leave of that
// cost. See docs/measurements.md.
import { groups, kinds, planOf, sectionNames } from "./bypass-sections.ts";
import { targetsOf } from "./bypass-targets.ts";
import { textOf } from "./section-report.ts";
import { runSections } from "./sections.ts";

const titles = Object.fromEntries(Object.entries(kinds).map(([kind, { title }]) => [kind, title]));

await runSections({
  name: "bypass",
  groups: Object.keys(groups),
  kinds: Object.keys(kinds),
  sections: sectionNames,
  planOf,
  textOf: (results) => {
    const targets = targetsOf(results);
    const parts = [textOf(results, sectionNames, titles)];
    return [...parts, ...(targets === "" ? [] : ["**Against the targets**", targets])].join("\n\n");
  },
});
