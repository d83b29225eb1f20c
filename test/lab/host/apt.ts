// Packages of any Debian suite, from the mirror that the machine itself uses, through an apt configuration of
// our own: the machine's sources, indexes and installed packages are neither used nor changed. Indexes are
// verified with Debian's archive keys, packages with the indexes' checksums.
import fs from "node:fs";
import path from "node:path";
import { LabError } from "../failure.ts";
import { archiveKeyring } from "./requirements.ts";
import { run } from "./run.ts";

export interface Suite {
  /** Line for a sources.list. */
  readonly source: string;
  /** For apt's own `APT_CONFIG`, and as `--aptopt` of mmdebstrap. */
  readonly configuration: string;
}

/** The address of the machine's Debian mirror. */
export async function mirror(): Promise<string> {
  const chosen = process.env["PODWIRE_LAB_MIRROR"];
  if (chosen !== undefined) return chosen;
  const format = "$(REPO_URI) $(ORIGIN) $(CODENAME) $(COMPONENT)";
  const targets = await run(["apt-get", "indextargets", "--format", format, "Created-By: Packages"]);
  const lines = targets.split("\n").map((line) => line.split(" "));
  // Other repositories of Debian (security, updates) have a suffix in their codename.
  const found = lines.find(
    ([, origin, suite = "", component]) =>
      origin === "Debian" && !suite.includes("-") && component === "main",
  );
  const address = found?.[0];
  if (address !== undefined) return address;
  throw new LabError(
    "this machine's apt sources name no Debian mirror (or `apt-get update` was never run); " +
      "name one near you by PODWIRE_LAB_MIRROR (http://HOST/debian)",
  );
}

/** How to reach `suite` (a codename, for example "trixie"). `directory` will hold indexes and downloads. */
export async function openSuite(suite: string, directory: string): Promise<Suite> {
  const source = `deb [signed-by=${archiveKeyring}] ${await mirror()} ${suite} main`;
  for (const needed of ["etc", "empty", "state/lists/partial", "cache/archives/partial"]) {
    fs.mkdirSync(path.join(directory, needed), { recursive: true });
  }
  fs.writeFileSync(path.join(directory, "etc/sources.list"), `${source}\n`);
  fs.writeFileSync(path.join(directory, "state/status"), "");
  const configuration = path.join(directory, "apt.conf");
  const connection = (await run(["apt-config", "dump", "Acquire"]))
    .split("\n")
    .filter((line) => /^Acquire::(https?|Check-)/.test(line));
  fs.writeFileSync(configuration, [...settings(directory, suite), ...connection, ""].join("\n"));
  return { source, configuration };
}

/** What makes apt private; how to reach the network is the machine's own setting. */
function settings(directory: string, suite: string): string[] {
  const own = {
    Dir: directory,
    "Dir::Etc": `${directory}/etc`,
    "Dir::Etc::sourcelist": `${directory}/etc/sources.list`,
    "Dir::Etc::sourceparts": `${directory}/empty`,
    "Dir::Etc::main": `${directory}/empty`,
    "Dir::Etc::parts": `${directory}/empty`,
    "Dir::Etc::preferencesparts": `${directory}/empty`,
    "Dir::State": `${directory}/state`,
    "Dir::State::status": `${directory}/state/status`,
    "Dir::Cache": `${directory}/cache`,
    "APT::Architecture": "amd64",
    "Acquire::Languages": "none",
    "Acquire::Retries": "1",
    "Acquire::http::Timeout": "20",
    "Acquire::https::Timeout": "20",
    // Mirrors let sid's index lapse now and then; its signature is verified all the same.
    ...(suite === "sid" ? { "Acquire::Check-Valid-Until": "false" } : {}),
  };
  return Object.entries(own).map(([key, value]) => `${key} "${value}";`);
}

/**
 * Downloads those packages that installing `name` would bring in whose name matches `pattern`. Returns the
 * files. `name` may be a metapackage.
 */
export async function download(
  suite: Suite,
  name: string,
  pattern: RegExp,
  directory: string,
): Promise<string[]> {
  const env = { APT_CONFIG: suite.configuration, LC_ALL: "C" };
  // Without --error-on, an index that cannot be fetched is a mere warning.
  const fetching = { env, contained: true, timeoutSeconds: 600 };
  await withAdvice(suite.source, () => run(["apt-get", "update", "-qq", "--error-on=any"], fetching));
  const install = ["apt-get", "install", "-qq", "--no-install-recommends", "--print-uris", name];
  const wanted = (await run(install, { env }))
    .split("\n")
    .map((line) => line.split(" ")[1]?.split("_")[0] ?? "")
    .filter((candidate) => pattern.test(candidate));
  if (wanted.length === 0)
    throw new LabError(`${name} of "${suite.source}" brings no package like ${pattern}`);
  const inDirectory = ["sh", "-c", 'cd "$0" && exec apt-get download -qq "$@"', directory, ...wanted];
  await withAdvice(suite.source, () => run(inDirectory, fetching));
  return fs.readdirSync(directory).map((file) => path.join(directory, file));
}

/** Says what to do when packages could not be had from `source`. */
export async function withAdvice<T>(source: string, fetch: () => Promise<T>): Promise<T> {
  try {
    return await fetch();
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    throw new LabError(
      `Debian packages could not be had by "${source}": the mirror does not answer, has no such suite, or is ` +
        `not to be trusted. Try again, or name another mirror by PODWIRE_LAB_MIRROR.\n${error.message}`,
      undefined,
      { cause: error },
    );
  }
}
