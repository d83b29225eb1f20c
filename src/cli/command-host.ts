// This node, for commands that work on kernel modules.
import { type Host, hostOf } from "../kernel-module/host.ts";
import { commandKernel } from "./command-kernel.ts";

export function commandHost(timeoutMs?: number): Host {
  return hostOf(commandKernel(timeoutMs));
}
