// All commands, in the order in which help lists them. A new one is a file and an entry here.
import type { Command, Option } from "./command.ts";

const binDir: Option = {
  type: "string",
  placeholder: "DIR",
  fallback: "/opt/cni/bin",
  summary: "where runtimes look for CNI plugins",
};
const confDir: Option = {
  type: "string",
  placeholder: "DIR",
  fallback: "/etc/cni/net.d",
  summary: "where runtimes look for network configurations",
};
const json: Option = { type: "boolean", summary: "print JSON" };
const prefixes = (summary: string): Option => ({ type: "string", placeholder: "PREFIX,...", summary });
const pods = prefixes("where pods' addresses come from, on all nodes");

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
      "repairs what the overlay loses.",
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
        summary: "send packets of full size to this peer of the overlay, given by its address",
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
  {
    name: "bypass load",
    summary: "load the kernel module that lets chosen traffic skip netfilter",
    about: "Does nothing if it is loaded. It is off until it is set.",
    options: {
      file: {
        type: "string",
        placeholder: "FILE",
        summary: "the module, if it is not installed for this kernel",
      },
    },
    load: async () => (await import("./bypass/module.ts")).load,
  },
  {
    name: "bypass unload",
    summary: "unload that module",
    about: "Traffic goes on through netfilter, connections in use included.",
    options: {},
    load: async () => (await import("./bypass/module.ts")).unload,
  },
  {
    name: "bypass status",
    summary: "show what is bypassed, how many packets were, and why others were not",
    about: "Exits with 1 if the module is not loaded.",
    options: { watch: { type: "boolean", summary: "again each second" }, json },
    load: async () => (await import("./bypass/status.ts")).status,
  },
  {
    name: "bypass set",
    summary: "say what may be bypassed; replaces what was set before",
    about:
      "Refuses where rules of this node would not be applied any more, and names them.\n" +
      "Modes: off; observe only counts; untrack skips connection tracking; bypass skips all of netfilter.",
    options: {
      mode: { type: "string", placeholder: "MODE", summary: "off, observe, untrack or bypass" },
      pods,
      exclude: prefixes("pods with policies or rules of their own"),
      node: prefixes("this node's own address, for tunnels"),
      peers: prefixes("other nodes' addresses, for tunnels"),
      tunnels: { type: "string", placeholder: "udp:PORT,...", summary: "ports of tunnels between nodes" },
      lease: {
        type: "string",
        placeholder: "SECONDS",
        summary: "off again after that time, unless set again",
      },
      force: { type: "boolean", summary: "set it whatever speaks against it" },
    },
    load: async () => (await import("./bypass/set.ts")).set,
  },
  {
    name: "bypass off",
    summary: "bypass nothing any more",
    about: "",
    options: {},
    load: async () => (await import("./bypass/set.ts")).off,
  },
  {
    name: "bypass check",
    summary: "list what on this node speaks against bypassing pods' traffic",
    about: "Changes nothing. Exits with 1 if there is anything.",
    options: { pods, json },
    load: async () => (await import("./bypass/set.ts")).check,
  },
  {
    name: "version",
    summary: "show the versions of podwire, of its Node and of the CNI specification",
    about: "",
    options: {},
    load: async () => (await import("./version.ts")).version,
  },
];
