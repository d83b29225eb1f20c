// What is compared: podwire and the reference's `ptp` with `host-local`, which wire a pod alike (a routed
// veth), with one configuration except for the network's name and addresses.
import path from "node:path";
import { referencePluginDir } from "../test/fixture/node.ts";
import type { Invocation } from "./meter.ts";

export interface Contender {
  readonly name: "podwire" | "reference";
  readonly program: string;
  readonly type: string;
  readonly subnet: string;
  readonly subnet6: string;
}

/** Runs as a copy, as on a node: a build in the meantime must not mix two in one table. */
export const podwire: Contender = {
  name: "podwire",
  program: path.resolve(import.meta.dirname, `../bench-results/podwire-${process.pid}`),

  type: "podwire",
  subnet: "10.244.1.0/24",
  subnet6: "fd00:10:244:1::/64",
};

export const reference: Contender = {
  name: "reference",
  program: `${referencePluginDir}/ptp`,
  type: "ptp",
  subnet: "10.244.2.0/24",
  subnet6: "fd00:10:244:2::/64",
};

export const contenders = [podwire, reference] as const;
export type Both<T> = Record<Contender["name"], T>;

export interface Scenario {
  readonly name: string;
  readonly ipMasq: boolean;
  readonly dualStack: boolean;
}

export const plainIpv4: Scenario = { name: "IPv4", ipMasq: false, dualStack: false };
export const scenarios: readonly Scenario[] = [
  plainIpv4,
  { name: "IPv4, ipMasq", ipMasq: true, dualStack: false },
  { name: "dual stack, ipMasq", ipMasq: true, dualStack: true },
];

export type Verb = "ADD" | "CHECK" | "DEL";
export const verbs: readonly Verb[] = ["ADD", "CHECK", "DEL"];

export interface PodCall {
  readonly verb: Verb;
  readonly contender: Contender;
  readonly scenario: Scenario;
  readonly pod: string;
  /** JSON of the ADD's result. */
  readonly prevResult?: string;
}

export function invocation({ verb, contender, scenario, pod, prevResult }: PodCall): Invocation {
  const { subnet, subnet6, type } = contender;
  const config = {
    cniVersion: "1.0.0",
    name: `bench-${contender.name}`,
    type,
    ipMasq: scenario.ipMasq,
    ipam: {
      type: "host-local",
      ranges: scenario.dualStack ? [[{ subnet }], [{ subnet: subnet6 }]] : [[{ subnet }]],
      routes: [{ dst: "0.0.0.0/0" }, ...(scenario.dualStack ? [{ dst: "::/0" }] : [])],
    },
    ...(prevResult === undefined ? {} : { prevResult: JSON.parse(prevResult) as unknown }),
  };
  return {
    program: contender.program,
    environment: {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: pod,
      CNI_NETNS: `/run/netns/${pod}`,
      CNI_IFNAME: "eth0",
      CNI_PATH: referencePluginDir,
    },
    input: JSON.stringify(config),
  };
}
