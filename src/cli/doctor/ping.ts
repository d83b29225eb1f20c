// Pings, as proof where a peer's firewall lets in no datagram that could be answered: ordinary ones let in echo requests.
import { formatIp, type Ip } from "../../address/ip.ts";
import { programEnvironment } from "../../linux/kernel.ts";
import { findProgram } from "../../linux/programs.ts";
import { start } from "../../linux/run.ts";
import { commandKernel } from "../command-kernel.ts";
import { ipHeader, type Shot } from "./shots.ts";

const icmpHeader = 8;

/** Not answered where there is no such program. */
export function pingShot(target: Ip, from?: Ip): Shot {
  return async (size) => {
    const kernel = commandKernel();
    const program = findProgram("ping", kernel.searchPath);
    if (program === undefined) return false;
    const source = from === undefined ? [] : ["-I", formatIp(from)];
    const payload = String(size - ipHeader(target) - icmpHeader);
    const { exitCode } = await start({
      program,
      args: [
        "-n",
        "-q",
        "-c",
        "2",
        "-i",
        "0.2",
        "-W",
        "1",
        "-M",
        "do",
        "-s",
        payload,
        ...source,
        formatIp(target),
      ],
      environment: programEnvironment(kernel),
      deadline: kernel.deadline,
    }).finish("");
    return exitCode === 0;
  };
}
