// This node, for the commands of `podwire bypass`.
import { type Host, thisHost } from "../../bypass/host.ts";
import { commandKernel } from "../command-kernel.ts";

export function commandHost(): Host {
  const { searchPath, deadline } = commandKernel();
  return thisHost(searchPath, deadline);
}
