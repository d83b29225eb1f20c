// A call as the verbs get it, for functions that look at parts of it.
import type { Call } from "../../src/attachment/call.ts";
import { parseCniArgs } from "../../src/cni/args.ts";
import { parseNetwork } from "../../src/config/load.ts";

interface Changes {
  readonly config?: Readonly<Record<string, unknown>>;
  readonly args?: string;
  readonly PATH?: string;
}

export function call({ config = {}, args = "", PATH }: Changes = {}): Call {
  const rawConfig = { name: "podnet", type: "podwire", ipam: { type: "host-local" }, ...config };
  const quiet = () => {};
  return {
    config: parseNetwork(rawConfig),
    rawConfig,
    version: "1.1.0",
    environment: {
      verb: "ADD",
      containerID: "pod1",
      netns: "/run/netns/pod1",
      ifname: "eth0",
      args,
      path: [],
      variables: PATH === undefined ? {} : { PATH },
    },
    args: parseCniArgs(args),
    deadline: AbortSignal.timeout(30_000),
    undoDeadline: AbortSignal.timeout(30_000),
    log: { error: quiet, warn: quiet, info: quiet, debug: quiet },
  };
}
