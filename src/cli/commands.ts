// All commands, in the order in which help lists them. A new one is a file and an entry here.
import { bypassCommands } from "./bypass/commands.ts";
import type { Command, Option } from "./command.ts";
import { confDir, json } from "./options.ts";
import { sttCommands } from "./stt/commands.ts";

const binDir: Option = {
  type: "string",
  placeholder: "DIR",
  fallback: "/opt/cni/bin",
  summary: "where runtimes look for CNI plugins",
};

export const commands: readonly Command[] = [
  {
    name: "install",
    summary: "put this executable, and a conflist if given, where runtimes look for them",
    about:
      "Replaces each file in one step, so that running pods' calls are not disturbed and no runtime reads\n" +
      "half a file. Nothing is changed if the conflist is not valid.",
    options: {
      "bin-dir": binDir,
      "conf-dir": confDir,
      conf: { type: "string", placeholder: "FILE", summary: "conflist to check and install" },
    },
    load: async () => (await import("./install.ts")).install,
  },
  {
    name: "status",
    summary: "show the attachments on this node and whether they are as they were made",
    about: "Exits with 1 if an attachment is not as it was made, or cannot be verified.",
    options: { json },
    load: async () => (await import("./status.ts")).status,
  },
  {
    name: "apply",
    summary: "make the node what its configuration and its attachments' records say",
    about:
      "Makes the overlay what the networks in the configuration directory and /etc/podwire/node.json declare; nothing of\n" +
      "it is changed if something declared is not valid. Then makes again what restarts of daemons or other programs\n" +
      "took from pods that live. Exits with 1 if something cannot be made. With --watch it stays, follows the files, and\n" +
      "repairs what the overlay loses, and what pods lose by a restart of Open vSwitch.",
    options: {
      "conf-dir": confDir,
      watch: { type: "boolean", summary: "stay, and keep the overlay so" },
      json,
    },
    load: async () => (await import("./apply.ts")).apply,
  },
  {
    name: "doctor",
    summary: "examine this node: what would keep pods from being wired or reached, and how to fix it",
    about: "Changes nothing. Exits with 1 if a finding is an error.",
    options: {
      "bin-dir": binDir,
      "conf-dir": confDir,
      probe: {
        type: "string",
        placeholder: "PEER",
        summary: "send packets of full size to this peer of the overlay, given by its name or address",
      },
      json,
    },
    load: async () => (await import("./doctor.ts")).doctor,
  },
  {
    name: "gc",
    summary: "remove attachments that provably no longer exist, with their addresses",
    about:
      "Keeps what may still be in use and says so. Exits with 1 if something could not be removed.\n" +
      "The directories are for releasing addresses: of IPAM plugins, and of networks whose record is torn.",
    options: {
      "dry-run": { type: "boolean", summary: "only list" },
      "bin-dir": binDir,
      "conf-dir": confDir,
      json,
    },
    load: async () => (await import("./gc.ts")).gc,
  },
  ...bypassCommands,
  ...sttCommands,
  {
    name: "version",
    summary: "show the versions of podwire, of its Node and of the CNI specification",
    about: "",
    options: {},
    load: async () => (await import("./version.ts")).version,
  },
];
