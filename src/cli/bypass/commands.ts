// The commands of `podwire bypass`.
import { bypassModule } from "../../kernel-module/module.ts";
import type { Command, Option } from "../command.ts";
import { moduleCommands } from "../kernel-module/commands.ts";
import { confDir, json } from "../options.ts";

const prefixes = (summary: string): Option => ({ type: "string", placeholder: "PREFIX,...", summary });
/** What is to be bypassed. */
const traffic = {
  pods: prefixes("where pods' addresses come from, on all nodes"),
  node: prefixes("this node's own address, for tunnels"),
  peers: prefixes("other nodes' addresses, for tunnels"),
  tunnels: { type: "string", placeholder: "udp:PORT,...", summary: "ports of tunnels between nodes" },
} as const;

export const bypassCommands: readonly Command[] = [
  ...moduleCommands(
    bypassModule,
    "lets chosen traffic skip netfilter",
    "It is off until it is set.",
    "Traffic goes on through netfilter, connections in use included.",
  ),
  {
    name: "bypass status",
    summary: "show what is bypassed, how many packets were, and why others were not",
    about: "Its first line says whether it works. Exits with 1 if the module is not loaded.",
    options: {
      watch: { type: "boolean", summary: "again each second, with rates; a line each with --json" },
      json,
    },
    load: async () => (await import("./status.ts")).status,
  },
  {
    name: "bypass set",
    summary: "say what may be bypassed; replaces what was set before",
    about:
      "Refuses where rules of this node would not be applied any more, and names them; --force is in the kernel's log then.\n" +
      "What is excluded is remembered, also over reboots, and holds whoever sets the module, beside what configurations exclude:\n" +
      "--exclude alone changes nothing else, and --exclude '' forgets it. Where networks wish the bypass, podwire apply sets it as they do again.\n" +
      "Modes: off; observe only counts; untrack skips connection tracking; bypass skips all of netfilter.",
    options: {
      mode: { type: "string", placeholder: "MODE", summary: "off, observe, untrack or bypass" },
      ...traffic,
      exclude: prefixes("pods with policies or rules of their own"),
      lease: {
        type: "string",
        placeholder: "SECONDS",
        summary: "off again after that time, unless set again or renewed by podwire apply --watch",
      },
      force: { type: "boolean", summary: "set it whatever speaks against it" },
      "conf-dir": confDir,
    },
    load: async () => (await import("./set.ts")).set,
  },
  {
    name: "bypass off",
    summary: "bypass nothing any more",
    about:
      "Where networks wish the bypass: until podwire apply runs or their configuration changes. unload is for good.",
    options: {},
    load: async () => (await import("./set.ts")).off,
  },
  {
    name: "bypass check",
    summary: "list what on this node speaks against bypassing this traffic",
    about:
      "Changes nothing. Exits with 1 if there is anything. Without words about traffic, it is about whatever the node forwards.",
    options: { ...traffic, "conf-dir": confDir, json },
    load: async () => (await import("./set.ts")).check,
  },
];
