// What is taken for an attachment's record, and what for a file that podwire could not have written whole.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type AttachmentRecord, readRecordFile } from "../../src/attachment/record.ts";
import { veth } from "../../src/datapath/veth.ts";
import { wiring } from "../datapath/wiring.ts";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "podwire-record-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

const name = { network: "podnet", containerID: "pod1", ifname: "eth0" };
const { plan, interfaces, ips } = veth.wire(wiring({ ipMasq: true }));
const whole: AttachmentRecord = {
  format: 1,
  ...name,
  state: "ready",
  writer: { pid: 1, startTime: "1", pidNamespace: "pid:[1]" },
  bootId: "00000000-0000-0000-0000-000000000000",
  createdAt: "2026-01-01T00:00:00.000Z",
  netns: { path: "/run/netns/pod1", identity: { device: 1, inode: 2 } },
  datapath: "veth",
  rawConfig: { name: "podnet", type: "podwire", ipam: { type: "host-local" } },
  args: "",
  plan,
  interfaces,
  ips,
  leased: ips,
};

function stored(text: string): unknown {
  const file = path.join(directory, "record");
  fs.writeFileSync(file, text);
  return readRecordFile(file, name)?.stored;
}

describe("a record", () => {
  test("is read as it was written", () => {
    expect(stored(JSON.stringify(whole))).toEqual(whole);
    expect(stored(JSON.stringify({ ...whole, plan: [] }))).toEqual({ ...whole, plan: [] });
  });

  test("that is not there is none", () => {
    expect(readRecordFile(path.join(directory, "nothing"), name)).toBeUndefined();
  });

  test("is torn at any length but its whole", () => {
    const text = JSON.stringify(whole);
    const lengths = Array.from({ length: text.length }, (_, length) => length);
    expect(lengths.filter((length) => stored(text.slice(0, length)) !== "torn")).toEqual([]);
  });

  test.each([
    { format: 2 },
    { network: "othernet" },
    { containerID: "pod2" },
    { ifname: "eth1" },
    { writer: undefined },
    { writer: {} },
    { netns: undefined },
    { netns: { identity: { device: 1, inode: 2 } } },
    { args: undefined },
    { rawConfig: undefined },
    { rawConfig: null },
    { rawConfig: {} },
    { rawConfig: { ipam: null } },
    { rawConfig: { ipam: {} } },
    { rawConfig: { ipam: { type: 7 } } },
    { plan: undefined },
    { plan: {} },
    { plan: [null] },
    { plan: [{ kind: "tunnel" }] },
  ])("is torn with %j", (changes) => {
    expect(stored(JSON.stringify({ ...whole, ...changes }))).toBe("torn");
  });

  test.each(["null", "7", "[]", '"record"', "\0\0\0"])("is torn if it is %j", (text) => {
    expect(stored(text)).toBe("torn");
  });
});
