// One verb on one attachment: from the environment and stdin to stdout and an exit status. Keeps no
// state between calls, so that a resident process could serve many.
import { add } from "../attachment/add.ts";
import type { Call } from "../attachment/call.ts";
import { check } from "../attachment/check.ts";
import { del } from "../attachment/del.ts";
import { gc } from "../attachment/gc.ts";
import { status } from "../attachment/status.ts";
import {
  checkNetworkName,
  loadNodeDefaults,
  parseForRemoval,
  parseNetwork,
  withDefaults,
} from "../config/load.ts";
import { defaultTimeoutSeconds, type NetworkConfig, type NodeConfig } from "../config/network.ts";
import { isMarked } from "../linux/orphans.ts";
import { createLog, type Log } from "../log.ts";
import { parseCniArgs } from "./args.ts";
import { type CniEnvironment, parseEnvironment, type Verb } from "./environment.ts";
import { CniError, ErrorCode, toCniError } from "./error.ts";
import { parseDocument } from "./input.ts";
import { encodeResult } from "./result-versions.ts";
import { checkVersion, isSupported, newestVersion, versionAnswer } from "./versions.ts";

export interface Outcome {
  readonly stdout: string;
  readonly exitStatus: number;
}

export interface Invocation {
  readonly variables: NodeJS.ProcessEnv;
  /** Reads stdin to its end. */
  readonly stdin: (deadline: AbortSignal) => Promise<string>;
  /** Aborted when the runtime asks the process to end. */
  readonly interrupted: AbortSignal;
}

/** Never throws: every failure becomes the specification's error object. */
export async function handle(invocation: Invocation): Promise<Outcome> {
  const { variables } = invocation;
  const began = Date.now();
  let version: string = newestVersion;
  let log = createLog({}, variables["PODWIRE_LOG"], variables["CNI_COMMAND"] ?? "");
  try {
    const environment = parseEnvironment(variables);
    refuseRecursion(variables);
    const text = await invocation.stdin(timeLimit(began, defaultTimeoutSeconds, invocation));
    if (environment.verb === "VERSION") return answer(versionAnswer(parseLoosely(text)));
    const document = parseDocument(text, "stdin");
    if (isSupported(document["cniVersion"])) version = document["cniVersion"];
    const call = prepare(document, environment, invocation, began);
    log = call.log;
    return answer(await verbs[environment.verb](call));
  } catch (error) {
    return failure(toCniError(error), version, log);
  }
}

/** Kept back from the call's time for undoing what was begun. */
const undoShare = 0.1;

/** What each verb answers; undefined for nothing. */
const verbs: Record<Exclude<Verb, "VERSION">, (call: Call) => Promise<object | undefined>> = {
  ADD: async (call) => encodeResult(await add(call), call.version),
  DEL: async (call) => void (await del(call)),
  CHECK: async (call) => void (await check(call)),
  GC: async (call) => void (await gc(call)),
  STATUS: async (call) => void (await status(call)),
};

function prepare(
  document: Record<string, unknown>,
  environment: CniEnvironment,
  invocation: Invocation,
  began: number,
): Call {
  checkNetworkName(document["name"]);
  const version = checkVersion(document["cniVersion"], environment.verb);
  const config = configurationFor(environment.verb, document);
  const { name, timeout = defaultTimeoutSeconds } = config;
  const subject = [environment.verb, name, environment.containerID, environment.ifname]
    .filter(Boolean)
    .join(" ");
  return {
    config,
    rawConfig: document,
    version,
    environment,
    args: parseCniArgs(environment.args),
    deadline: timeLimit(began, timeout * (1 - undoShare), invocation),
    undoDeadline: AbortSignal.timeout(remaining(began, timeout)),
    log: createLog(config.log ?? {}, environment.variables["PODWIRE_LOG"], subject),
  };
}

/** DEL goes by the attachment's record: what was broken since must not keep pods from going. */
function configurationFor(verb: Verb, document: Record<string, unknown>): NetworkConfig {
  if (verb === "DEL") return withDefaults(parseForRemoval(document), tolerantDefaults());
  return withDefaults(parseNetwork(document), loadNodeDefaults());
}

function tolerantDefaults(): NodeConfig {
  try {
    return loadNodeDefaults();
  } catch {
    return {};
  }
}

/** The clock starts with the call, not when its configuration has been read. */
function timeLimit(began: number, seconds: number, { interrupted }: Invocation): AbortSignal {
  return AbortSignal.any([AbortSignal.timeout(remaining(began, seconds)), interrupted]);
}

function remaining(began: number, seconds: number): number {
  return Math.max(0, Math.round(began + seconds * 1000 - Date.now()));
}

/** As an IPAM of its own podwire would call itself without end. */
function refuseRecursion(variables: NodeJS.ProcessEnv): void {
  if (!isMarked(variables)) return;
  throw new CniError(
    ErrorCode.invalidConfig,
    "invalid network configuration",
    "podwire was called by podwire: ipam.type names podwire itself; expected an IPAM plugin such as host-local",
  );
}

/** VERSION may come without a configuration. */
function parseLoosely(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function answer(value: object | undefined): Outcome {
  return { stdout: value === undefined ? "" : `${JSON.stringify(value, undefined, 2)}\n`, exitStatus: 0 };
}

function failure(error: CniError, cniVersion: string, log: Log): Outcome {
  log.error(`${error.code} ${error.message}: ${error.details}`);
  log.debug(`${error.stack}; caused by ${error.cause instanceof Error ? error.cause.stack : error.cause}`);
  const { code, message: msg, details } = error;
  return { stdout: `${JSON.stringify({ cniVersion, code, msg, details }, undefined, 2)}\n`, exitStatus: 1 };
}
