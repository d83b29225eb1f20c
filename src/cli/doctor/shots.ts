// Packets that a peer answers with "port unreachable": made by hand, as a tunnel would send them, and by the tunnel itself.
import type { Socket } from "node:dgram";
import { formatIp, type Ip, parseIp } from "../../address/ip.ts";
import type { OverlayConfig } from "../../config/overlay.ts";
import type { Desired } from "../../node/overlay.ts";
import { tunnelMac } from "../../overlay/mac.ts";
import { defaultVni } from "../../overlay/tunnel.ts";
import type { Route } from "../../plan/plan.ts";
import { leastPayload, tunnelPayload } from "./frames.ts";
import { driverOf, tunnelOf } from "./wrapping.ts";

/** Sends an IP packet of so many bytes and tells whether it was answered. */
export type Shot = (size: number) => Promise<boolean>;

export type Ways = {
  /** From where to where pods' packets seem to go. */
  readonly inner: { readonly from?: Ip; readonly to: Ip };
} & (
  | /** The first are whole or not at all, by their size on the underlay. */
  { readonly byHand: Shot; readonly byDevice?: Shot }
  /** Nobody makes such a tunnel's packets by a socket. */
  | { readonly byHand?: undefined; readonly byDevice: Shot }
);

/** traceroute's: nobody listens there. */
export const closedPort = 33434;
/** What a firewall answers too; through a tunnel it can have come from the peer alone. */
const refusals = ["ECONNREFUSED", "EHOSTUNREACH", "EACCES"];
const patienceMs = 1000;
const attempts = 2;

export function ipHeader({ family }: Ip): number {
  return family === 4 ? 20 : 40;
}

/** Without a tunnel, from one socket to the peer itself. */
export function directShot(target: Ip): Shot {
  return (size) => withSocket(target, undefined, (socket) => emptyShot(socket, target, size));
}

/** The answer comes to a socket that has the addresses of the inner packet. */
export function waysByTunnel(
  { gateway = "" }: Route,
  target: Ip,
  { plan, underlay }: Desired,
  { vni = defaultVni }: OverlayConfig,
): Ways | undefined {
  const tunnel = tunnelOf(plan);
  const inner = parseIp(gateway);
  const own = plan.flatMap((object) =>
    object.kind === "address" ? (parseIp(object.address.replace(/\/.*/, "")) ?? []) : [],
  );
  const from = own.find(({ family }) => family === inner?.family);
  if (tunnel === undefined || inner === undefined || from === undefined) return undefined;
  const driver = driverOf(tunnel);
  const byDevice = deviceShot(inner, from);
  const ends = { from, to: inner };
  if (driver === "stt") return { inner: ends, byDevice };
  const byHand: Shot = (size) =>
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
        // Peers take packets from no other address.
        sender.bind(0, formatIp(underlay.local));
        const payload = tunnelPayload(driver, vni, packet, room);
        const send = () => sender.send(payload, tunnel.port, formatIp(target));
        return await answered(listener, send, refusals);
      } finally {
        sender.close();
      }
    });
  return { inner: ends, byHand, byDevice };
}

/**
 * The kernel wraps a packet of that size, and leaves checksums to whom it leaves them always. What goes into the tunnel whole may be
 * fragmented on the way.
 */
function deviceShot(inner: Ip, from: Ip): Shot {
  return (size) => withSocket(inner, from, (socket) => emptyShot(socket, inner, size, refusals));
}

function emptyShot(socket: Socket, target: Ip, size: number, answers?: readonly string[]): Promise<boolean> {
  const payload = Buffer.alloc(size - ipHeader(target) - 8);
  return answered(socket, () => socket.send(payload), answers);
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
async function answered(
  socket: Socket,
  send: () => void,
  answers: readonly string[] = ["ECONNREFUSED"],
): Promise<boolean> {
  let isAnswered = false;
  let wake = () => {};
  socket.on("error", (error: NodeJS.ErrnoException) => {
    isAnswered ||= answers.includes(error.code ?? "");
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
