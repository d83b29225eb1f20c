// Whether a UDP port of the host is free. The kernel's tunnels have sockets as programs do, also those whose link was moved to another
// network namespace, where no listing of links shows it.
import type { Socket, SocketType } from "node:dgram";

export async function isUdpPortTaken(port: number): Promise<boolean> {
  const taken = [await isTaken(port, "udp4", "0.0.0.0"), await isTaken(port, "udp6", "::")];
  return taken.includes(true);
}

function isTaken(port: number, type: SocketType, address: string): Promise<boolean> {
  const { createSocket } = process.getBuiltinModule("node:dgram");
  const socket: Socket = createSocket({ type, ipv6Only: type === "udp6" });
  return new Promise((resolve) => {
    socket.once("error", (error: NodeJS.ErrnoException) => {
      socket.close();
      // Whatever else is wrong, such as a kernel without IPv6, is not for this to say.
      resolve(error.code === "EADDRINUSE");
    });
    socket.bind({ port, address, exclusive: true }, () => socket.close(() => resolve(false)));
  });
}
