// A dual-stack pod's plan, a kernel that is as planned, and what verify finds after a change to it.
import { expect } from "vitest";
import { veth } from "../../src/datapath/veth.ts";
import { verify } from "../../src/plan/verify.ts";
import { ipv4, ipv6, wiring } from "../datapath/wiring.ts";
import { type KernelState, kernelAsPlanned, observed } from "./kernel-state.ts";

export const { plan } = veth.wire(
  wiring({
    ips: [ipv4, ipv6],
    routes: [
      { dst: "0.0.0.0/0" },
      { dst: "::/0", mtu: 1400 },
      { dst: "192.0.2.0/24", scope: 253, priority: 9 },
      { dst: "198.51.100.0/24", advmss: 1360, table: 100 },
    ],
    ipMasq: true,
  }),
);
export const hostLink = plan[0]?.kind === "link" ? plan[0].name : expect.fail("a plan begins with its link");

/** What verify finds after one change of an otherwise right kernel. */
export function differencesAfter(change: (state: KernelState) => unknown) {
  const state = kernelAsPlanned(plan);
  change(state);
  return verify(plan, observed(state));
}

export const get = <T>(value: T | undefined): T =>
  value ?? expect.fail("the state has what is to be changed");
export const pod = (state: KernelState) => get(state.pod.links["eth0"]);
export const host = (state: KernelState) => get(state.host.links[hostLink]);
export const podRoute = (state: KernelState, dst: string) =>
  get(pod(state).routes.find((route) => route.dst === dst));
