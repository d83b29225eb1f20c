// `npm run bench:datapath`: the datapaths compared, between nodes and on one, in the lab's virtual machines. See
// docs/measurements.md.
import { groups, kinds, planOf, sectionNames } from "./datapath-sections.ts";
import { textOf } from "./section-report.ts";
import { runSections } from "./sections.ts";

const titles = {
  between: "Between nodes, by instructions: what each end's guest executes",
  clock: "Between nodes, by the clock, which only shows the scale",
  "one-node": "On one node, by instructions",
};

await runSections({
  name: "datapath",
  groups: Object.keys(groups),
  kinds: Object.keys(kinds),
  sections: sectionNames,
  planOf,
  textOf: (results) => textOf(results, sectionNames, titles),
});
