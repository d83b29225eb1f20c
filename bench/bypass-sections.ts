// What bench:bypass measures: ways between pods of two nodes (groups), each with rulesets (kinds), each in states from
// nothing at all to bypassed. Guests of a section take the states one after the other, both nodes alike: the module cannot
// be told apart from the rules that it is to pass by, and instructions do not drift.
import type { Conflist } from "../test/fixture/conflist.ts";
import { installBypass, setBypass, unloadBypass } from "../test/lab/fixture/bypass.ts";
import { ipvlanNetwork } from "../test/lab/fixture/ipvlan.ts";
import { startOpenVswitch } from "../test/lab/fixture/open-vswitch.ts";
import { overlayNetwork } from "../test/lab/fixture/overlay.ts";
import { conflistFor, pod } from "../test/lab/fixture/pod.ts";
import { answerAs } from "../test/lab/fixture/talk.ts";
import { ping } from "../test/lab/fixture/traffic.ts";
import type { KernelVersion } from "../test/lab/image/recipe.ts";
import type { Lab } from "../test/lab/lab.ts";
import type { LabNode } from "../test/lab/machine/node.ts";
import type { Ends, Plan, Variant } from "../test/lab/measure/plan.ts";
import { connectionWork, datagramWork, exchangeWork } from "../test/lab/measure/samplings.ts";
import { routeBetweenHosts } from "../test/lab/measure/variants.ts";
import { addRules, type Backend, backends, removeRules } from "./bypass-rules.ts";
import { openVswitchNetwork } from "./datapath-sections.ts";

interface Group {
  connect(lab: Lab): Promise<Ends>;
  /** Of the tunnel between the nodes, if there is one. */
  readonly port?: number;
}

/** In the order of the report. */
export const groups: Readonly<Record<string, Group>> = {
  veth: byHostRoutes((node) => conflistFor(node)),
  vxlan: byOverlay("vxlan", 4789),
  geneve: byOverlay("geneve", 6081),
  "ipvlan-l3s": byHostRoutes((node) => ipvlanNetwork(node, "l3s", { ipMasq: false })),
  host: { connect: async ({ node1, node2 }) => ({ from: node1, to: node2 }) },
  ovs: byHostRoutes((node) => openVswitchNetwork(node, "veth"), startOpenVswitch),
};

interface Situation {
  readonly kernel: KernelVersion;
  readonly group: Group;
}

interface State {
  readonly name: string;
  /** From the state before to this one; `peer` is the other node. */
  begin(node: LabNode, peer: LabNode, situation: Situation): Promise<unknown>;
}

interface Kind {
  readonly title: string;
  readonly states: readonly State[];
}

const nothing: State = { name: "no rules, no conntrack", begin: async () => {} };
const load: State = { name: "rules, off", begin: (node, _, { kernel }) => installBypass(node, kernel) };

const most = 5000;

export const kinds: Readonly<Record<string, Kind>> = {
  ...Object.fromEntries(
    backends.flatMap((backend) =>
      [most, 200].map((count): [string, Kind] => [
        `${backend}-${count}`,
        {
          title: `${count} Services by ${backend}`,
          states: [nothing, rules(backend, count), load, mode("untrack"), mode("bypass")],
        },
      ]),
    ),
  ),
  alternatives: {
    title: `What else there is, with ${most} Services by iptables-legacy`,
    states: [
      nothing,
      rules("iptables-legacy", most),
      { name: "rules, NOTRACK", begin: (node) => node.sh(notrack("-A")) },
      { name: "rules, flowtable", begin: (node) => node.sh(`${notrack("-D")}\n${flowtable}`) },
      {
        name: "rules, bypass, asking for each packet",
        begin: async (node, peer, situation) => {
          await node.sh("nft delete table ip fast");
          await installBypass(node, situation.kernel, "-DBYPASS_REMEMBERS=0");
          await mode("bypass").begin(node, peer, situation);
        },
      },
      {
        name: "rules, bypass",
        begin: async (node, peer, situation) => {
          await node.sh(unloadBypass);
          await installBypass(node, situation.kernel);
          await mode("bypass").begin(node, peer, situation);
        },
      },
      // All that was measured before is gone, or this differs from the first.
      { name: "no rules again", begin: (node) => node.sh(`${unloadBypass}\n${removeRules}`) },
    ],
  },
};

function rules(backend: Backend, count: number): State {
  return { name: "rules", begin: (node) => node.sh(addRules(backend, count)) };
}

function mode(name: string): State {
  const begin: State["begin"] = async (node, peer, { group: { port } }) => {
    const own = [`node ${node.address}/32`, `peer ${peer.address}/32`, `tunnel udp ${port}`];
    await setBypass(node, `mode ${name}`, "pod 10.244.0.0/16", ...(port === undefined ? [] : own));
    // For two minutes a new connection by the ports of an old one would be known, and take the full path.
    await node.sh("conntrack -F");
  };
  return { name: `rules, ${name}`, begin };
}

/** Between pods and, in tunnels, between nodes. */
function notrack(action: "-A" | "-D"): string {
  const rule = (chain: string, match: string) =>
    `iptables-legacy -t raw ${action} ${chain} ${match} -j CT --notrack`;
  return [
    rule("PREROUTING", "-s 10.244.0.0/16 -d 10.244.0.0/16"),
    ...["PREROUTING", "OUTPUT"].map((chain) => rule(chain, "-p udp -m multiport --dports 4789,6081")),
  ].join("\n");
}

const flowtable = `
  links=$(ls /proc/sys/net/ipv4/conf | grep -vxE 'all|default|lo' | paste -sd ,)
  nft "table ip fast { flowtable f { hook ingress priority 0; devices = { $links }; }
    chain forward { type filter hook forward priority 0; ct state established flow add @f; }; }"`;

/** "GROUP/KIND" of all, those of one kind together. */
export const sectionNames: readonly string[] = Object.keys(kinds).flatMap((kind) =>
  Object.keys(groups).map((group) => `${group}/${kind}`),
);

/** Undefined if there is none of that name. */
export function planOf(section: string, kernel: KernelVersion): Plan | undefined {
  const [groupName = "", kindName = ""] = section.split("/");
  const [group, kind] = [groups[groupName], kinds[kindName]];
  if (group === undefined || kind === undefined) return undefined;
  let ends: Promise<Ends> | undefined;
  const variants = kind.states.map(({ name, begin }): Variant => {
    return {
      name,
      prepare: (lab) => (ends ??= connect(group, lab)),
      begin: async ({ node1, node2 }) => {
        await begin(node1, node2, { kernel, group });
        await begin(node2, node1, { kernel, group });
      },
    };
  });
  return {
    name: section,
    kernel,
    variants,
    oneByOne: true,
    deterministic: [datagramWork, exchangeWork, connectionWork],
  };
}

async function connect(group: Group, lab: Lab): Promise<Ends> {
  const ends = await group.connect(lab);
  await answerAs("server", ends.to);
  await ping(ends.from, ends.to, { count: 1 });
  return ends;
}

type Network = (node: LabNode) => Conflist;

function byHostRoutes(network: Network, prepare?: (node: LabNode) => Promise<void>): Group {
  return {
    connect: async (lab) => {
      for (const node of lab.nodes) await prepare?.(node);
      await routeBetweenHosts(lab);
      return onePodEach(lab, network);
    },
  };
}

function byOverlay(type: "vxlan" | "geneve", port: number): Group {
  return { connect: (lab) => onePodEach(lab, (node) => overlayNetwork(lab, node, { type })), port };
}

async function onePodEach({ node1, node2 }: Lab, network: Network): Promise<Ends> {
  const from = await pod(node1, network(node1));
  return { from, to: await pod(node2, network(node2)) };
}
