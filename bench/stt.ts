// `npm run bench:stt`: the STT module between two virtual machines, beside Geneve, VXLAN, plain routes and the hosts
// themselves. See docs/measurements.md.
import { textOf } from "./section-report.ts";
import { runSections } from "./sections.ts";
import { group, kinds, modes, planOf, sectionNames } from "./stt-sections.ts";
import { targetsOf } from "./stt-targets.ts";

const titles = {
  bulk: "Large transfers, by instructions: what each end's guest executes",
  messages: "Messages of one byte, by instructions",
  clock: "Large transfers by the clock, which only shows the scale",
};

await runSections({
  name: "stt",
  groups: [group],
  kinds: Object.keys(kinds),
  sections: sectionNames,
  planOf,
  textOf: (results) => {
    const ways = modes.map(({ name }) => name);
    const targets = ["**Against the targets**", targetsOf(results, ways)];
    return [textOf(results, sectionNames, titles), ...targets].join("\n\n");
  },
});
