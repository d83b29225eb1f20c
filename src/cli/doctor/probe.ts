// `podwire doctor --probe PEER`: whether packets of full size reach a peer on the tunnel's port. It sends what the tunnel would
// send, to a port of the peer that nobody listens on: the peer's answer that it is unreachable, which comes back through the
// tunnel, is the proof. Nothing has to run on the peer but its overlay.
import type { Socket } from "node:dgram";
import { formatIp, type Ip, parseIp } from "../../address/ip.ts";
import { ipAsk } from "../../linux/ip.ts";
import type { DeclaredOverlay } from "../../node/declared.ts";
import type { Desired } from "../../node/overlay.ts";
import { tunnelMac } from "../../overlay/mac.ts";
import type { Route } from "../../plan/plan.ts";
import { commandKernel } from "../command-kernel.ts";
import { type Finding, fault, fine, unchecked } from "./finding.ts";
import { leastPayload, tunnelPayload } from "./frames.ts";

/** traceroute's: nobody listens there. */
const closedPort = 33434;
const patienceMs = 1000;
const attempts = 2;
/** Of a search for the largest size that passes. */
const steps = 7;

/** Sends a packet with so many bytes of outer IP packet and tells whether it was answered. */
type Shot = (size: number) => Promise<boolean>;

export async function probe(wanted: string, declared: DeclaredOverlay, desired: Desired): Promise<Finding[]> {
  const check = `probe of ${wanted}`;
  const route = routeTo(wanted, desired);
  if (route === undefined) {
    return [
      unchecked(check, "no route of the overlay leads there; give a peer's address, or a prefix of its pods"),
    ];
  }
  const target = parseIp(route.encap?.remote ?? route.gateway ?? "");
  if (target === undefined) return [unchecked(check, "its route has no address to send to")];
  const shot = route.encap === undefined ? directShot(target) : tunnelShot(route, target, desired);
  if (shot === undefined) {
    return [
      unchecked(
        check,
        "this node's own prefixes are not known, so the peer could not answer through the tunnel",
      ),
    ];
  }
  return [await judge(check, shot, target, declared, desired)];
}

async function judge(
  check: string,
  shot: Shot,
  target: Ip,
  { config }: DeclaredOverlay,
  { underlay, plan }: Desired,
): Promise<Finding> {
  const link = plan.find((object) => object.kind === "link");
  const port = link?.kind === "link" && link.type.kind === "tunnel" ? `UDP port ${link.type.port}` : "UDP";
  const breaks = "pods do not reach those of that node";
  const small = 200;
  if (!(await shot(small))) {
    const isAlive = config.type !== "host-gw" && (await directShot(target)(small));
    const found = isAlive
      ? `blocked: the peer answers, but not on ${port}`
      : "blocked: no answer, not even without the tunnel";
    const fix = isAlive
      ? `allow ${port} between the nodes, see that podwire apply has run on the peer and that this node is among its peers`
      : "see that the peer is up and reachable, and that no firewall is between";
    return fault(check, found, breaks, fix);
  }
  const known = await pathMtu(target);
  if ((known ?? underlay.mtu) >= underlay.mtu && (await shot(underlay.mtu))) {
    return fine(check, `fine: packets of ${underlay.mtu} bytes are answered on ${port}`);
  }
  const largest = (await pathMtu(target)) ?? (await largestAnswered(shot, small, underlay.mtu));
  return fault(
    check,
    `MTU too small: of the ${underlay.mtu} bytes of ${underlay.link} only about ${largest} arrive`,
    "small packets pass and large ones are lost: connections open and then hang",
    `set overlay.mtu so that pods' packets fit, or give the path between the nodes the MTU of ${underlay.link}`,
  );
}

async function largestAnswered(shot: Shot, passes: number, fails: number): Promise<number> {
  let [low, high] = [passes, fails];
  for (let step = 0; step < steps; step++) {
    const middle = Math.floor((low + high) / 2);
    if (await shot(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** By the peer's address, an address or prefix of its pods. */
function routeTo(wanted: string, { plan }: Desired): Route | undefined {
  const routes = plan.filter((object) => object.kind === "route");
  const ipv4First = routes.toSorted((a, b) => Number(a.dst.includes(":")) - Number(b.dst.includes(":")));
  return ipv4First.find(({ dst, gateway, encap }) => [dst, gateway, encap?.remote].includes(wanted));
}

/** What the kernel has learnt of the path from a router's complaint. */
async function pathMtu(target: Ip): Promise<number | undefined> {
  const [answer] = await ipAsk("host", [`route get ${formatIp(target)}`], commandKernel());
  const [route] = (answer ?? []) as { metrics?: { mtu?: number }[] }[];
  return route?.metrics?.find(({ mtu }) => mtu !== undefined)?.mtu;
}

function ipHeader({ family }: Ip): number {
  return family === 4 ? 20 : 40;
}

/** Without a tunnel, from one socket to the peer itself. */
function directShot(target: Ip): Shot {
  return (size) =>
    withSocket(target, undefined, async (socket) => {
      const payload = Buffer.alloc(size - ipHeader(target) - 8);
      return answered(socket, () => socket.send(payload));
    });
}

/** The answer comes to a socket that has the addresses of the inner packet. */
function tunnelShot(route: Route, target: Ip, { plan, underlay }: Desired): Shot | undefined {
  const { encap, gateway = "" } = route;
  const device = plan.find((object) => object.kind === "link");
  const inner = parseIp(gateway);
  const own = plan.flatMap((object) =>
    object.kind === "address" ? (parseIp(object.address.replace(/\/.*/, "")) ?? []) : [],
  );
  const from = own.find(({ family }) => family === inner?.family);
  if (encap === undefined || inner === undefined || from === undefined) return undefined;
  if (device?.kind !== "link" || device.type.kind !== "tunnel") return undefined;
  const { driver, port } = device.type;
  return (size) =>
    withSocket(inner, from, async (listener) => {
      const room = Math.max(size - ipHeader(target) - 8, leastPayload(inner.family));
      const packet = {
        from,
        to: inner,
        fromMac: tunnelMac(underlay.local),
        toMac: tunnelMac(target),
        fromPort: listener.address().port,
        toPort: closedPort,
      };
      const sender = newSocket(target);
      try {
        sender.on("error", () => {});
        const payload = tunnelPayload(driver, encap.id, packet, room);
        return await answered(listener, () => sender.send(payload, port, formatIp(target)));
      } finally {
        sender.close();
      }
    });
}

function newSocket({ family }: Ip): Socket {
  const dgram = process.getBuiltinModule("node:dgram");
  return dgram.createSocket(family === 4 ? "udp4" : "udp6");
}

async function withSocket(
  target: Ip,
  from: Ip | undefined,
  use: (socket: Socket) => Promise<boolean>,
): Promise<boolean> {
  const socket = newSocket(target);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      const connect = () => socket.connect(closedPort, formatIp(target), resolve);
      if (from === undefined) connect();
      else socket.bind(0, formatIp(from), connect);
    });
    socket.removeAllListeners("error");
    return await use(socket);
  } finally {
    socket.close();
  }
}

/** "Connection refused" is what the kernel makes of the peer's answer. */
async function answered(socket: Socket, send: () => void): Promise<boolean> {
  let isAnswered = false;
  let wake = () => {};
  socket.on("error", (error: NodeJS.ErrnoException) => {
    isAnswered ||= error.code === "ECONNREFUSED";
    wake();
  });
  for (let attempt = 0; attempt < attempts && !isAnswered; attempt++) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, patienceMs);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
      send();
    });
  }
  return isAnswered;
}
