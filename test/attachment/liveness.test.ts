import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { hasHostLinks, hasNetns, isBeingAdded } from "../../src/attachment/liveness.ts";
import type { AttachmentRecord } from "../../src/attachment/record.ts";
import { veth } from "../../src/datapath/veth.ts";
import { bootId, ownIdentity } from "../../src/linux/process.ts";
import { wiring } from "../datapath/wiring.ts";

const { dev: device, ino: inode } = fs.statSync("/proc/self/ns/net");

function record(changes: Partial<AttachmentRecord> = {}): AttachmentRecord {
  return {
    format: 1,
    network: "podnet",
    containerID: "pod1",
    ifname: "eth0",
    state: "adding",
    writer: ownIdentity(),
    bootId: bootId(),
    createdAt: new Date().toISOString(),
    netns: { path: "/proc/self/ns/net", identity: { device, inode } },
    datapath: "veth",
    rawConfig: {},
    args: "",
    plan: [],
    interfaces: [],
    ips: [],
    leased: [],
    ...changes,
  };
}

describe("an attachment is being added", () => {
  const elsewhere = { ...ownIdentity(), pidNamespace: "pid:[1]" };
  const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString();

  test("while its writer lives, however long ago it began", () => {
    expect(isBeingAdded(record())).toBe(true);
    expect(isBeingAdded(record({ createdAt: ago(1_000_000) }))).toBe(true);
  });

  test.each<[string, Partial<AttachmentRecord>]>([
    ["has been added", { state: "ready" }],
    ["was begun before a reboot", { bootId: "00000000-0000-0000-0000-000000000000" }],
    ["had another writer of that number", { writer: { ...ownIdentity(), startTime: "1" } }],
    ["was begun elsewhere, a call and a little ago", { writer: elsewhere, createdAt: ago(66) }],
    [
      "was begun elsewhere, longer ago than its own call may take",
      { writer: elsewhere, createdAt: ago(16), rawConfig: { timeout: 10 } },
    ],
    [
      "was begun elsewhere, and its time is none",
      { writer: elsewhere, createdAt: ago(66), rawConfig: { timeout: "3600" } },
    ],
    ["was begun elsewhere at no time", { writer: elsewhere, createdAt: "yesterday" }],
  ])("no more when it %s", (_, changes) => {
    expect(isBeingAdded(record(changes))).toBe(false);
  });

  test("in another pid namespace as long as a call may take", () => {
    const began = (seconds: number, rawConfig = {}) =>
      isBeingAdded(record({ writer: elsewhere, createdAt: ago(seconds), rawConfig }));
    expect(began(59)).toBe(true);
    expect(began(9, { timeout: 10 })).toBe(true);
    expect(began(3599, { timeout: 3600 })).toBe(true);
  });
});

describe("a pod's netns exists", () => {
  test("while it is the same one, in this boot", () => {
    expect(hasNetns(record())).toBe(true);
    expect(hasNetns(record({ bootId: "00000000-0000-0000-0000-000000000000" }))).toBe(false);
    const replaced = { path: "/proc/self/ns/net", identity: { device, inode: inode + 1 } };
    expect(hasNetns(record({ netns: replaced }))).toBe(false);
    expect(hasNetns(record({ netns: { ...replaced, path: "/run/netns/nonexistent" } }))).toBe(false);
  });
});

describe("the host's links exist", () => {
  test("unless one is missing; a pod may have none", () => {
    const [link] = veth.wire(wiring()).plan;
    if (link?.kind !== "link") expect.fail("a plan begins with its link");
    expect(hasHostLinks([])).toBe(true);
    expect(hasHostLinks([link])).toBe(false);
    expect(hasHostLinks([{ ...link, name: "lo" }])).toBe(true);
    expect(hasHostLinks([{ ...link, name: "lo" }, link])).toBe(false);
    expect(hasHostLinks([{ ...link, name: "lo", where: "pod" }])).toBe(true);
  });
});
