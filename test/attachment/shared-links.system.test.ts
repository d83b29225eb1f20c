// When a link that attachments share goes, and when it stays.
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { formatIdentity, ownIdentity } from "../../src/linux/process.ts";
import { cannotMakeNodes } from "../cli/root.ts";
import { succeed } from "../fixture/calls.ts";
import { announcements, config, link, sharingNode } from "./shared-links-node.ts";

describe.skipIf(cannotMakeNodes("shared links"))("a link that attachments share", () => {
  const host = sharingNode();
  const del = (container: string) => succeed(host.node, { verb: "DEL", container, netns: "", config });
  const gc = (...kept: readonly string[]) => {
    const valid = kept.map((containerID) => ({ containerID, ifname: "eth0" }));
    return succeed(host.node, { verb: "GC", config: { ...config, "cni.dev/valid-attachments": valid } });
  };

  const change = (name: string, changes: object) => {
    const record = JSON.parse(fs.readFileSync(host.recordOf(name), "utf8"));
    fs.writeFileSync(host.recordOf(name), JSON.stringify({ ...record, ...changes }));
  };
  /** Gives one that vanished its netns back. */
  const revive = async (name: string) => {
    await host.node.addPod(name);
    const path = `/run/netns/${name}`;
    const [device, inode] = (await host.node.run("stat", "-L", "-c", "%d %i", path)).split(" ").map(Number);
    change(name, { netns: { path, identity: { device, inode } } });
  };

  test("is removed by the DEL of the last one, not by one before", async () => {
    await host.vanished("pod1", "10.244.1.2");
    await host.vanished("pod2", "10.244.1.3");
    await del("pod1");
    expect(await host.routes()).toEqual(["10.244.1.3"]);
    await del("pod2");
    expect(await host.hasLink()).toBe(false);
    expect(fs.readdirSync(host.node.file(announcements))).toEqual([]);
  });

  test("does not take the announced removal of a link for its own whose name begins with its name", async () => {
    await host.vanished("pod1", "10.244.1.2");
    const other = path.join(host.node.file(announcements), `${link}.100.${formatIdentity(ownIdentity())}`);
    fs.mkdirSync(path.dirname(other), { recursive: true });
    fs.writeFileSync(other, "");
    await del("pod1");
    expect(fs.existsSync(other)).toBe(true);
  });

  test("keeps the route of a pod that has the address of one whose ADD was killed when it had released that", async () => {
    await host.vanished("pod1", "10.244.1.2");
    change("pod1", { state: "adding" });
    await host.node.run("ip", "route", "delete", "10.244.1.2");
    await host.vanished("pod2", "10.244.1.2");
    await revive("pod2");
    await del("pod1");
    expect(await host.routes()).toEqual(["10.244.1.2"]);
    await del("pod2");
    expect(await host.hasLink()).toBe(false);
  });

  test("does not keep the route of a pod for the record of a dead one that had the address before", async () => {
    await host.vanished("dead", "10.244.1.2");
    await host.node.run("ip", "route", "delete", "10.244.1.2");
    await host.vanished("pod1", "10.244.1.2");
    change("pod1", { state: "adding" });
    await del("pod1");
    expect(await host.routes()).toEqual([""]);
  });

  test("is removed by GC with the last pod that vanished", async () => {
    await host.vanished("pod1", "10.244.1.2");
    await gc();
    expect(await host.hasLink()).toBe(false);
  });

  test("is removed by GC where every record was lost, with the routes of nobody", async () => {
    await host.addRoute("10.244.1.2");
    await host.addRoute("10.244.1.3");
    await gc();
    expect(await host.hasLink()).toBe(false);
  });

  test("stays at the DEL of a pod that nothing is known of, for others may live without a record, until GC", async () => {
    await host.addRoute("10.244.1.2");
    await del("pod1");
    expect(await host.routes()).toEqual(["10.244.1.2"]);
    await gc();
    expect(await host.hasLink()).toBe(false);
  });

  test("stays while a record says that it is needed, without the routes of nobody", async () => {
    await host.vanished("pod1", "10.244.1.2");
    await host.addRoute("10.244.1.3");
    await gc("pod1");
    expect(await host.routes()).toEqual(["10.244.1.2"]);
    await host.node.run("ip", "route", "delete", "10.244.1.2");
    await gc("pod1");
    expect(await host.hasLink()).toBe(true);
  });

  test("stays for a pod of another network", async () => {
    await host.vanished("pod1", "10.244.1.2");
    await host.vanished("pod2", "10.245.1.2");
    fs.mkdirSync(host.node.file("/var/lib/podwire/othernet"));
    const other = JSON.parse(fs.readFileSync(host.recordOf("pod2"), "utf8"));
    const file = host.node.file("/var/lib/podwire/othernet/pod2:eth0.json");
    fs.writeFileSync(file, JSON.stringify({ ...other, network: "othernet" }));
    fs.rmSync(host.recordOf("pod2"));
    await gc();
    expect(await host.routes()).toEqual(["10.245.1.2"]);
  });

  test("stays while there is a record that cannot be read: it may be the one that needs it", async () => {
    await host.vanished("pod1", "10.244.1.2");
    fs.truncateSync(host.recordOf("pod1"), 100);
    await gc("pod1");
    expect(await host.routes()).toEqual(["10.244.1.2"]);
  });

  test("stays where somebody else routes by it", async () => {
    await host.addRoute("10.244.1.2", "static");
    await gc();
    expect(await host.routes()).toEqual(["10.244.1.2"]);
  });
});
