// What STT is to reach, held against what was measured.
import type { Figure, Report } from "../test/lab/measure/plan.ts";
import { ratioOf } from "./ratio.ts";
import type { Results } from "./section-report.ts";
import { type Cell, format } from "./table.ts";

interface Ratios {
  readonly geneve: number;
  readonly host: number;
}

/** Better is more: CPU for the same work counts by its inverse. */
function targetOf({ unit }: Figure): { wanted: string; isMet(ratios: Ratios): boolean } | undefined {
  if (unit === "Mbit/s")
    return {
      wanted: "6 x geneve or 0.85 x host",
      isMet: ({ geneve, host }) => geneve >= 6 || host >= 0.85,
    };
  if (unit === "kB/s sent") return { wanted: "1 x geneve", isMet: ({ geneve }) => geneve >= 1 };
  return undefined;
}

/** A line for each figure of each mode; "" as long as nothing was measured. */
export function targetsOf(results: Results, modes: readonly string[]): string {
  const rows = Object.values(results).flatMap((report) => rowsOf(report, modes));
  if (rows.length === 0) return "";
  return format({ head: ["measured", "way", "x geneve", "x host", "target", "met"], rows });
}

function rowsOf({ runs, reference }: Report, modes: readonly string[]): Cell[][] {
  const figures = runs.flatMap((run) => run.figures);
  return figures
    .filter(({ variant }) => modes.includes(variant))
    .map((figure) => {
      const ratios = {
        geneve: ratioOf(figure, figures, "geneve"),
        host: ratioOf(figure, figures, reference),
      };
      const target = targetOf(figure);
      const isMet = target?.isMet(ratios) ? "yes" : "NO";
      return [
        figure.measurement,
        figure.variant,
        ratios.geneve,
        ratios.host,
        target?.wanted ?? "",
        target === undefined ? "" : isMet,
      ];
    });
}
