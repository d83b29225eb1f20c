// For former-ovs.system.test.ts, on a test node: remembers what the overlay has in Open vSwitch, runs a script that changes it, and puts
// it back.
import { execFileSync } from "node:child_process";
import { defaultDatabase } from "../../../src/linux/ovs/ovs.ts";
import { tunnelPort } from "../../../src/overlay/ovs-tunnel.ts";
import { overlayDevices } from "../../../src/overlay/registry.ts";
import { ovsMemory } from "../../../src/plan/ovs/former.ts";

const [script = ""] = process.argv.slice(2);
const kernel = { searchPath: process.env["PATH"], deadline: AbortSignal.timeout(60_000) };
const scope = { devices: overlayDevices, ports: [tunnelPort], databases: [defaultDatabase] };
const memory = ovsMemory(scope, kernel);
await memory.remember();
execFileSync("sh", ["-ec", script], { stdio: "inherit" });
console.log(JSON.stringify(await memory.putBack([], kernel)));
