// Reads a trace of strace (-f -ttt -T) as phases: start of the process, our own code, each program, exit.

export interface Phase {
  readonly what: string;
  readonly fromMs: number;
  readonly forMs: number;
}

/** What is traced: little, because each traced call costs. */
export const tracedCalls = "execve,openat,fsync,fdatasync,exit_group";

interface Event {
  readonly pid: string;
  readonly atMs: number;
  readonly text: string;
}

interface Program {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
}

export function phasesOf(trace: string): Phase[] {
  const events = trace.split("\n").flatMap(parseEvent);
  const first = events[0];
  if (first === undefined) throw new Error("the trace is empty");
  const own = events.filter(({ pid }) => pid === first.pid);
  const startMs = first.atMs;
  // The first file that our code opens.
  const codeMs = own.find(({ text }) => text.includes('"/proc/self/fd/0"'))?.atMs ?? startMs;
  const endMs = own.findLast(({ text }) => text.startsWith("+++ exited"))?.atMs ?? startMs;
  const exitMs = own.findLast(({ text }) => text.startsWith("exit_group"))?.atMs ?? endMs;

  const phases: Phase[] = [];
  const push = (what: string, from: number, to: number) =>
    phases.push({ what, fromMs: from - startMs, forMs: to - from });
  push("process start", startMs, codeMs);
  let idleSince = codeMs;
  for (const { name, fromMs, toMs } of programsOf(events, first.pid)) {
    const isBeside = fromMs < idleSince;
    if (!isBeside) push("podwire", idleSince, fromMs);
    push(isBeside ? `${name} (meanwhile)` : name, fromMs, toMs);
    idleSince = Math.max(idleSince, toMs);
  }
  push("podwire", idleSince, exitMs);
  push("process exit", exitMs, endMs);
  const syncs = own.flatMap(({ text }) => /^(?:<\.\.\. )?f(?:data)?sync.*<([\d.]+)>$/.exec(text)?.[1] ?? []);
  const syncMs = syncs.reduce((sum, seconds) => sum + Number(seconds) * 1000, 0);
  const syncText = `of podwire's time: ${syncs.length} fsync`;
  return [
    ...phases,
    { what: syncText, fromMs: Number.NaN, forMs: syncMs },
    { what: "all", fromMs: 0, forMs: endMs - startMs },
  ];
}

/** Processes by their start; nsenter becomes what it enters for. */
function programsOf(events: readonly Event[], ownPid: string): Program[] {
  const started = new Map<string, { names: string[]; fromMs: number }>();
  const programs: Program[] = [];
  for (const { pid, atMs, text } of events) {
    const name = /^execve\("[^"]*", \[(.*?)\]/.exec(text)?.[1];
    if (pid !== ownPid && name !== undefined) {
      const program = started.get(pid) ?? { names: [], fromMs: atMs };
      program.names.push(shorten(name));
      started.set(pid, program);
    }
    const program = started.get(pid);
    if (program !== undefined && text.startsWith("+++")) {
      programs.push({ name: program.names[0] ?? "", fromMs: program.fromMs, toMs: atMs });
      started.delete(pid);
    }
  }
  return programs.toSorted((a, b) => a.fromMs - b.fromMs);
}

/** `"/usr/sbin/ip", "-batch", "-"` to `ip -batch -` */
function shorten(argumentList: string): string {
  const words = argumentList.split(", ").map((word) => word.replaceAll('"', ""));
  const short = words.map((word) => (/^\/(usr\/)?s?bin\//.test(word) ? word.replace(/.*\//, "") : word));
  return short.join(" ").slice(0, 60);
}

function parseEvent(line: string): Event[] {
  const match = /^(\d+) +([\d.]+) (.*)$/.exec(line);
  if (match === null) return [];
  const [, pid = "", seconds, text = ""] = match;
  return [{ pid, atMs: Number(seconds) * 1000, text }];
}
