// `podwire bypass set`, `off` and `check`. What was set before is replaced as a whole; but what is excluded by hand is remembered,
// and holds for whatever sets the module afterwards.
import fs from "node:fs";
import { bypassObstacles } from "../../bypass/check.ts";
import { type BypassConfiguration, readBypass, writeBypass } from "../../bypass/control.ts";
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
import { lockFile, makeStampDirectory } from "../../node/stamp.ts";
import type { Run } from "../command.ts";
import { commandHost } from "../command-host.ts";
import { commandKernel } from "../command-kernel.ts";
import { printable } from "../table.ts";
import { printJson, type Terminal } from "../terminal.ts";
import { configurationFrom, invalid, prefixesFrom, prefixList, type Traffic, trafficFrom } from "./words.ts";

export const set: Run = async (words, terminal) => {
  const excluded = prefixList(words, "exclude");
  if (words.text("mode") === undefined) {
    if (excluded === undefined) throw invalid("mode", undefined, "a mode, or --exclude alone");
    return locked(() => exclude(excluded, terminal));
  }
  const configuration = { ...configurationFrom(words), excluded: allExclusions(excluded) };
  const { mode } = configuration;
  const isLessened = mode === "untrack" || mode === "bypass";
  const obstacles = isLessened ? await obstaclesTo(configuration) : [];
  for (const obstacle of obstacles) terminal.complain(printable(`podwire: ${obstacle}`));
  if (obstacles.length > 0) {
    if (!words.flag("force")) {
      terminal.complain(
        "podwire: what is bypassed would not meet these any more; --force sets it all the same",
      );
      return 1;
    }
    logForced(mode, obstacles, terminal);
  }
  return locked(async () => {
    await writeByHand(configuration, obstacles.length > 0 ? "forced" : "set", obstacles, terminal);
    if (excluded !== undefined) writeExclusions(excluded);
    return 0;
  });
};

export const off: Run = (_, terminal) =>
  locked(async () => {
    await writeByHand(nothingBypassed, "off", [], terminal);
    return 0;
  });

export const check: Run = async (words, terminal) => {
  const obstacles = await obstaclesTo({ ...trafficFrom(words), excluded: allExclusions() });
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

/** Nothing else that is set is changed. */
async function exclude(prefixes: readonly string[], terminal: Terminal): Promise<number> {
  writeExclusions(prefixes);
  const record = readBypassRecord();
  if (record !== undefined && record.networks.length > 0 && record.byHand === undefined) {
    const outcome = await applyBypass(record.networks, record.overlay, commandKernel());
    if (outcome !== undefined) terminal.print(`${printable(describeBypass(outcome))}\n`);
    if (outcome?.fault !== undefined) return 1;
  } else if (isLoaded(bypassModule)) {
    const state = await readBypass(commandHost());
    await writeBypass(commandHost(), { ...state, excluded: allExclusions(prefixes) }, state.generation);
    await remember({ ...(record ?? nobodysRecord()), byHand: record?.byHand ?? "set", lease: state.lease });
  } else {
    terminal.print("remembered; the module is not loaded\n");
  }
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
