// The schema of podwire's entry in a conflist, as a runtime hands it over on stdin. The keys that
// node.json may give as defaults are those of `nodeSchema`; docs/configuration.md is generated from here.
import * as z from "zod/mini";
import { ovsPortTypes } from "../datapath/datapath.ts";
import type { DatapathName } from "../datapath/registry.ts";
import {
  type IpvlanFlag,
  type IpvlanMode,
  ipvlanFlags,
  ipvlanModes,
  ovsDatapathTypes,
} from "../plan/plan.ts";
import { overlaySchema } from "./overlay.ts";
import { absolutePath, ip, linkName, mac, prefix, wholeNumber } from "./primitives.ts";

/** Of a call. */
export const defaultTimeoutSeconds = 60;

export const maxMtu = 65535;
/** The least that every IPv4 host takes (RFC 1122). */
export const minMtu = 576;

/** In seconds: it is renewed three times in it. The most is the module's (PODWIRE_BYPASS_MAX_LEASE). */
const leastLease = 5;
const mostLease = 28800;

const mtu = z.union([z.literal(0), wholeNumber(minMtu, maxMtu)], {
  error: `expected 0 (automatic) or a whole number from ${minMtu} to ${maxMtu}`,
});

const dns = z.strictObject({
  nameservers: z.optional(z.array(ip)),
  domain: z.optional(z.string()),
  search: z.optional(z.array(z.string())),
  options: z.optional(z.array(z.string())),
});

const vlan = wholeNumber(1, 4094);

/** ovs-vsctl takes other kinds too, but flows need the socket beside it. */
const database = z
  .string()
  .check(
    z.regex(/^unix:\/[^\0]+$/, { error: "expected unix: and the absolute path of the database's socket" }),
  );

/** Keys that may also stand in /etc/podwire/node.json; the conflist wins, key by key. */
const nodeKeys = {
  datapath: z
    .enum(["veth", "ipvlan", "ovs"])
    .check(z.describe("how pods are wired on this node; default veth")),
  mtu: mtu.check(
    z.describe(
      "MTU of the pod's interface in bytes; 0 or absent: that of the link to other nodes (with ipvlan the master), less the overlay's overhead",
    ),
  ),
  ipMasq: z
    .boolean()
    .check(
      z.describe(
        "masquerade pods' traffic that leaves their network behind the node's address; default false",
      ),
    ),
  ipvlan: z
    .strictObject({
      master: z
        .optional(linkName)
        .check(z.describe("link that pods' interfaces are slaves of; default that of the default route")),
      mode: z
        .optional(z.enum(ipvlanModes))
        .check(z.describe("default l3s, the only one with which Services work; see datapaths.md")),
      flag: z
        .optional(z.enum(ipvlanFlags))
        .check(
          z.describe(
            "whether pods of one master reach each other: directly (bridge, the default), not at all (private), " +
              "or by way of the switch (vepa)",
          ),
        ),
    })
    .check(z.describe("settings of the ipvlan datapath")),
  ovs: z
    .strictObject({
      bridge: z
        .optional(linkName)
        .check(z.describe("bridge that pods are ports of, made if there is none; default podwire0")),
      database: z
        .optional(database)
        .check(z.describe("Open vSwitch's database; default unix:/var/run/openvswitch/db.sock")),
      datapathType: z
        .optional(z.enum(ovsDatapathTypes))
        .check(z.describe("of a bridge that is made: system (the kernel's, default) or netdev (userspace)")),
      portType: z
        .optional(z.enum(ovsPortTypes))
        .check(
          z.describe(
            "what a pod's interface is: veth (default, the pod has the interface's own name) or internal " +
              "(default and only choice with netdev); see datapaths.md",
          ),
        ),
      antiSpoofing: z
        .optional(z.boolean())
        .check(
          z.describe(
            "whether pods may send from their own MAC and addresses alone (tagged: from no address of another pod); default true",
          ),
        ),
      vlan: z
        .optional(vlan)
        .check(
          z.describe("VLAN that pods are in; pods of different VLANs reach each other by the host alone"),
        ),
      trunk: z
        .optional(
          z
            .array(vlan)
            .check(z.refine((ids) => new Set(ids).size === ids.length, { error: "expected each VLAN once" })),
        )
        .check(z.describe("VLANs whose tagged frames pods send and get, switched as by any bridge")),
      ingress: z
        .optional(
          z.strictObject({
            rate: wholeNumber(1, 4294967295).check(z.describe("in kbit/s")),
            burst: z
              .optional(wholeNumber(1, 4294967295))
              .check(z.describe("in kbit; default a tenth of rate")),
          }),
        )
        .check(z.describe("limit of what a pod sends; not with internal ports")),
    })
    .check(z.describe("settings of the ovs datapath")),
  overlay: overlaySchema.check(z.describe("how other nodes are reached; default none")),
  bypass: z
    .strictObject({
      mode: z
        .optional(z.enum(["off", "auto", "on"]))
        .check(
          z.describe(
            "off (default); auto: where the module is loaded and no rule of the node is about pods' traffic; on: loads it too",
          ),
        ),
      pods: z
        .optional(z.array(prefix))
        .check(
          z.describe("prefixes of pods besides the network's own ranges and those of the overlay's peers"),
        ),
      exclude: z
        .optional(z.array(prefix))
        .check(
          z.describe(
            "pods that keep their full path, those with policies for example; node.json's and the conflist's both count",
          ),
        ),
      lease: z
        .optional(
          z.union([z.literal(0), wholeNumber(leastLease, mostLease)], {
            error: `expected 0 (for good) or a whole number from ${leastLease} to ${mostLease}`,
          }),
        )
        .check(
          z.describe(
            "seconds after which nothing is bypassed, unless `podwire apply --watch` renews it; default 0",
          ),
        ),
    })
    .check(z.describe("use of the kernel module that lets pods' traffic skip netfilter; see bypass.md")),
  log: z
    .strictObject({
      level: z
        .optional(z.enum(["error", "warn", "info", "debug"]))
        .check(z.describe("least severe level that is logged; default warn")),
      file: z.optional(absolutePath).check(z.describe("to log to besides stderr")),
    })
    .check(
      z.describe("log level (default warn; PODWIRE_LOG overrides it) and a file to log to besides stderr"),
    ),
  timeout: wholeNumber(1, 3600).check(
    z.describe(
      "seconds a call may take before it gives up with code 11, for each answer of Open vSwitch a sixth of them, at most 120, or if that is less than 10 a third, at most 10; default 60",
    ),
  ),
};

export const nodeSchema = z.partial(z.strictObject(nodeKeys));

const pluginName = z.string().check(
  z.regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, {
    error: "expected the name of an IPAM plugin such as host-local",
  }),
);

const ipam = z
  .looseObject({ type: pluginName })
  .check(
    z.describe(
      "address management: host-local runs in process, any other type is a plugin found on CNI_PATH",
    ),
  );

/**
 * What runtimes pass for the capabilities they serve; other keys are left to the chained plugins. Go writes an
 * empty list as null.
 */
const runtimeConfig = z
  .looseObject({
    ips: z.nullish(z.array(z.string())),
    mac: z.nullish(z.union([z.literal(""), mac], { error: "expected a unicast MAC address" })),
    ipRanges: z.nullish(z.array(z.array(z.looseObject({ subnet: prefix })))),
    dns: z.nullish(
      z.looseObject({
        servers: z.nullish(z.array(ip)),
        searches: z.nullish(z.array(z.string())),
        options: z.nullish(z.array(z.string())),
      }),
    ),
  })
  .check(
    z.describe("put in by the runtime: ips, mac, ipRanges and dns are used, others left to chained plugins"),
  );

const attachments = z.nullable(z.array(z.looseObject({ containerID: z.string(), ifname: z.string() })));

export const networkSchema = z.strictObject({
  cniVersion: z
    .optional(z.string())
    .check(z.describe("version of the CNI specification, 0.1.0 to 1.1.0; put in by the runtime")),
  name: z.string().check(z.describe("the network's name; put in by the runtime")),
  type: z.string().check(z.describe('"podwire"')),
  ...nodeSchema.shape,
  ipam,
  dns: z.optional(dns).check(z.describe("DNS settings to put into the result; they win over the IPAM's")),
  capabilities: z
    .optional(z.record(z.string(), z.boolean()))
    .check(z.describe("what the runtime may pass in runtimeConfig: ips, mac, dns, ipRanges")),
  args: z
    .optional(z.looseObject({ cni: z.optional(z.looseObject({ ips: z.optional(z.array(z.string())) })) }))
    .check(z.describe("put in by the runtime; args.cni.ips requests addresses")),
  runtimeConfig: z.nullish(runtimeConfig),
  prevResult: z.optional(z.unknown()).check(z.describe("put in by the runtime: the result so far")),
  disableCheck: z.optional(z.boolean()).check(z.describe("true: CHECK succeeds without looking")),
  "cni.dev/valid-attachments": z
    .optional(attachments)
    .check(z.describe("put in by the runtime for GC: the attachments to keep")),
  "cni.dev/attachments": z.optional(attachments).check(z.describe("an older name of the same")),
});

export type NodeConfig = z.infer<typeof nodeSchema>;
export type NetworkConfig = z.infer<typeof networkSchema>;

export function datapathNameOf({ datapath = "veth" }: Pick<NetworkConfig, "datapath">): DatapathName {
  return datapath;
}

/** With what is left out. */
export function ipvlanOf({ ipvlan = {} }: Pick<NetworkConfig, "ipvlan">): {
  readonly mode: IpvlanMode;
  readonly flag: IpvlanFlag;
  readonly master: string | undefined;
} {
  const { mode = "l3s", flag = "bridge", master } = ipvlan;
  return { mode, flag, master };
}
