// What can differ from the plan of an ipvlan pod, changed by itself, and the words in which CHECK reports it.
import { describe, expect, test } from "vitest";
import { ipvlan } from "../../src/datapath/ipvlan.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { describeDifference, verify } from "../../src/plan/verify.ts";
import { inMode, settings } from "../datapath/ipvlan-wiring.ts";
import { ipv4, ipv6 } from "../datapath/wiring.ts";
import { kernelAsPlanned, observed } from "./kernel-state.ts";
import { get } from "./planned-kernel.ts";

const both = { ips: [ipv4, ipv6], routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }] };
const { plan } = ipvlan.wire(inMode("l2", both));
const hostSlave = "pwi2b914a7c60";
const masterIndex = 7;

/** What `change` finds is as iproute2 tells it: the host's slave names its master, the pod's has only its index. */
type Kernel = ReturnType<typeof kernelWithSlaves>;

function kernelWithSlaves(of: Plan) {
  const state = kernelAsPlanned(of);
  const master = get(state.pod.links["eth0"]);
  state.host.links["ens3"] = {
    ...structuredClone(master),
    link: {
      ...structuredClone(master.link),
      ifname: "ens3",
      ifindex: masterIndex,
      address: settings("l2").master.mac,
      linkinfo: {},
      addr_info: settings("l2").master.addresses.map((local) => ({ local, prefixlen: 24, scope: "0" })),
    },
  };
  // The pod's slave is not there under its name of before it was moved.
  delete state.host.links["pw73862bcce73ee"];
  const shared = of.flatMap((object) => (object.kind === "link" && object.shared ? object.name : []));
  for (const [where, name] of [...shared.map((each) => ["host", each] as const), ["pod", "eth0"] as const]) {
    const link = state[where].links[name]?.link;
    const type = of.flatMap((object) =>
      object.kind === "link" && object.name === name ? object.type : [],
    )[0];
    if (link === undefined || type?.kind !== "ipvlan") continue;
    link.linkinfo = { info_kind: "ipvlan", info_data: { mode: type.mode, [type.flag]: true } };
    link.address = settings(type.mode).master.mac;
    if (where === "host") link.link = "ens3";
    else link.link_index = masterIndex;
  }
  // The kernel and iproute2 tell the source of a route in words of their own.
  for (const object of of) {
    if (object.kind !== "route" || object.source === undefined) continue;
    const dst = object.dst.replace(/\/(32|128)$/, "");
    const route = state.host.links[object.link]?.routes.find((one) => one.dst === dst && !one.prefsrc);
    if (route !== undefined) route.prefsrc = object.source;
  }
  return state;
}

function differencesAfter(change: (state: Kernel) => unknown, of = plan): string[] {
  const state = kernelWithSlaves(of);
  change(state);
  return verify(of, observed(state)).map(describeDifference);
}

const host = (state: Kernel) => get(state.host.links[hostSlave]);
const pod = (state: Kernel) => get(state.pod.links["eth0"]);
const master = (state: Kernel) => get(state.host.links["ens3"]);

test("nothing differs in a kernel that is as planned", () => {
  expect(differencesAfter(() => {})).toEqual([]);
});

test.each(["private", "vepa"] as const)("nothing of the host is looked at for %s pods", (flag) => {
  const apart = ipvlan.wire(inMode("l2", { ...both, ipvlan: settings("l2", { flag }) })).plan;
  expect(differencesAfter((state) => delete state.host.links[hostSlave], apart)).toEqual([]);
});

describe("one change is one difference, with object, expected and found", () => {
  const changes: [string, (state: Kernel) => unknown, string][] = [
    [
      "the mode of the host's slave",
      (s) => (host(s).link.linkinfo = { info_kind: "ipvlan", info_data: { mode: "l3", bridge: true } }),
      `link ${hostSlave} on the host: expected mode l2 bridge, found mode l3 bridge`,
    ],
    [
      "the flag of the pod's slave",
      (s) => (pod(s).link.linkinfo = { info_kind: "ipvlan", info_data: { mode: "l2", private: true } }),
      "link eth0 in the pod: expected mode l2 bridge, found mode l2 private",
    ],
    [
      "the kind of the pod's link",
      (s) => (pod(s).link.linkinfo = { info_kind: "veth" }),
      "link eth0 in the pod: expected ipvlan, found veth",
    ],
    [
      "another master of the host's slave",
      (s) => (host(s).link.link = "ens4"),
      `link ${hostSlave} on the host: expected master ens3, found another one`,
    ],
    [
      "another master of the pod's slave",
      (s) => (pod(s).link.link_index = 9),
      "link eth0 in the pod: expected master ens3, found another one",
    ],
    [
      "the host's slave down",
      (s) => (host(s).link.flags = []),
      `link ${hostSlave} on the host: expected up, found down`,
    ],
    [
      "the host's route lost with the master's address",
      (s) => host(s).routes.shift(),
      `route 10.244.1.7/32 dev ${hostSlave} on the host: expected 192.0.2.1, found nothing`,
    ],
    [
      "the host's IPv6 route without its source",
      (s) => delete get(host(s).routes[2]).prefsrc,
      `route fd00:10:244:1::7/128 dev ${hostSlave} on the host: expected 2001:db8::1, found nothing`,
    ],
    [
      "the host's neighbour entry for the pod",
      (s) => host(s).neighbours.shift(),
      `neighbour 10.244.1.7 of ${hostSlave} on the host: expected 52:54:00:00:01:01, found nothing`,
    ],
    [
      "the gateway's MAC",
      (s) => (get(pod(s).neighbours[1]).lladdr = "52:54:00:00:01:99"),
      "neighbour fe80::1 of eth0 in the pod: expected 52:54:00:00:01:01, found 52:54:00:00:01:99",
    ],
    [
      "the pod's default route",
      (s) => pod(s).routes.shift(),
      "route 0.0.0.0/0 via 169.254.1.1 dev eth0 in the pod: expected the route, found no such route",
    ],
    [
      "the pod's address",
      (s) => pod(s).link.addr_info.shift(),
      "address 10.244.1.7/24 of eth0 in the pod: expected 10.244.1.7/24, found fd00:10:244:1::7/64",
    ],
  ];

  test.each(changes)("%s", (_, change, text) => {
    expect(differencesAfter(change)).toEqual([text]);
  });

  test("both IPv4 routes of the host: one of them is for the time after the master's address changed", () => {
    const without = (index: number) => (state: Kernel) => host(state).routes.splice(index, 1);
    expect(differencesAfter(without(1))).toEqual([
      expect.stringMatching(`^route 10.244.1.7/32 dev ${hostSlave} on the host: expected 1, found 0$`),
    ]);
  });
});

test("after the master got another MAC neighbours are wanted at that one", () => {
  const mac = "52:54:00:00:01:77";
  const changed = (state: Kernel) => {
    for (const { link } of [master(state), host(state), pod(state)]) link.address = mac;
    for (const { neighbours } of [host(state), pod(state)]) for (const each of neighbours) each.lladdr = mac;
  };
  expect(differencesAfter(changed)).toEqual([]);
  const lost = (state: Kernel) => {
    changed(state);
    pod(state).neighbours.length = 0;
  };
  expect(differencesAfter(lost)).toEqual([
    `neighbour 169.254.1.1 of eth0 in the pod: expected ${mac}, found nothing`,
    `neighbour fe80::1 of eth0 in the pod: expected ${mac}, found nothing`,
  ]);
});

describe("after the master's addresses changed", () => {
  const as = (local: string) => ({ local, prefixlen: 24, scope: "0" });

  test("the host's routes are wanted from one that it has now", () => {
    const renumbered = (state: Kernel) =>
      (master(state).link.addr_info = [
        { ...as("2001:db8::7"), temporary: true },
        { ...as("2001:db8::8"), tentative: true },
        as("192.0.2.9"),
        as("192.0.2.10"),
        as("2001:db8::9"),
      ]);
    expect(differencesAfter(renumbered)).toEqual([
      `route 10.244.1.7/32 dev ${hostSlave} on the host: expected 192.0.2.9, found 192.0.2.1`,
      `route fd00:10:244:1::7/128 dev ${hostSlave} on the host: expected 2001:db8::9, found 2001:db8::1`,
    ]);
  });

  test("nothing differs where it has the old one still", () => {
    const joined = (state: Kernel) => master(state).link.addr_info.unshift(as("192.0.2.9"));
    expect(differencesAfter(joined)).toEqual([]);
  });

  test("nothing is wanted of a family of which it has none", () => {
    const bare = (state: Kernel) => (master(state).link.addr_info = []);
    expect(differencesAfter(bare)).toEqual([]);
  });

  describe("the source of answers to pods themselves", () => {
    const masked = ipvlan.wire(inMode("l3s", { ...both, ipMasq: true })).plan;
    const link = "pwisb914a7c60";
    const differences = (addresses: string[], mapped: string[]) => {
      const changed = (state: Kernel) => {
        master(state).link.addr_info = addresses.map(as);
        state.masquerade.hairpins.set(link, mapped);
      };
      return differencesAfter(changed, masked).filter((text) => text.startsWith("masquerading"));
    };

    test("is wanted from it, too", () => {
      expect(differences(["192.0.2.9", "2001:db8::1"], ["192.0.2.1", "2001:db8::1"])).toEqual([
        expect.stringContaining(
          `expected 192.0.2.9, 2001:db8::1 as the source by ${link}, found 192.0.2.1, 2001:db8::1`,
        ),
      ]);
    });

    test("may be any that it has: pods have it in common, and were added at different times", () => {
      expect(differences(["192.0.2.9", "192.0.2.1", "2001:db8::1"], ["192.0.2.9", "2001:db8::1"])).toEqual(
        [],
      );
    });

    test("is none of a family of which it has none any more", () => {
      expect(differences(["192.0.2.1"], ["192.0.2.1", "2001:db8::1"])).toEqual([
        expect.stringContaining(`expected 192.0.2.1 as the source by ${link}, found 192.0.2.1, 2001:db8::1`),
      ]);
    });
  });

  test("those that it had not when a pod came are wanted for it as well", () => {
    const early = inMode("l3s", { ...both, ipMasq: true });
    const bare = {
      ...early,
      ipvlan: { ...get(early.ipvlan), master: { ...get(early.ipvlan).master, addresses: [] } },
    };
    const sources = differencesAfter((state) => state.masquerade.hairpins.clear(), ipvlan.wire(bare).plan);
    expect(sources).toEqual([
      expect.stringMatching(/^route 10.244.1.7\/32 .* expected 192.0.2.1, found nothing$/),
      expect.stringMatching(/^route fd00:.* expected 2001:db8::1, found nothing$/),
      expect.stringMatching(/^masquerading .* expected 192.0.2.1, 2001:db8::1 as the source/),
    ]);
  });

  test("those in the pod's subnet are wanted to be reached by way of the host, in l2", () => {
    const joined = (state: Kernel) => master(state).link.addr_info.push(as("10.244.1.99"));
    expect(differencesAfter(joined)).toEqual([
      "route 10.244.1.99/32 via 169.254.1.1 dev eth0 in the pod: expected the route, found no such route",
    ]);
  });
});

test("a slave whose master gave its name to another link is not judged by that one", () => {
  const renamed = (state: Kernel) => {
    master(state).link.ifindex = 99;
    master(state).link.address = "52:54:00:00:01:99";
    master(state).link.addr_info = [{ local: "203.0.113.9", prefixlen: 24, scope: "0" }];
    host(state).link.link = "former";
  };
  expect(differencesAfter(renamed)).toEqual([
    `link ${hostSlave} on the host: expected master ens3, found another one`,
    "link eth0 in the pod: expected master ens3, found another one",
  ]);
});

test("a master without a carrier is no fault of its pods", () => {
  const unplugged = (state: Kernel) => {
    for (const { link } of [master(state), host(state), pod(state)]) link.flags.push("NO-CARRIER");
  };
  expect(differencesAfter(unplugged)).toEqual([]);
});

test("a host's slave that is gone is named with all that was on it, and nothing else is", () => {
  const differences = differencesAfter((state) => delete state.host.links[hostSlave]);
  expect(differences[0]).toBe(`link ${hostSlave} on the host: expected a ipvlan link, found no such link`);
  const onSlave = plan.filter(
    (object) => object.kind !== "sysctl" && "link" in object && object.link === hostSlave,
  );
  expect(differences).toHaveLength(1 + onSlave.length);
  for (const text of differences) expect(text).toContain(hostSlave);
});

test("a pod's MTU that follows the master's is not looked at, one of its own is", () => {
  const grown = (state: Kernel) => (pod(state).link.mtu = 9000);
  expect(differencesAfter(grown)).toEqual([]);
  const own = ipvlan.wire(inMode("l2", { ...both, mtu: 1400 })).plan;
  expect(differencesAfter(grown, own)).toEqual(["link eth0 in the pod: expected mtu 1400, found mtu 9000"]);
});
