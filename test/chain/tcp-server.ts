// A TCP server for one netns, run as a program of its own: tells each caller, in JSON, from what address it
// was reached, and drains what the caller sends. Arguments: port, then a name to answer with.
import net from "node:net";

const [port = "0", name = ""] = process.argv.slice(2);
const server = net.createServer({ allowHalfOpen: true }, (socket) => {
  let received = 0;
  const began = performance.now();
  socket.on("data", (chunk) => {
    received += chunk.length;
  });
  socket.on("end", () => {
    const seconds = (performance.now() - began) / 1000;
    const caller = (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
    socket.end(JSON.stringify({ name, caller, received, seconds }));
  });
  socket.on("error", () => socket.destroy());
});
server.listen({ port: Number(port), host: "::" }, () => console.log("ready"));
