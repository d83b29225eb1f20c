// What bench:stt measures: STT in its three output modes beside what else joins nodes, in one pair of guests whose card
// segments TCP and no UDP tunnels. Connections are tracked, as on every node of a cluster: without that the modes
// would be one.
import type { Lab } from "../test/lab/lab.ts";
import type { Plan } from "../test/lab/measure/plan.ts";
import { bulkStreams, bulkWork, datagramWork } from "../test/lab/measure/samplings.ts";
import {
  geneve,
  hostGateway,
  podsBy,
  requireTcpSegmentationAlone,
  stt,
  vxlan,
} from "../test/lab/measure/tunnels.ts";
import { hostToHost } from "../test/lab/measure/variants.ts";
import { loadModule } from "../test/lab/stt/tunnel.ts";

export const modes = [stt("full", 7472), stt("notrack", 7473), stt("none", 7474)];

export const group = "tunnels";

export const kinds: Readonly<Record<string, Pick<Plan, "deterministic" | "wallClock">>> = {
  bulk: { deterministic: [bulkWork] },
  messages: { deterministic: [datagramWork] },
  clock: { wallClock: bulkStreams },
};

export const sectionNames: readonly string[] = Object.keys(kinds).map((kind) => `${group}/${kind}`);

/** Undefined if there is none of that name. */
export function planOf(section: string): Plan | undefined {
  const [groupName, kind = ""] = section.split("/");
  const measured = groupName === group ? kinds[kind] : undefined;
  if (measured === undefined) return undefined;
  const variants = [hostToHost, ...[hostGateway, vxlan, geneve, ...modes].map(podsBy)];
  return { name: section, variants, prepare, ...measured };
}

async function prepare(lab: Lab): Promise<void> {
  for (const node of lab.nodes) {
    await requireTcpSegmentationAlone(node);
    await node.sh(`nft -f - <<'END'
table inet tracking {
  chain input { type filter hook input priority 0; ct state established,related accept; }
  chain forward { type filter hook forward priority 0; ct state established,related accept; }
}
END`);
  }
  await loadModule(lab);
}
