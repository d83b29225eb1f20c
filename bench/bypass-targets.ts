// What podwire_bypass is to reach on a node with many rules, held against what was measured.
import type { Figure } from "../test/lab/measure/plan.ts";
import { isCpu, ratioOf } from "./ratio.ts";
import type { Results } from "./section-report.ts";
import { type Cell, format } from "./table.ts";

interface Target {
  /** Of sections: the kinds that it is about. */
  readonly kinds: RegExp;
  readonly way: string;
  readonly than: string;
  isAbout(figure: Figure): boolean;
  readonly least: number;
  /** Whether to be as good is too little. */
  readonly isMore?: boolean;
  readonly stretch?: number;
}

/** Pods' own traffic, and what wraps it between nodes. */
const groups = ["veth", "vxlan", "geneve"];

const isRate = (figure: Figure) => figure.measurement === "udp_bw";
const isConnections = (figure: Figure) => isCpu(figure) && figure.measurement.includes("connections");
/** It is answered: a flowtable takes no other flow. */
const isEstablished = (figure: Figure) => isCpu(figure) && figure.measurement.includes("in one flow");

const targets: readonly Target[] = [
  {
    kinds: /-5000$/,
    way: "rules, bypass",
    than: "no rules, no conntrack",
    isAbout: isRate,
    least: 0.95,
    stretch: 0.98,
  },
  { kinds: /-5000$/, way: "rules, off", than: "rules", isAbout: isRate, least: 0.995 },
  {
    kinds: /^alternatives$/,
    way: "rules, bypass",
    than: "rules, flowtable",
    isAbout: isEstablished,
    least: 1,
  },
  {
    kinds: /^alternatives$/,
    way: "rules, bypass",
    than: "rules, flowtable",
    isAbout: isConnections,
    least: 1,
    isMore: true,
  },
];

/** A line for each target that there are figures for; "" as long as there are none. */
export function targetsOf(results: Results): string {
  const rows = targets.flatMap((target) =>
    Object.entries(results).flatMap(([section, { runs }]) => {
      const [group = "", kind = ""] = section.split("/");
      if (!groups.includes(group) || !target.kinds.test(kind)) return [];
      return rowsOf(
        section,
        target,
        runs.flatMap(({ figures }) => figures),
      );
    }),
  );
  if (rows.length === 0) return "";
  return format({ head: ["section", "measured", "way", "than", "x", "target", "met"], rows });
}

function rowsOf(section: string, target: Target, figures: readonly Figure[]): Cell[][] {
  const { way, than, isAbout, least, isMore = false, stretch } = target;
  return figures
    .filter((figure) => figure.variant === way && isAbout(figure))
    .map((figure) => [figure.measurement, ratioOf(figure, figures, than)] as const)
    .filter(([, ratio]) => !Number.isNaN(ratio))
    .map(([measurement, ratio]) => {
      const wanted = `${isMore ? "more than" : "at least"} ${least}${stretch === undefined ? "" : `, better ${stretch}`}`;
      // Of a thousandth, which a target asks for, a table's figures would hide half.
      return [section, measurement, way, than, ratio.toFixed(3), wanted, verdictOf(ratio, target)];
    });
}

function verdictOf(ratio: number, { least, isMore = false, stretch }: Target): string {
  if (isMore ? ratio <= least : ratio < least) return "NO";
  return stretch !== undefined && ratio >= stretch ? "yes, the better" : "yes";
}
