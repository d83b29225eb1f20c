// What doctor says about one thing.
export type Level = "ok" | "warning" | "error";

export interface Finding {
  /** What was looked at, the same in every run. */
  readonly check: string;
  readonly level: Level;
  readonly found: string;
  /** What does not work because of it; empty if nothing. */
  readonly breaks: string;
  /** What to do; empty if nothing. */
  readonly fix: string;
}

export function fine(check: string, found: string): Finding {
  return { check, level: "ok", found, breaks: "", fix: "" };
}

export function warning(check: string, found: string, breaks: string, fix: string): Finding {
  return { check, level: "warning", found, breaks, fix };
}

export function fault(check: string, found: string, breaks: string, fix: string): Finding {
  return { check, level: "error", found, breaks, fix };
}

export function unchecked(check: string, why: string, remedy?: string): Finding {
  const fix = remedy ?? (process.geteuid?.() === 0 ? "see why, and run doctor again" : "run doctor as root");
  return warning(check, `not checked: ${why}`, "nothing by itself; a fault here would go unnoticed", fix);
}
