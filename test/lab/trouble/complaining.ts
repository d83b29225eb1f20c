// Tests that must fail, run by trouble-guest.test.ts in a vitest of their own: their guest's kernel really complains,
// and then panics, while they themselves are content. Their results are what is tested.
import { expect, test } from "vitest";
import { sharedLab } from "../fixture/shared-lab.ts";

const name = process.env["LAB_NAME"];
if (name === undefined) throw new Error("no LAB_NAME");
const lab = sharedLab({ name, nodes: 1 });

/** Makes a stock kernel warn: pktgen enters a device under its own control file's name into /proc a second time. */
const warn = `
modprobe pktgen
ip link add pgctrl type dummy
ip link set pgctrl up
echo add_device pgctrl > /proc/net/pktgen/kpktgend_0 || true`;

test("a test during which the kernel warns", async () => {
  await lab.node1.sh(warn);
});

test("a test after it", async () => {
  expect(await lab.node1.run("hostname")).toBe("node1");
});

test("a test that expects a panic to go unnoticed", async () => {
  await lab.node1.sh("echo c > /proc/sysrq-trigger; sleep 60").catch(() => {});
});
