// `podwire install`: this executable into the plugins' directory, a conflist into the configurations'. Runtimes
// watch both, and the installed podwire may be running: every file appears whole, by a rename. The conflist
// comes last, since its appearing is what makes runtimes call the plugin.
import fs from "node:fs";
import path from "node:path";
import { CniError, ErrorCode } from "../cni/error.ts";
import { replaceFile } from "../linux/files.ts";
import { podwireVersion } from "../version.ts";
import type { Run } from "./command.ts";
import { parseConflist } from "./conflist.ts";
import { copyExecutable } from "./copy-executable.ts";

export const install: Run = async (words, terminal) => {
  const conf = words.text("conf");
  const configuration = conf === undefined ? undefined : readConflist(conf);
  const executable = ownExecutable();

  const target = path.join(path.resolve(words.text("bin-dir") ?? "."), "podwire");
  const existed = fs.existsSync(target);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  copyExecutable(executable.file, target);
  terminal.print(`${existed ? "replaced" : "installed"} ${target} (podwire ${podwireVersion})\n`);
  if (!executable.isSelfContained) {
    terminal.complain("podwire: this is the plain bundle: runtimes need node 22 or newer in their PATH");
  }

  if (configuration === undefined) return 0;
  const confTarget = path.join(path.resolve(words.text("conf-dir") ?? "."), configuration.name);
  const confExisted = fs.existsSync(confTarget);
  fs.mkdirSync(path.dirname(confTarget), { recursive: true });
  replaceFile(confTarget, configuration.text, 0o644);
  terminal.print(
    `${confExisted ? "replaced" : "installed"} ${confTarget} (network ${configuration.network})\n`,
  );
  return 0;
};

interface Configuration {
  readonly name: string;
  readonly text: string;
  readonly network: string;
}

function readConflist(file: string): Configuration {
  const name = path.basename(file);
  // Under another suffix runtimes would take it for a single plugin, or not read it at all.
  if (!name.endsWith(".conflist")) throw refused(`${file}: expected a name that ends in .conflist`);
  const text = fs.readFileSync(file, "utf8");
  const { networks, name: network, types } = parseConflist(text, file);
  if (!("plugins" in JSON.parse(text)))
    throw refused(`${file}: plugins is missing; expected a list of plugins`);
  if (networks.length > 0) return { name, text, network };
  throw refused(`${file}: its plugins are ${types.join(", ")}; expected one of type podwire`);
}

/** The executable that runs now, also if its file has been replaced or removed since it was started. */
function ownExecutable(): { file: string; isSelfContained: boolean } {
  const sea = process.getBuiltinModule("node:sea");
  if (sea?.isSea()) return { file: "/proc/self/exe", isSelfContained: true };
  const bundle = process.argv[1];
  if (bundle === undefined) throw refused("the running program's file is unknown");
  return { file: fs.realpathSync(bundle), isSelfContained: false };
}

function refused(details: string): CniError {
  return new CniError(ErrorCode.invalidConfig, "nothing was installed", details);
}
