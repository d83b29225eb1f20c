// The overlay's part of `podwire apply`: what is declared, and what was done.
import { loadNodeDefaults } from "../config/load.ts";
import { firstFew } from "../few.ts";
import { type BypassOutcome, describeBypass } from "../node/bypass.ts";
import { type AppliedNode, type Prepared, prepare } from "../node/overlay.ts";
import { listConfigurations, readNetworks } from "./conflist.ts";
import { printable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/** Of all of podwire's networks in the directory. Throws for a file of podwire's that cannot be used. */
export function readDeclaration(
  confDir: string,
  before?: Prepared,
  refersTo?: (peersFile: string) => void,
): Prepared {
  const networks = listConfigurations(confDir).flatMap((file) => readNetworks(confDir, file));
  return prepare(
    networks.map(({ config }) => config),
    loadNodeDefaults(),
    before,
    refersTo,
  );
}

/** What `podwire apply` says of the overlay; with --json, all of it. */
export interface OverlayReport {
  readonly overlay: string;
  readonly mtu?: number;
  readonly changes: readonly { readonly verb: string; readonly what: string }[];
  readonly warnings: readonly string[];
  /** What of it could not be made. */
  readonly obstacles: readonly string[];
  /** Absent where no network wishes it. */
  readonly bypass?: {
    readonly mode: string;
    readonly summary: string;
    readonly why: readonly string[];
    readonly fault?: string;
  };
}

export function overlayReport({ prepared: { isSilent, declared }, ...applied }: AppliedNode): OverlayReport {
  const { done, obstacles, warnings, desired, bypass } = applied;
  return {
    overlay: isSilent ? "left alone, no network is declared" : (declared?.config.type ?? "none"),
    ...(desired === undefined ? {} : { mtu: desired.mtu }),
    changes: done.map(({ verb, what }) => ({ verb, what })),
    warnings,
    obstacles,
    ...(bypass === undefined ? {} : { bypass: bypassReport(bypass) }),
  };
}

function bypassReport(outcome: BypassOutcome): NonNullable<OverlayReport["bypass"]> {
  const { set, obstacles, tunnelObstacles, fault } = outcome;
  const why = [...(fault === undefined ? [] : [fault]), ...obstacles, ...tunnelObstacles];
  return {
    mode: set?.mode ?? "off",
    summary: describeBypass(outcome),
    why,
    ...(fault === undefined ? {} : { fault }),
  };
}

/** With --json all are told. */
const listed = 20;

export function printOverlay(report: OverlayReport, terminal: Terminal): void {
  const { overlay, mtu, changes, warnings, bypass } = report;
  for (const warning of firstFew(warnings, listed)) terminal.complain(`warning: ${printable(warning)}`);
  const texts = [...new Set(changes.map(({ verb, what }) => `${verb} ${what}`))];
  for (const text of firstFew(texts, listed)) terminal.print(`${printable(text)}\n`);
  const size = mtu === undefined ? "" : `, MTU ${mtu}`;
  terminal.print(
    `overlay ${overlay}${size}: ${texts.length === 0 ? "nothing to change" : `${texts.length} changes`}\n`,
  );
  if (bypass !== undefined) terminal.print(`${printable(bypass.summary)}\n`);
}
