// The specification's versions that podwire speaks, and which verbs each has.

import type { Verb } from "./environment.ts";
import { CniError, ErrorCode } from "./error.ts";

export const supportedVersions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;

export type CniVersion = (typeof supportedVersions)[number];

export const newestVersion: CniVersion = "1.1.0";

export function isSupported(version: unknown): version is CniVersion {
  return supportedVersions.some((supported) => supported === version);
}

/** Versions are listed in order. */
export function isAtLeast(version: CniVersion, least: CniVersion): boolean {
  return supportedVersions.indexOf(version) >= supportedVersions.indexOf(least);
}

/** A configuration without cniVersion is one of 0.1.0, as in libcni. Throws code 1. */
export function checkVersion(version: unknown, verb: Verb): CniVersion {
  const asked = version === undefined || version === "" ? "0.1.0" : version;
  if (!isSupported(asked)) {
    throw incompatible(
      `config has cniVersion ${JSON.stringify(asked)}; podwire supports ${supportedVersions.join(", ")}`,
    );
  }
  const least = firstVersionWith(verb);
  if (isAtLeast(asked, least)) return asked;
  throw incompatible(
    `${verb} exists from cniVersion ${least} on, but the config has ${JSON.stringify(asked)}`,
  );
}

/** The answer to VERSION. `input` is what came on stdin, which may be nothing. */
export function versionAnswer(input: unknown): object {
  const asked =
    typeof input === "object" && input !== null
      ? (input as Record<string, unknown>)["cniVersion"]
      : undefined;
  return { cniVersion: isSupported(asked) ? asked : newestVersion, supportedVersions };
}

function firstVersionWith(verb: Verb): CniVersion {
  if (verb === "CHECK") return "0.4.0";
  return verb === "GC" || verb === "STATUS" ? "1.1.0" : "0.1.0";
}

function incompatible(details: string): CniError {
  return new CniError(ErrorCode.incompatibleVersion, "incompatible CNI versions", details);
}
