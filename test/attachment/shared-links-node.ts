// A test node with a link that attachments share. One end of a veth pair stands in for the host's slave, because not
// every kernel has ipvlan: nothing here depends on its kind. test/lab/cases has the real ones.
import fs from "node:fs";
import { afterEach, beforeEach } from "vitest";
import type { AttachmentRecord } from "../../src/attachment/record.ts";
import { ipvlan } from "../../src/datapath/ipvlan.ts";
import { bootId } from "../../src/linux/process.ts";
import { inMode, master, settings } from "../datapath/ipvlan-wiring.ts";
import { network } from "../fixture/calls.ts";
import { startNode, type TestNode } from "../fixture/node.ts";

export const config = network();
export const link = "pwisb914a7c60";
export const announcements = "/var/lib/podwire/.removing-links";

export interface SharingNode {
  /** Only inside of tests and hooks. */
  readonly node: TestNode;
  hasLink(): Promise<boolean>;
  /** Destinations of the link's routes. */
  routes(): Promise<(string | undefined)[]>;
  addRoute(address: string, protocol?: string): Promise<void>;
  /** What is left of a pod that was added and whose netns is gone: its record, and its route by the link. */
  vanished(containerID: string, address: string): Promise<void>;
  recordOf(containerID: string): string;
}

/** For the top of a test file. */
export function sharingNode(): SharingNode {
  let node: TestNode;
  beforeEach(async () => {
    node = await startNode();
    await node.run("ip", "link", "add", link, "type", "veth", "peer", "name", "slavepeer");
    await node.run("ip", "link", "set", "slavepeer", "up");
    await node.run("ip", "link", "set", link, "up");
  });
  afterEach(async () => node.stop());
  const recordOf = (containerID: string) => node.file(`/var/lib/podwire/podnet/${containerID}:eth0.json`);
  const addRoute = async (address: string, protocol = "119") => {
    await node.run("ip", "route", "add", `${address}/32`, "dev", link, "proto", protocol, "scope", "link");
  };
  return {
    get node() {
      return node;
    },
    hasLink: async () => (await node.attempt("ip", ["link", "show", "dev", link])).exitCode === 0,
    routes: async () =>
      (await node.run("ip", "route", "show", "dev", link)).split("\n").map((line) => line.split(" ")[0]),
    addRoute,
    vanished: async (containerID, address) => {
      fs.mkdirSync(node.file("/var/lib/podwire/podnet"), { recursive: true });
      fs.writeFileSync(recordOf(containerID), JSON.stringify(recordFor(containerID, address)));
      await addRoute(address);
    },
    recordOf,
  };
}

function recordFor(containerID: string, address: string): AttachmentRecord {
  const ips = [{ address: `${address}/24` }];
  const slaveless = settings("l3s", { master: { ...master, addresses: [] } });
  const wired = ipvlan.wire(inMode("l3s", { containerID, ips, ipvlan: slaveless }));
  return {
    format: 1,
    network: "podnet",
    containerID,
    ifname: "eth0",
    state: "ready",
    writer: { pid: 1, startTime: "1", pidNamespace: "pid:[1]" },
    bootId: bootId(),
    createdAt: "2026-01-01T00:00:00.000Z",
    netns: { path: `/run/netns/${containerID}`, identity: { device: 1, inode: 2 } },
    datapath: "ipvlan",
    rawConfig: config,
    args: "",
    plan: wired.plan,
    interfaces: wired.interfaces,
    ips: wired.ips,
    leased: ips,
  };
}
