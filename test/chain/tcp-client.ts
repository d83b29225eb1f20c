// Calls a TCP server, sends so many bytes, and prints the answer. Arguments: address, port, bytes, and
// the seconds to wait for an answer.
import net from "node:net";

const [host = "", port = "0", bytes = "0", patience = "0"] = process.argv.slice(2);
const socket = net.connect({ host, port: Number(port) });
const giveUp = (reason: string) => {
  console.error(reason);
  process.exit(1);
};
socket.setTimeout(Number(patience) * 1000, () => giveUp(`no answer from ${host} port ${port}`));
socket.on("error", (error) => giveUp(error.message));
socket.on("connect", () => socket.end(Buffer.alloc(Number(bytes))));
socket.pipe(process.stdout);
