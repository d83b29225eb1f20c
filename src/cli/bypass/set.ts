// `podwire bypass set`, `off` and `check`. What was set before is replaced as a whole; but what is excluded by hand is remembered,
// and holds for whatever sets the module afterwards.
import fs from "node:fs";
import { bypassObstacles } from "../../bypass/check.ts";
import { type BypassConfiguration, readBypass, writeBypass } from "../../bypass/control.ts";
import { loadNodeDefaults } from "../../config/load.ts";
import { bypassModule, isLoaded } from "../../kernel-module/module.ts";
import { withLock } from "../../linux/lock.ts";
import { applyBypass, describeBypass, nothingBypassed } from "../../node/bypass.ts";
import { noOverlay } from "../../node/bypass-plan.ts";
import {
  allExclusions,
  type BypassRecord,
  presentModule,
  readBypassRecord,
  writeBypassRecord,
  writeExclusions,
} from "../../node/bypass-record.ts";
import { canonicalTexts } from "../../node/bypass-wish.ts";
import { lockFile, makeStampDirectory } from "../../node/stamp.ts";
import type { Run, Words } from "../command.ts";
import { commandHost } from "../command-host.ts";
import { commandKernel } from "../command-kernel.ts";
import { configuredNetworks } from "../removal.ts";
import { printable } from "../table.ts";
import { printJson, type Terminal } from "../terminal.ts";
import { configurationFrom, invalid, prefixesFrom, prefixList, type Traffic, trafficFrom } from "./words.ts";

export const set: Run = async (words, terminal) => {
  const excluded = prefixList(words, "exclude");
  if (words.text("mode") === undefined) {
    if (excluded === undefined) throw invalid("mode", undefined, "a mode, or --exclude alone");
    return locked(() => exclude(excluded, words, terminal));
  }
  const declared = declaredExclusions(words);
  const configuration = { ...configurationFrom(words), excluded: allExclusions(declared, excluded) };
  const obstacles = await obstaclesOf(configuration);
  if (!isAllowed(configuration, obstacles, words, terminal)) return 1;
  return locked(async () => {
    await writeByHand(configuration, obstacles.length > 0 ? "forced" : "set", obstacles, terminal);
    if (excluded !== undefined) writeExclusions(excluded);
    return 0;
  });
};

/** What it would pass by. */
async function obstaclesOf(configuration: BypassConfiguration): Promise<string[]> {
  const isLessened = ["untrack", "bypass"].includes(configuration.mode);
  return isLessened ? obstaclesTo(configuration) : [];
}

function isAllowed(
  { mode }: BypassConfiguration,
  obstacles: readonly string[],
  words: Words,
  terminal: Terminal,
): boolean {
  if (obstacles.length === 0) return true;
  for (const obstacle of obstacles) terminal.complain(printable(`podwire: ${obstacle}`));
  if (words.flag("force")) {
    logForced(mode, obstacles, terminal);
    return true;
  }
  terminal.complain("podwire: what is bypassed would not meet these any more; --force sets it all the same");
  return false;
}

export const off: Run = (_, terminal) =>
  locked(async () => {
    await writeByHand(nothingBypassed, "off", [], terminal);
    return 0;
  });

export const check: Run = async (words, terminal) => {
  const obstacles = await obstaclesTo({
    ...trafficFrom(words),
    excluded: allExclusions(declaredExclusions(words)),
  });
  if (words.flag("json")) printJson(obstacles, terminal);
  else if (obstacles.length === 0) terminal.print("nothing speaks against it\n");
  else for (const obstacle of obstacles) terminal.print(`${printable(obstacle)}\n`);
  return obstacles.length === 0 ? 0 : 1;
};

/** By hand all is set as it is said, or nothing. */
async function obstaclesTo(wanted: Traffic & Pick<BypassConfiguration, "excluded">): Promise<string[]> {
  const names = ["pods", "excluded", "node", "peers"] as const;
  const [pods = [], excluded = [], node = [], peers = []] = names.map((name) =>
    prefixesFrom(name, wanted[name].join(",")),
  );
  const traffic = { pods, excluded, node, peers, tunnels: wanted.tunnels };
  const found = await bypassObstacles(commandHost(), traffic);
  return [...found.pods, ...found.tunnels];
}

/** Also of networks that wish no bypass, or have had no pod yet. */
function declaredExclusions(words: Words): string[] {
  const configs = [loadNodeDefaults(), ...configuredNetworks(words).map(({ config }) => config)];
  return canonicalTexts(configs.flatMap(({ bypass }) => bypass?.exclude ?? []));
}

/** Nothing else that is set is changed. */
async function exclude(prefixes: readonly string[], words: Words, terminal: Terminal): Promise<number> {
  const record = readBypassRecord();
  const isByHand = record === undefined || record.networks.length === 0 || record.byHand !== undefined;
  if (isByHand && isLoaded(bypassModule)) return excludeByHand(prefixes, record, words, terminal);
  writeExclusions(prefixes);
  if (record !== undefined && record.networks.length > 0 && record.byHand === undefined) {
    const outcome = await applyBypass(record.networks, record.overlay, commandKernel());
    if (outcome !== undefined) terminal.print(`${printable(describeBypass(outcome))}\n`);
    if (outcome?.fault !== undefined) return 1;
  } else {
    terminal.print("remembered; the module is not loaded\n");
  }
  return 0;
}

/** What is not excluded any more may have rules of its own. */
async function excludeByHand(
  prefixes: readonly string[],
  record: BypassRecord | undefined,
  words: Words,
  terminal: Terminal,
): Promise<number> {
  const state = await readBypass(commandHost());
  const configuration = { ...state, excluded: allExclusions(declaredExclusions(words), prefixes) };
  const [before, obstacles] = [await obstaclesOf(state), await obstaclesOf(configuration)];
  const fresh = obstacles.filter((obstacle) => !before.includes(obstacle));
  if (!isAllowed(configuration, fresh, words, terminal)) return 1;
  await writeBypass(commandHost(), configuration, state.generation);
  writeExclusions(prefixes);
  const byHand = obstacles.length > 0 ? "forced" : (record?.byHand ?? "set");
  await remember({ ...(record ?? nobodysRecord()), byHand, obstacles, lease: state.lease });
  return 0;
}

async function writeByHand(
  configuration: BypassConfiguration,
  byHand: NonNullable<BypassRecord["byHand"]>,
  obstacles: readonly string[],
  terminal: Terminal,
): Promise<void> {
  await writeBypass(commandHost(), configuration);
  const { fault: _, ...record } = readBypassRecord() ?? nobodysRecord();
  await remember({ ...record, byHand, obstacles, tunnelObstacles: [], lease: configuration.lease });
  if (record.networks.length === 0) return;
  const names = record.networks.map(({ wish: { network, mode } }) => `${network} (${mode})`).join(", ");
  terminal.complain(
    `podwire: this holds until the configuration changes or podwire apply runs: network ${names} wishes the bypass`,
  );
}

async function remember(record: BypassRecord): Promise<void> {
  const { generation } = await readBypass(commandHost());
  writeBypassRecord({ ...record, module: presentModule(), generation });
}

function nobodysRecord(): BypassRecord {
  return { module: presentModule(), networks: [], overlay: noOverlay, lease: 0, obstacles: [] };
}

/** Into the kernel's log, where people look when packets pass that should not. */
function logForced(mode: string, obstacles: readonly string[], terminal: Terminal): void {
  const line = `podwire: bypass set --force, mode ${mode}, in spite of: ${obstacles.join("; ")}`;
  try {
    // The kernel takes less than 1000 bytes at once.
    fs.writeFileSync("/dev/kmsg", `<4>${printable(line).slice(0, 900)}\n`);
  } catch (error) {
    terminal.complain(`podwire: this is not in the kernel's log: ${(error as Error).message}`);
  }
}

function locked(work: () => Promise<number>): Promise<number> {
  makeStampDirectory();
  return withLock(lockFile, commandKernel(), work);
}
