// `podwire bypass set`, `off` and `check`. What was set before is replaced as a whole.
import { type Prefix, parsePrefix } from "../../address/ip.ts";
import { bypassObstacles } from "../../bypass/check.ts";
import { type BypassConfiguration, bypassModes, writeBypass } from "../../bypass/control.ts";
import { CniError, ErrorCode } from "../../cni/error.ts";
import type { Run, Words } from "../command.ts";
import { commandHost } from "../command-host.ts";
import { printJson } from "../terminal.ts";

const nothing: BypassConfiguration = {
  mode: "off",
  lease: 0,
  pods: [],
  excluded: [],
  node: [],
  peers: [],
  tunnels: [],
};

export const set: Run = async (words, terminal) => {
  const host = commandHost();
  const configuration = configurationFrom(words);
  const { mode, pods } = configuration;
  if (mode === "untrack" || mode === "bypass") {
    const obstacles = await bypassObstacles(host, prefixesFrom("pods", pods.join(",")));
    for (const obstacle of obstacles) terminal.complain(`podwire: ${obstacle}`);
    if (obstacles.length > 0 && !words.flag("force")) {
      terminal.complain("podwire: pods' traffic would not meet these any more; --force sets it all the same");
      return 1;
    }
  }
  await writeBypass(host, configuration);
  return 0;
};

export const off: Run = async () => {
  await writeBypass(commandHost(), nothing);
  return 0;
};

export const check: Run = async (words, terminal) => {
  const obstacles = await bypassObstacles(commandHost(), prefixesFrom("pods", words.text("pods") ?? ""));
  if (words.flag("json")) printJson(obstacles, terminal);
  else if (obstacles.length === 0) terminal.print("nothing speaks against it\n");
  else for (const obstacle of obstacles) terminal.print(`${obstacle}\n`);
  return obstacles.length === 0 ? 0 : 1;
};

function configurationFrom(words: Words): BypassConfiguration {
  const mode = bypassModes.find((known) => known === words.text("mode"));
  if (mode === undefined) throw invalid("mode", words.text("mode"), bypassModes.join(", "));
  const lease = words.text("lease") ?? "0";
  if (!/^[0-9]{1,5}$/.test(lease)) throw invalid("lease", lease, "seconds");
  const list = (name: string) => {
    const text = words.text(name) ?? "";
    prefixesFrom(name, text);
    return split(text);
  };
  const tunnels = split(words.text("tunnels") ?? "").map((text) => {
    const [, protocol, port] = /^(udp|tcp):([0-9]{1,5})$/.exec(text) ?? [];
    if (port === undefined) throw invalid("tunnels", text, "udp:PORT or tcp:PORT");
    return `${protocol} ${port}`;
  });
  return {
    mode,
    lease: Number(lease),
    pods: list("pods"),
    excluded: list("exclude"),
    node: list("node"),
    peers: list("peers"),
    tunnels,
  };
}

function prefixesFrom(name: string, text: string): Prefix[] {
  return split(text).map((part) => {
    const prefix = parsePrefix(part);
    if (prefix === undefined)
      throw invalid(name, part, "prefixes such as 10.244.0.0/16, with commas between");
    return prefix;
  });
}

function split(text: string): string[] {
  return text.split(",").filter((part) => part !== "");
}

function invalid(name: string, value: string | undefined, expected: string): CniError {
  return new CniError(
    ErrorCode.invalidConfig,
    `invalid --${name}`,
    `${JSON.stringify(value ?? "")}: expected ${expected}`,
  );
}
