// The daemon that the reference IPAM plugin dhcp asks for leases, on a test node; ends with the test.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { referencePluginDir, type TestNode } from "../fixture/node.ts";

export async function startDhcpDaemon(node: TestNode): Promise<{ stop(): Promise<void> }> {
  mkdirSync(node.file("/run/cni"), { recursive: true });
  const enter = ["--pdeathsig", "KILL", "nsenter", "-t", String(node.pid), "-m", "-n", "--"];
  const daemon = spawn("setpriv", [...enter, `${referencePluginDir}/dhcp`, "daemon"], { stdio: "ignore" });
  while (!existsSync(node.file("/run/cni/dhcp.sock"))) {
    if (daemon.exitCode !== null) throw new Error(`the DHCP daemon ended at once (${daemon.exitCode})`);
    await sleep(20);
  }
  return {
    stop: async () => {
      if (daemon.exitCode !== null || daemon.signalCode !== null) return;
      daemon.kill("SIGKILL");
      await once(daemon, "exit");
    },
  };
}
