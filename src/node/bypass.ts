// Sets the bypass module as the node's networks wish. Callers hold the overlay's lock: what it is set to follows from the overlay.
// Pods come and go within the prefixes that are set, so ADD and DEL of a pod change nothing of it.
import { type Prefix, parsePrefix } from "../address/ip.ts";
import { isInUse } from "../attachment/record.ts";
import { bypassObstacles } from "../bypass/check.ts";
import { type BypassConfiguration, readBypass, writeBypass } from "../bypass/control.ts";
import { type CniError, ErrorCode, toCniError } from "../cni/error.ts";
import { type Host, hostOf } from "../kernel-module/host.ts";
import { loadModule } from "../kernel-module/load.ts";
import { bypassModule, isLoaded } from "../kernel-module/module.ts";
import type { Kernel } from "../linux/kernel.ts";
import { replaceBypass } from "../plan/bypass.ts";
import { bypassPlan, judgedBypass, noOverlay, type OverlayPart, plannedObstacles } from "./bypass-plan.ts";
import {
  type BypassRecord,
  machineSeconds,
  presentModule,
  readBypassRecord,
  readExclusions,
  removeBypassRecord,
  type WishingNetwork,
  writeBypassRecord,
} from "./bypass-record.ts";

export const nothingBypassed: BypassConfiguration = {
  mode: "off",
  lease: 0,
  pods: [],
  excluded: [],
  node: [],
  peers: [],
  tunnels: [],
};

export interface BypassOutcome {
  /** undefined if the module is not loaded. */
  readonly set?: BypassConfiguration;
  readonly isChanged: boolean;
  /** Why nothing is bypassed. */
  readonly obstacles: readonly string[];
  /** Why pods are, and tunnels are not. */
  readonly tunnelObstacles: readonly string[];
  /** Why the module is not as wished, whatever the rules are. */
  readonly fault?: string;
}

/** What the module should be set to, and why to less than is wished. Changes nothing. */
export async function judgeBypass(
  networks: readonly WishingNetwork[],
  overlay: OverlayPart,
  host: Host,
): Promise<{ wanted: BypassConfiguration; obstacles: string[]; tunnelObstacles: readonly string[] }> {
  const wishes = networks.map(({ wish }) => wish);
  const wished = bypassPlan(wishes, overlay, readExclusions());
  const planned = plannedObstacles(wishes, wished, overlay);
  const judged = wishes.map(({ network }) => network);
  const traffic = {
    pods: parsed(wished.pods),
    excluded: parsed(wished.excluded),
    node: parsed(wished.node),
    peers: parsed(wished.peers),
    tunnels: wished.tunnels,
  };
  const found = await bypassObstacles(host, traffic, judged);
  return judgedBypass(wished, [...planned, ...found.pods], found.tunnels);
}

/**
 * undefined where no network wishes anything, and none did. A module that refuses is an outcome. That is recorded for STATUS, and so
 * that not every ADD tries it again; as is that the call's time was over before the rules were listed, which is thrown besides.
 */
export async function applyBypass(
  networks: readonly WishingNetwork[],
  overlay: OverlayPart,
  kernel: Kernel,
): Promise<BypassOutcome | undefined> {
  const host = hostOf(kernel);
  if (networks.length === 0) return releaseBypass(host);
  let fault = await loadIfWished(networks, host);
  let late: CniError | undefined;
  if (isLoaded(bypassModule)) {
    try {
      return await setAsJudged(networks, overlay, kernel);
    } catch (error) {
      const failure = toCniError(error);
      fault = describeError(failure);
      if (failure.code === ErrorCode.tryAgainLater) late = failure;
    }
  }
  const why = fault === undefined ? {} : { fault };
  writeBypassRecord({ ...recordOf(networks, overlay), obstacles: [], ...ownSetting(), ...why });
  if (late !== undefined) throw late;
  return { isChanged: false, obstacles: [], tunnelObstacles: [], ...why };
}

async function setAsJudged(
  networks: readonly WishingNetwork[],
  overlay: OverlayPart,
  kernel: Kernel,
): Promise<BypassOutcome> {
  const host = hostOf(kernel);
  const { wanted, obstacles, tunnelObstacles } = await judgeBypass(networks, overlay, host);
  const isChanged = await replaceBypass(wanted, kernel);
  const { generation } = await readBypass(host);
  writeBypassRecord({
    ...recordOf(networks, overlay),
    obstacles,
    tunnelObstacles,
    generation,
    lease: wanted.lease,
  });
  return { set: wanted, isChanged, obstacles, tunnelObstacles };
}

/** In few words, for logs and people. */
export function describeBypass({ set, obstacles, tunnelObstacles, fault }: BypassOutcome): string {
  if (fault !== undefined) return `bypass: wished, but ${fault}`;
  if (set === undefined) return "bypass: the module is not loaded, so nothing is bypassed";
  if (set.mode === "off" && obstacles.length === 0) return "bypass: off, no network wishes it any more";
  if (obstacles.length > 0) return `bypass: off, because ${obstacles.join("; ")}`;
  const tunnels = set.tunnels.length === 0 ? "" : `, and tunnels to ${set.peers.length} peers`;
  const but = tunnelObstacles.length === 0 ? "" : `; no tunnels, because ${tunnelObstacles.join("; ")}`;
  return `bypass: traffic between ${set.pods.length} prefixes of pods${tunnels}${but}`;
}

function recordOf(
  networks: readonly WishingNetwork[],
  overlay: OverlayPart,
): Omit<BypassRecord, "obstacles"> {
  return { module: presentModule(), networks, overlay, lease: 0, judgedAt: machineSeconds() };
}

/**
 * Where nothing is declared, as with a runtime that keeps its networks elsewhere: what pods' networks wished when they were
 * added stands, and the rules are looked at again.
 */
export async function applyRecordedBypass(kernel: Kernel): Promise<BypassOutcome | undefined> {
  const { networks = [], overlay = noOverlay } = readBypassRecord() ?? {};
  return applyBypass(
    networks.filter(({ wish }) => isInUse(wish.network)),
    overlay,
    kernel,
  );
}

/** What a module that refuses still has, if it is podwire's to take back. */
function ownSetting(): Pick<BypassRecord, "generation"> {
  const { module, generation } = readBypassRecord() ?? {};
  return module === presentModule() && generation !== undefined ? { generation } : {};
}

/** Returns why it could not be loaded. */
async function loadIfWished(networks: readonly WishingNetwork[], host: Host): Promise<string | undefined> {
  if (isLoaded(bypassModule) || !networks.some(({ wish }) => wish.mode === "on")) return undefined;
  try {
    await loadModule(bypassModule, host);
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}

function describeError(error: unknown): string {
  const { message, details } = toCniError(error);
  return `${message}: ${details}`;
}

/** Off again, unless somebody else has set it since. */
async function releaseBypass(host: Host): Promise<BypassOutcome | undefined> {
  const record = readBypassRecord();
  if (record === undefined) return undefined;
  if (record.byHand !== undefined && record.module === presentModule()) {
    writeBypassRecord({ ...record, networks: [] });
    return undefined;
  }
  let isReleased = false;
  if (record.generation !== undefined && isLoaded(bypassModule)) {
    const { generation, mode } = await readBypass(host);
    if (generation === record.generation && record.module === presentModule()) {
      await writeBypass(host, nothingBypassed, generation);
      isReleased = mode !== "off";
    }
  }
  removeBypassRecord();
  if (!isReleased) return undefined;
  return { set: nothingBypassed, isChanged: true, obstacles: [], tunnelObstacles: [] };
}

function parsed(texts: readonly string[]): Prefix[] {
  return texts.flatMap((text) => parsePrefix(text) ?? []);
}
