// Renews the lease of the bypass, if podwire's own setting has one: when podwire stops, or cannot tell any more whether the rules
// allow it, nothing is bypassed any more.
import { renewBypass } from "../bypass/control.ts";
import { toCniError } from "../cni/error.ts";
import { hostOf } from "../kernel-module/host.ts";
import { deservesLease, presentModule, readBypassRecord } from "./bypass-record.ts";

const lookMs = 1000;
/** Of a lease: two renewals may fail. */
const part = 3;

export function keepLease(searchPath: string | undefined, say: (message: string) => void): { stop(): void } {
  let renewedAt = Number.NEGATIVE_INFINITY;
  let fault: string | undefined;
  const renew = async () => {
    const record = readBypassRecord();
    if (record === undefined || !deservesLease(record)) return;
    const { lease, generation, module } = record;
    const isDue = performance.now() - renewedAt >= (lease * 1000) / part;
    if (lease === 0 || generation === undefined || module !== presentModule() || !isDue) return;
    renewedAt = performance.now();
    const deadline = AbortSignal.timeout(Math.ceil((lease * 1000) / part));
    await renewBypass(hostOf({ searchPath, deadline }), generation);
    fault = undefined;
  };
  const look = async () => {
    try {
      await renew();
    } catch (error) {
      const found = toCniError(error).details;
      if (found !== fault) say(`the lease of the bypass cannot be renewed: ${found}`);
      fault = found;
    }
  };
  const looking = setInterval(() => void look(), lookMs);
  return { stop: () => clearInterval(looking) };
}
