// Keeps a node's overlay as it is declared: looks at the configuration's files, listens to the kernel, and reconciles when one
// of them moved. A configuration that cannot be used changes nothing: the last good one is kept, and kept up. Pods get back what
// a restart of Open vSwitch took from them.
import path from "node:path";
import v8 from "node:v8";
import vm from "node:vm";
import { formatIp } from "../address/ip.ts";
import { repairAfterRestart, restartedSwitches } from "../attachment/ovs/stamp.ts";
import { CniError, ErrorCode, toCniError } from "../cni/error.ts";
import { firstFew } from "../few.ts";
import { replenish } from "../linux/enter.ts";
import { ipBatch, ipQuestions } from "../linux/ip.ts";
import type { Kernel, Standby } from "../linux/kernel.ts";
import { nftScript } from "../linux/nft.ts";
import { switchIdentity } from "../linux/ovs/identity.ts";
import { readHostSysctl } from "../linux/sysctl.ts";
import type { Plan } from "../plan/plan.ts";
import { newBell, sleep } from "./bell.ts";
import { type BypassOutcome, describeBypass } from "./bypass.ts";
import { presentModule } from "./bypass-record.ts";
import { reviewBypass } from "./bypass-review.ts";
import { type Contest, newContest } from "./contest.ts";
import { followDirectories } from "./directories.ts";
import { listen } from "./events.ts";
import { keepLease } from "./lease.ts";
import {
  type Applied,
  applyAgain,
  applyNode,
  isForgotten,
  isLostSightOf,
  isSameDeclaration,
  type Prepared,
} from "./overlay.ts";
import { fileState } from "./stamp.ts";

export interface Keeping {
  /** Throws what is wrong with the configuration. `before` is what was read last; `refersTo` hears of a file of peers. */
  readonly read: (before: Prepared | undefined, refersTo: (peersFile: string) => void) => Prepared;
  /** Files and directories that `read` depends on. Does not throw. */
  readonly files: () => readonly string[];
  readonly searchPath: string | undefined;
  /** What people should know. */
  readonly say: (message: string) => void;
  readonly stop: AbortSignal;
}

/** Files and settings are looked at this often; nobody tells of a setting of IPv6, or of a file that is moved into place. */
const lookMs = 500;
/** Events come in swarms, and a swarm is answered once; a file that is not replaced is written soon. */
const settleMs = { events: 20, files: 5 };
const retryMs = 1000;
/** What is in the way may be so for days. */
const obstructedMs = 5000;
/** Of one round. */
const timeoutMs = 60_000;
/** In case something was missed all the same. */
const safetyMs = 30_000;

interface State {
  good: Prepared | undefined;
  /** Also of a configuration that cannot be used, perhaps for want of it. */
  peersFile: string | undefined;
  files: string;
  /** Of the last round; said once. */
  fault: string | undefined;
  /** Of the last repair of pods; said once too. */
  podFault: string | undefined;
  applied: Applied | undefined;
  /** Warnings that have been said and hold. */
  warned: ReadonlySet<string>;
  /** What was said of the bypass last. */
  bypass: string | undefined;
  /** presentModule of the last round. */
  module: string;
  /** Whether nothing was said of the kernel since `applied`. */
  isKnown: boolean;
  /** By bridges: the ovs-vswitchd whose pods have been repaired, as far as they can be. */
  readonly repaired: Map<string, string>;
  readonly contest: Contest;
  /** What a change of peers runs: to start it from a process that remembers thousands of them takes 10 ms a program. */
  readonly standby: Standby;
}

/** Returns when `stop` is aborted; the overlay stays. */
export async function keep(keeping: Keeping): Promise<void> {
  const state: State = {
    good: undefined,
    peersFile: undefined,
    files: "",
    fault: undefined,
    podFault: undefined,
    applied: undefined,
    warned: new Set(),
    bypass: undefined,
    module: "",
    isKnown: false,
    repaired: new Map(),
    contest: newContest(),
    standby: new Map(),
  };
  const bell = newBell(keeping.stop);
  const harm = () => {
    state.isKnown = false;
    bell.ring();
  };
  const events = listen({ searchPath: keeping.searchPath }, harm);
  const look = () => {
    try {
      if (hasBeenTouched(state)) harm();
      else if (filesOf(state, keeping) !== state.files) bell.ring();
    } catch {
      // What cannot be read a round says.
      harm();
    }
  };
  const looking = setInterval(look, lookMs);
  const safety = setInterval(() => {
    state.repaired.clear();
    harm();
  }, safetyMs);
  const directories = followDirectories(look);
  const standing = new AbortController();
  const lease = keepLease(keeping.searchPath, keeping.say);
  try {
    while (!keeping.stop.aborted) {
      await sleep(state.isKnown ? settleMs.files : settleMs.events);
      bell.reset();
      const patienceMs = await round(state, keeping);
      await repairPods(state, keeping);
      collectGarbage();
      events.underlay = state.applied?.desired?.underlay.link;
      events.local = localIn(state.applied);
      events.prefixes = peerPrefixesIn(state.applied?.desired?.plan);
      events.followBridge(state.applied?.desired?.bridge);
      directories.follow(filesToFollow(state, keeping).map((file) => path.dirname(file)));
      startAheadOf(state, { searchPath: keeping.searchPath, deadline: standing.signal });
      await sleep(state.contest.pauseMs(performance.now()));
      await bell.rung(patienceMs);
    }
  } finally {
    clearInterval(looking);
    clearInterval(safety);
    lease.stop();
    directories.follow([]);
    events.stop();
    standing.abort();
  }
}

/** Programs that the next round will need. Without input they do nothing, and they end with this process. */
function startAheadOf({ standby, good }: State, kernel: Kernel): void {
  if (good?.declared === undefined) return;
  try {
    replenish(standby, [ipQuestions("host"), ipBatch("host"), nftScript], kernel);
  } catch {
    // A round says which program is missing.
  }
}

/** Returns after which time to try again: undefined if the kernel is now as declared. */
async function round(state: State, keeping: Keeping): Promise<number | undefined> {
  const { say, searchPath } = keeping;
  const { standby } = state;
  const kernel: Kernel = { searchPath, deadline: AbortSignal.timeout(timeoutMs), standby };
  let newFault: string | undefined;
  let patienceMs: number | undefined;
  const isFirst = state.good === undefined;
  const began = performance.now();
  state.files = filesOf(state, keeping);
  state.module = presentModule();
  let found: Prepared | undefined;
  try {
    const read = () => {
      found = keeping.read(state.good, (peersFile) => {
        state.peersFile = peersFile;
      });
      const isLost = state.good === undefined ? isForgotten(found) : isLostSightOf(state.good, found);
      if (isLost) throw nothingDeclared();
      return found;
    };
    const present = state.isKnown ? state.applied : undefined;
    state.isKnown = true;
    const { prepared, ...applied } = await applyNode(read, kernel, present);
    tell(applied, state, say, began);
    state.good = prepared;
    if (applied.obstacles.length > 0) {
      state.isKnown = false;
      newFault = `something is in the way of the overlay: ${firstFew(applied.obstacles).join("; ")}`;
      patienceMs = obstructedMs;
    }
  } catch (error) {
    state.isKnown = false;
    patienceMs = retryMs;
    const fault = toCniError(error);
    newFault = describe(fault);
    const isKept = isBadConfiguration(fault) || isRefusedChange(fault, found, state.good);
    if (isKept) newFault += await keepGood(state, kernel, say);
    newFault += await keepBypass(state, keeping);
    // What is refused for long must not cost two reads of the whole kernel a second.
    if (isKept && newFault === state.fault) patienceMs = obstructedMs;
  }
  if (newFault !== undefined && newFault !== state.fault) say(newFault);
  if (newFault === undefined && (isFirst || state.fault !== undefined)) {
    say(`overlay ${state.good?.declared?.config.type ?? "none"}: all is as declared`);
  }
  state.fault = newFault;
  return patienceMs;
}

async function repairPods(state: State, { say, searchPath }: Keeping): Promise<void> {
  try {
    for (const bridge of unrepaired(state)) {
      state.repaired.set(bridge.bridge, bridge.identity);
      const kernel: Kernel = { searchPath, deadline: AbortSignal.timeout(timeoutMs) };
      if (!(await repairAfterRestart(bridge, kernel, { warn: say }))) state.repaired.delete(bridge.bridge);
      state.podFault = undefined;
    }
  } catch (error) {
    const fault = `pods cannot be repaired: ${describe(toCniError(error))}`;
    if (fault !== state.podFault) say(fault);
    state.podFault = fault;
  }
}

function unrepaired({ repaired }: State): ReturnType<typeof restartedSwitches> {
  return restartedSwitches().filter(({ bridge, identity }) => repaired.get(bridge) !== identity);
}

function nothingDeclared(): CniError {
  const details =
    "neither networks of podwire nor node.json declare one; overlay.type none would take it away";
  return new CniError(ErrorCode.invalidConfig, "no overlay is declared any more", details);
}

function isBadConfiguration({ code }: CniError): boolean {
  const codes: readonly number[] = [
    ErrorCode.invalidConfig,
    ErrorCode.unsupportedField,
    ErrorCode.decode,
    ErrorCode.io,
    ErrorCode.incompatibleVersion,
  ];
  return codes.includes(code);
}

/** What the kernel does not take is no reason to let go of what it had until then. */
function isRefusedChange(
  { code }: CniError,
  found: Prepared | undefined,
  good: Prepared | undefined,
): boolean {
  const codes: readonly number[] = [ErrorCode.overlayUnusable, ErrorCode.kernelRefused, ErrorCode.ovsRefused];
  return codes.includes(code) && good !== undefined && found !== undefined && !isSameDeclaration(found, good);
}

/** What was good is repaired meanwhile. Returns how to end the sentence. */
async function keepGood(state: State, kernel: Kernel, say: Keeping["say"]): Promise<string> {
  if (state.good === undefined) return "; nothing is applied until that is corrected";
  try {
    const began = performance.now();
    const { good } = state;
    const applied = await applyNode(() => good, kernel);
    tell(applied, state, say, began);
    const but = applied.obstacles.length === 0 ? "" : `, but: ${firstFew(applied.obstacles).join("; ")}`;
    return `; the last good configuration is kept${but}`;
  } catch (error) {
    const fault = await keepLast(state, kernel, say);
    return `; the last good configuration is kept${fault}, but: ${describe(toCniError(error))}`;
  }
}

/** Better than nothing, as where the underlay's MTU is less for a while than the configured one needs. */
async function keepLast(state: State, kernel: Kernel, say: Keeping["say"]): Promise<string> {
  if (state.applied?.desired === undefined) return "";
  try {
    const began = performance.now();
    const again = await applyAgain(state.applied, kernel);
    if (again === undefined) return "";
    tell(again, state, say, began);
    return " as it was applied";
  } catch {
    return "";
  }
}

/** What is bypassed is judged by the rules also while the overlay fails. Returns how to end the sentence. */
async function keepBypass(state: State, { say, searchPath }: Keeping): Promise<string> {
  try {
    const kernel: Kernel = { searchPath, deadline: AbortSignal.timeout(timeoutMs) };
    tellBypass(await reviewBypass(kernel), state, say);
    return "";
  } catch (error) {
    return `; whether the rules allow the bypass cannot be told: ${describe(toCniError(error))}`;
  }
}

function tell(applied: Applied, state: State, say: Keeping["say"], began: number): void {
  state.applied = applied;
  const now = performance.now();
  const changes = [...new Set(applied.done.map(({ verb, what }) => `${verb} ${what}`))];
  const done = changes.length === 0 ? undefined : state.contest.repaired(firstFew(changes).join("; "), now);
  if (done !== undefined) say(`${done} (${Math.round(now - began)} ms)`);
  if (applied.bypass === undefined) state.bypass = undefined;
  tellBypass(applied.bypass, state, say);
  const warnings = applied.warnings.filter((warning) => !state.warned.has(warning));
  for (const warning of firstFew(warnings)) say(`warning: ${warning}`);
  state.warned = new Set(applied.warnings);
}

function tellBypass(outcome: BypassOutcome | undefined, state: State, say: Keeping["say"]): void {
  if (outcome === undefined) return;
  const bypass = describeBypass(outcome);
  if (bypass !== state.bypass || outcome.isChanged) say(bypass);
  state.bypass = bypass;
}

function describe({ message, details }: CniError): string {
  return `${message}: ${details}`;
}

/** V8 would let the garbage of several rounds pile up: thousands of peers leave 50 MB of it each time. */
function collectGarbage(): void {
  v8.setFlagsFromString("--expose-gc");
  vm.runInNewContext("gc")();
}

/** What not all changes are told of: a module that was loaded or unloaded, another ovs-vswitchd, a setting. */
function hasBeenTouched(state: State): boolean {
  const { applied, good, module } = state;
  if (unrepaired(state).length > 0) return true;
  if ((good?.bypass.length ?? 0) > 0 && presentModule() !== module) return true;
  const { plan = [], bridge } = applied?.desired ?? {};
  if (bridge?.identity !== undefined && switchIdentity(bridge) !== bridge.identity) return true;
  return plan.some((object) => object.kind === "sysctl" && readHostSysctl(object.key) !== object.value);
}

function localIn(applied: Applied | undefined): string | undefined {
  const local = applied?.desired?.underlay.local;
  return local === undefined ? undefined : formatIp(local);
}

function peerPrefixesIn(plan: Plan = []): readonly string[] {
  return plan.find((object) => object.kind === "peer-sets")?.prefixes ?? [];
}

function filesOf(state: State, keeping: Keeping): string {
  return filesToFollow(state, keeping).map(fileState).join("\n");
}

function filesToFollow({ good, peersFile }: State, { files }: Keeping): string[] {
  const referred = [good?.declared?.config.peersFile, peersFile].filter((file) => file !== undefined);
  return [...files(), ...new Set(referred)];
}
