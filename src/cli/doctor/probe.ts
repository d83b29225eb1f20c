// `podwire doctor --probe PEER`: whether packets of full size reach a peer on the tunnel's port. It sends what the tunnel would
// send, to a port of the peer that nobody listens on: the peer's answer that it is unreachable, which comes back through the
// tunnel, is the proof. Nothing has to run on the peer but its overlay.
import { firstIp, formatIp, formatPrefix, type Ip, parseIp, parsePrefix } from "../../address/ip.ts";
import { ipAsk } from "../../linux/ip.ts";
import type { DeclaredOverlay } from "../../node/declared.ts";
import type { Desired } from "../../node/overlay.ts";
import { routesOnward } from "../../plan/dead-end.ts";
import type { Plan, Route } from "../../plan/plan.ts";
import { commandKernel } from "../command-kernel.ts";
import { type Finding, fault, fine, unchecked } from "./finding.ts";
import { pingShot } from "./ping.ts";
import { closedPort, directShot, type Shot, type Ways, waysByTunnel } from "./shots.ts";
import { judgeStt } from "./stt-path.ts";
import { driverOf, remotes, tunnelOf, wrappingLink } from "./wrapping.ts";

/** Of a search for the largest size that passes. */
const steps = 7;

export async function probe(wanted: string, declared: DeclaredOverlay, desired: Desired): Promise<Finding[]> {
  const check = `probe of ${wanted}`;
  const route = routeTo(wanted, desired);
  if (route === undefined) {
    return [
      unchecked(
        check,
        "no route of the overlay leads there; give a peer's name or address, or a prefix of its pods",
      ),
    ];
  }
  const remote = remotes(desired.plan)(route);
  const target = parseIp(remote ?? route.gateway ?? "");
  if (target === undefined) return [unchecked(check, "its route has no address to send to")];
  const ways =
    remote === undefined
      ? { inner: { to: target }, byHand: directShot(target) }
      : waysByTunnel(route, target, desired, declared.config);
  if (ways === undefined) {
    return [
      unchecked(
        check,
        "this node's own prefixes are not known, so the peer could not answer through the tunnel",
      ),
    ];
  }
  return [await judge(check, ways, target, declared, desired)];
}

const breaks = "pods do not reach those of that node";
const small = 200;

async function judge(
  check: string,
  ways: Ways,
  target: Ip,
  declared: DeclaredOverlay,
  desired: Desired,
): Promise<Finding> {
  const { underlay, plan, device, mtu } = desired;
  const port = describePort(plan);
  const first = ways.byHand ?? ways.byDevice;
  if (!(await first(small))) return judgeSilence(check, ways.inner, target, declared, desired);
  if (ways.byHand === undefined) {
    // First, for what tries the path teaches the kernel how large its own packets may be.
    const isLargestAnswered = await ways.byDevice(mtu);
    const direct = directShot(target);
    const path = (await direct(small)) ? await largestWhole(direct, target, underlay.mtu) : undefined;
    return judgeStt(check, { port, mtu, isLargestAnswered, path, underlay });
  }
  const { byHand, byDevice } = ways;
  if (byDevice !== undefined && !(await byDevice(small))) {
    return spoilt(check, port, wrappingLink(plan, device ?? ""));
  }
  const largest = await largestWhole(byHand, target, underlay.mtu);
  if (largest >= underlay.mtu)
    return fine(check, `fine: packets of ${underlay.mtu} bytes are answered on ${port}`);
  return fault(
    check,
    `MTU too small: of the ${underlay.mtu} bytes of ${underlay.link} only about ${largest} arrive`,
    "small packets pass and large ones are lost: connections open and then hang",
    `set overlay.mtu so that pods' packets fit, or give the path between the nodes the MTU of ${underlay.link}`,
  );
}

/** Of a peer that answers no datagram: its firewall may drop them, where pods' packets are not for the peer itself. */
async function judgeSilence(
  check: string,
  { from, to }: Ways["inner"],
  target: Ip,
  { config }: DeclaredOverlay,
  { plan, mtu }: Desired,
): Promise<Finding> {
  const port = describePort(plan);
  const byPing = pingShot(to, from);
  if (await byPing(small)) {
    if (await byPing(mtu)) {
      return fine(check, `fine: pings of ${mtu} bytes are answered, although UDP port ${closedPort} is not`);
    }
    return fault(
      check,
      `large packets are lost: small pings are answered, those of ${mtu} bytes are not`,
      "connections open and then hang",
      "see that nothing between the nodes drops large packets or fragments, and that the peer's overlay.mtu is the same",
    );
  }
  const isAlive =
    config.type !== "host-gw" && ((await directShot(target)(small)) || (await pingShot(target)(small)));
  const found = isAlive
    ? `blocked: the peer answers, but not on ${port}`
    : "blocked: no answer, not even without the tunnel";
  const fix = isAlive
    ? `allow ${port} between the nodes, see that podwire apply has run on the peer and that this node is among its peers`
    : `see that the peer is up and reachable, and that no firewall is between; one that lets in neither UDP port ${closedPort} ` +
      "nor pings looks the same";
  return fault(check, found, breaks, fix);
}

/** The only difference is who makes the packet's header and its checksums. */
function spoilt(check: string, port: string, device: string): Finding {
  return fault(
    check,
    `wrong checksums: packets made by hand are answered on ${port}, those of ${device} are not`,
    breaks,
    `ethtool -K ${device} tx-checksum-ip-generic off on both nodes; if that is no cure, see what podwire apply finds to ` +
      "change on them, and which rules of a firewall drop what the kernel sends itself",
  );
}

function describePort(plan: Plan): string {
  const tunnel = tunnelOf(plan);
  if (tunnel === undefined) return "UDP";
  return `${driverOf(tunnel) === "stt" ? "TCP" : "UDP"} port ${tunnel.port}`;
}

/** The largest packet that arrives, at most `most`; a small one does. */
async function largestWhole(shot: Shot, target: Ip, most: number): Promise<number> {
  const known = await pathMtu(target);
  const passes = (known ?? most) >= most && (await shot(most));
  // What was tried again after a router's complaint went out in fragments.
  const learnt = (await pathMtu(target)) ?? most;
  if (learnt < most) return learnt;
  return passes ? most : search(shot, small, most);
}

async function search(shot: Shot, passes: number, fails: number): Promise<number> {
  let [low, high] = [passes, fails];
  for (let step = 0; step < steps; step++) {
    const middle = Math.floor((low + high) / 2);
    if (await shot(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** By the peer's name or address, or by a prefix of its pods or the first address of one. */
function routeTo(text: string, { plan, peers }: Desired): Route | undefined {
  const wanted = peers.find(({ node }) => node === text)?.addressText ?? canonical(text);
  const ipv4First = routesOnward(plan).toSorted(
    (a, b) => Number(a.dst.includes(":")) - Number(b.dst.includes(":")),
  );
  const remoteOf = remotes(plan);
  return ipv4First.find((route) => [route.dst, route.gateway, remoteOf(route)].includes(wanted));
}

function canonical(text: string): string {
  const [ip, prefix] = [parseIp(text), parsePrefix(text)];
  if (ip !== undefined) return formatIp(ip);
  return prefix === undefined ? text : formatPrefix({ ...prefix, ip: firstIp(prefix) });
}

/** What the kernel has learnt of the path from a router's complaint. */
async function pathMtu(target: Ip): Promise<number | undefined> {
  const [answer] = await ipAsk("host", [`route get ${formatIp(target)}`], commandKernel());
  const [route] = (answer ?? []) as { metrics?: { mtu?: number }[] }[];
  return route?.metrics?.find(({ mtu }) => mtu !== undefined)?.mtu;
}
