// `ovs-ofctl monitor` of a bridge's flows, in a version of OpenFlow that the bridge speaks. A bridge of others may have 1.0 turned off,
// by which every ovs-ofctl can; only those of Open vSwitch 3.0 and newer can by others, and older ones hear nothing if they try.
import type { Kernel } from "./kernel.ts";
import { type BridgeName, flowMonitorWords } from "./ovs/ovs.ts";
import { type Talker, talk } from "./talk.ts";

/** `hear` gets each line: first those of the flows that are there, then of those that change. */
export function talkOfFlows(
  at: BridgeName,
  kernel: Pick<Kernel, "searchPath">,
  hear: (line: string) => void,
): Talker {
  let talker = talk("ovs-ofctl", flowMonitorWords(at), kernel, hear);
  let isStopped = false;
  const ended = talker.ended.then((reason) => {
    if (isStopped || !reason.includes("version negotiation failed")) return reason;
    talker = talk("ovs-ofctl", flowMonitorWords(at, "newer"), kernel, hear);
    return talker.ended;
  });
  return {
    ended,
    stop: () => {
      isStopped = true;
      talker.stop();
    },
  };
}
