// Pods that do not reach each other because the node's datapath was switched, or its networks have several.
import { whyApart } from "../../datapath/apart.ts";
import { type Finding, warning } from "./finding.ts";
import { type Node, wiredRecords } from "./node.ts";

const shown = 3;

export async function checkApart(node: Node): Promise<Finding[]> {
  const wired = wiredRecords(node);
  const pods = new Map<string, Set<string>>();
  for (const [index, one] of wired.entries()) {
    for (const other of wired.slice(index + 1)) {
      const why = whyApart(one.plan, other.plan);
      if (why === undefined) continue;
      const names = pods.get(why) ?? new Set();
      for (const { containerID } of [one, other]) names.add(containerID.slice(0, 12));
      pods.set(why, names);
    }
  }
  return [...pods].map(([why, names]) => {
    const some = [...names].slice(0, shown).join(", ");
    const which = `${names.size} pods, those of containers ${some}${names.size > shown ? ", ..." : ""}`;
    return warning(
      "pods of several datapaths",
      why,
      `not all of ${which}, reach each other`,
      "recreate those that have not the datapath of new pods",
    );
  });
}
