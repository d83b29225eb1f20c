// What is worked on again when one of many peers changes: that one, whatever else is in the file.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PeerConfig } from "../../src/config/overlay.ts";
import { peerEntries } from "../../src/node/peers-file.ts";
import { placePeers } from "../../src/node/placement.ts";
import type { OverlayType } from "../../src/overlay/overlay.ts";
import { checkPeers, type PeerEntry } from "../../src/overlay/peers.ts";
import { overlays } from "../../src/overlay/registry.ts";
import { amendment } from "../../src/plan/amend.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { n3 as far, n2, request } from "./request.ts";

const n3 = { ...far, address: "192.0.2.3" };
const n4 = { node: "n4", address: "192.0.2.4", podCIDRs: ["10.244.4.0/24"] };

let directory: string;
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "podwire-peers-"));
});
afterAll(() => fs.rmSync(directory, { recursive: true }));

function read(peers: readonly unknown[], before?: readonly PeerEntry[]): PeerEntry[] {
  const file = path.join(directory, "peers.json");
  fs.writeFileSync(file, JSON.stringify(peers));
  return peerEntries({ type: "vxlan", peersFile: file }, before);
}

async function planOf(type: OverlayType, entries: readonly PeerEntry[]): Promise<Plan> {
  const given = request({ type });
  const { link, mtu } = given.underlay;
  const addresses = [{ local: "192.0.2.1", prefixlen: 24, scope: "0" }];
  const links = [{ ifname: link, mtu, addr_info: addresses }];
  const checked = checkPeers(entries, [], new Set(["192.0.2.1"]));
  const kernel = { searchPath: "", deadline: new AbortController().signal };
  const { peers } = await placePeers(checked.peers, given.underlay, links, kernel);
  return overlays[type].plan({ ...given, peers }).plan;
}

describe.each<OverlayType>(["vxlan", "geneve", "host-gw"])(
  "a list of peers that was read before, for %s",
  (type) => {
    const changes: [string, PeerConfig[], RegExp][] = [
      ["a new peer", [n2, n3, n4], /10\.244\.4\.0/],
      ["another prefix of a peer", [n2, { ...n3, podCIDRs: ["10.244.9.0/24"] }], /10\.244\.[39]\.0/],
      ["another address of a peer", [n2, { ...n3, address: "192.0.2.9" }], /10\.244\.3\.0/],
      ["a peer that went, and another order", [n3], /10\.244\.2\.0/],
    ];
    test.each(changes)("with %s changes what belongs to that peer alone", async (_, after, expected) => {
      const before = read([n2, n3]);
      const plan = await planOf(type, before);
      const next = await planOf(type, read(after, before));
      const found = amendment(plan, next);
      expect(found?.changes.length).toBeGreaterThan(0);
      for (const { line } of found?.changes ?? []) expect(line).toMatch(expected);
    });

    test("is the same plan again, object by object, in whatever order keys and peers are", async () => {
      const before = read([n2, n3]);
      const plan = await planOf(type, before);
      const turned = [n3, n2].map(({ podCIDRs, address, node }) => ({ podCIDRs, address, node }));
      const next = await planOf(type, read(turned, before));
      const kinds = ["route", "neighbour"];
      const own = plan.filter((object) => kinds.includes(object.kind) && !("isDeadEnd" in object));
      expect(own.length).toBeGreaterThan(0);
      const others = new Set(next);
      expect(own.filter((object) => !others.has(object))).toEqual([]);
    });
  },
);

describe("peers behind a router", () => {
  const given = request({ type: "vxlan" });
  const links = [
    { ifname: "eth0", mtu: 1500, addr_info: [{ local: "192.0.2.1", prefixlen: 24, scope: "0" }] },
  ];
  const farAway = Array.from({ length: 3 }, (_, index) => ({
    node: `n${index}`,
    address: `198.51.100.${index}`,
    podCIDRs: [],
  }));

  /** Answers each question with a route by a router, and notes them. */
  function fakeIp(): { kernel: Parameters<typeof placePeers>[3]; asked(): string[] } {
    const log = path.join(directory, "questions");
    const answer = `case "$line" in *get*) echo '[{"dev":"eth0","gateway":"192.0.2.254"}]';; *) echo '[]';; esac`;
    const script = `#!/bin/sh\nwhile read -r line; do echo "$line" >> ${log}; ${answer}; done\n`;
    fs.writeFileSync(path.join(directory, "ip"), script, { mode: 0o755 });
    return {
      kernel: { searchPath: directory, deadline: new AbortController().signal },
      asked: () => {
        const lines = fs.existsSync(log) ? fs.readFileSync(log, "utf8").trim().split("\n") : [];
        fs.rmSync(log, { force: true });
        return lines;
      },
    };
  }

  test("are asked about once, until something was said of routes or addresses", async () => {
    const { kernel, asked } = fakeIp();
    const before = read([...farAway, n2]);
    const place = (entries: readonly PeerEntry[], isKnown: boolean) =>
      placePeers(checkPeers(entries, [], new Set()).peers, given.underlay, links, kernel, isKnown);
    const first = await place(before, false);
    expect(asked()).toEqual([
      "route show table all root 192.0.2.0/24",
      ...farAway.map(({ address }) => `route get ${address}`),
    ]);
    const more = read([...farAway, n2, far], before);
    const second = await place(more, true);
    expect(asked()).toEqual(["route get 198.51.100.3"]);
    expect(second.peers.slice(0, 4)).toEqual(first.peers);
    expect(second.peers.map(({ onLink }) => onLink)).toEqual([false, false, false, true, false]);
    await place(more, false);
    expect(asked()).toHaveLength(5);
  });
});

describe("a file that was read before", () => {
  test("is refused for a peer that is bad now, named with its place in the whole", () => {
    const before = read([n2, n3]);
    expect(() => read([n2, n3, { ...n4, podCIDRs: ["10.244.4.0"] }], before)).toThrow(
      expect.objectContaining({ details: expect.stringMatching(/2\.podCIDRs\.0.*this is peer n4/) }),
    );
    expect(() => read([n2, { ...n3, podCIDRs: String(n3.podCIDRs) }], before)).toThrow(
      expect.objectContaining({ details: expect.stringMatching(/1\.podCIDRs .*this is peer n3/) }),
    );
    expect(() => read([n2, { ...n3, more: 1 }], before)).toThrow(
      expect.objectContaining({ details: expect.stringContaining("1.more") }),
    );
    expect(() => read([null], before)).toThrow();
  });

  test("is refused for a peer that is in it twice", () => {
    const before = read([n2, n3]);
    expect(() => checkPeers(read([n2, n3, n3], before), [], new Set())).toThrow(
      expect.objectContaining({ details: expect.stringMatching(/: 2\.address.*: 1\)/) }),
    );
  });
});
