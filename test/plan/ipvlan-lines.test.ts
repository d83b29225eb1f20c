// The objects of ipvlan's plans as the lines that iproute2 gets.
import { describe, expect, test } from "vitest";
import { detachingLines, linkOf, makingLines, mendingLines, removingLines } from "../../src/plan/ip-lines.ts";
import { type Ipvlan, ipvlanFlags, ipvlanModes, type Link, type Route } from "../../src/plan/plan.ts";

const type: Ipvlan = { kind: "ipvlan", master: "ens3", mode: "l3s", flag: "bridge" };
const hostSlave: Link = {
  kind: "link",
  where: "host",
  name: "pwisb914a7c60",
  shared: true,
  noAutomaticAddress: true,
  type,
};
const alias = "podwire:podnet/pod1/eth0";
const made: Link = {
  kind: "link",
  where: "host",
  name: "pw73862bcce73ee",
  alias,
  type: { ...type, movesToPodAs: "eth0" },
};
const inPod: Link = { kind: "link", where: "pod", name: "eth0", alias, type };
const route: Route = { kind: "route", where: "host", link: hostSlave.name, dst: "10.244.1.7/32", scope: 253 };

describe("what is made", () => {
  test("the host's slave: the other lines alone make one usable that is there already", () => {
    expect(makingLines(hostSlave)).toEqual([
      "link add link ens3 name pwisb914a7c60 type ipvlan mode l3s bridge",
      "link set dev pwisb914a7c60 addrgenmode none",
      "link set dev pwisb914a7c60 up",
    ]);
  });

  test("the pod's slave: named by its alias before it goes, and renamed on the way", () => {
    expect(makingLines(made)).toEqual([
      "link add link ens3 name pw73862bcce73ee type ipvlan mode l3s bridge",
      "link set dev pw73862bcce73ee alias podwire:podnet/pod1/eth0",
      "link set dev pw73862bcce73ee netns /proc/self/fd/3 name eth0",
    ]);
  });

  test("the same in the pod, where it only needs to be up, with an MTU if it has its own", () => {
    expect(makingLines(inPod)).toEqual(["link set dev eth0 up"]);
    expect(makingLines({ ...inPod, mtu: 1400 })).toEqual(["link set dev eth0 mtu 1400 up"]);
  });

  test("put right: the mode, which a slave of somebody else may have changed for all", () => {
    expect(mendingLines(inPod)).toEqual([
      "link set dev eth0 type ipvlan mode l3s bridge",
      "link set dev eth0 up",
    ]);
    expect(mendingLines(hostSlave)[0]).toBe("link set dev pwisb914a7c60 type ipvlan mode l3s bridge");
  });

  test("in every mode and with every flag, as iproute2 calls them", () => {
    const words = ipvlanModes.flatMap((mode) =>
      ipvlanFlags.map(
        (flag) => makingLines({ ...made, type: { ...type, mode, flag } })[0]?.split(" ipvlan ")[1],
      ),
    );
    expect(words).toEqual([
      ...["mode l2 bridge", "mode l2 private", "mode l2 vepa"],
      ...["mode l3 bridge", "mode l3 private", "mode l3 vepa"],
      ...["mode l3s bridge", "mode l3s private", "mode l3s vepa"],
    ]);
  });

  test("routes to a pod by the host's slave: one for as long as the master has its address, one for after", () => {
    expect(makingLines({ ...route, source: "192.0.2.1" })).toEqual([
      "route add 10.244.1.7/32 dev pwisb914a7c60 proto 119 src 192.0.2.1 scope 253",
    ]);
    expect(makingLines({ ...route, priority: 1 })).toEqual([
      "route add 10.244.1.7/32 dev pwisb914a7c60 proto 119 scope 253 metric 1",
    ]);
  });

  test("addresses of the host's slave, also over those that another pod's ADD has made", () => {
    const address = { kind: "address", where: "host", link: hostSlave.name } as const;
    expect(makingLines({ ...address, address: "169.254.1.1/32", scope: "host" })).toEqual([
      "address replace 169.254.1.1/32 dev pwisb914a7c60 scope host",
    ]);
    expect(makingLines({ ...address, address: "fe80::1/64" })).toEqual([
      "address replace fe80::1/64 dev pwisb914a7c60 nodad",
    ]);
  });
});

describe("what is removed", () => {
  test("the pod's slave while it is still on the host; the host's and the pod's are not its own lines' affair", () => {
    expect(removingLines(made)).toEqual(["link delete dev pw73862bcce73ee"]);
    expect(removingLines(hostSlave)).toEqual([]);
    expect(removingLines(inPod)).toEqual([]);
  });

  test("each route to the pod by itself, told apart from the others to it, because the slave stays", () => {
    const lines = [
      { ...route, source: "192.0.2.1" },
      { ...route, priority: 1 },
    ].map(detachingLines);
    expect(new Set(lines.flat()).size).toBe(2);
    for (const line of lines.flat()) {
      expect(line).toMatch(/^route delete 10\.244\.1\.7\/32 dev pwisb914a7c60 proto 119/);
    }
  });

  test("no address of the host's slave: other pods have the same gateway", () => {
    const gateway = { kind: "address", where: "host", link: hostSlave.name, address: "fe80::1/64" } as const;
    expect(detachingLines(gateway)).toEqual([]);
    expect(detachingLines(hostSlave)).toEqual([]);
  });
});

test("an object is on its link, and a link on itself", () => {
  expect(linkOf(hostSlave)).toBe("pwisb914a7c60");
  expect(linkOf(route)).toBe("pwisb914a7c60");
});
