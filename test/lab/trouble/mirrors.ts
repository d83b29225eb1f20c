// Debian mirrors that do not do what they should, on ports of this machine.
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import net, { type AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { execa } from "execa";
import { mirror } from "../host/apt.ts";

export interface Mirror {
  readonly address: string;
  stop(): Promise<void>;
}

/** Nobody listens there. */
export async function absentMirror(): Promise<Mirror> {
  const { address, stop } = await listen(net.createServer());
  await stop();
  return { address, stop: async () => {} };
}

/** It accepts connections and never says a word. */
export async function silentMirror(): Promise<Mirror & { connections(): number }> {
  const open = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {});
  });
  const listening = await listen(server);
  return {
    ...listening,
    connections: () => open.size,
    stop: async () => {
      for (const socket of open) socket.destroy();
      await listening.stop();
    },
  };
}

/** It has these files by path, and nothing else. */
export function mirrorOf(files: Readonly<Record<string, string>>): Promise<Mirror> {
  return serve(({ url = "" }) => files[url]);
}

/** The machine's real one, but for what `forge` returns. */
export async function forgedMirror(forge: (path: string) => string | undefined): Promise<Mirror> {
  const real = await mirror();
  return serve(({ url = "" }) => forge(url), real);
}

/** A signed index, as the machine's real mirror has it. */
export async function signedIndexOf(suite: string): Promise<string> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "podwire-index-"));
  const file = path.join(directory, "InRelease");
  try {
    const source = `${(await mirror()).replace(/\/$/, "")}/dists/${suite}/InRelease`;
    await execa("/usr/lib/apt/apt-helper", ["download-file", source, file]);
    return fs.readFileSync(file, "utf8");
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

function serve(
  contentFor: (request: http.IncomingMessage) => string | undefined,
  elsewhere?: string,
): Promise<Mirror> {
  const server = http.createServer((request, response) => {
    const content = contentFor(request);
    if (content !== undefined) response.end(content);
    else if (elsewhere === undefined) response.writeHead(404).end();
    else response.writeHead(302, { location: `${elsewhere.replace(/\/$/, "")}${request.url}` }).end();
  });
  return listen(server);
}

async function listen(server: net.Server): Promise<Mirror> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${port}`,
    stop: async () => {
      if (server instanceof http.Server) server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
