// What tests ask of the attachments on a node, and do to their records.
import fs from "node:fs";
import { executable, type TestNode } from "../fixture/node.ts";

interface Entry {
  readonly containerID: string;
  readonly state: string;
}

/** By container. */
export async function attachmentStates(node: TestNode): Promise<Record<string, string>> {
  const { stdout } = await node.attempt(executable, ["status", "--json"]);
  const entries = JSON.parse(stdout) as Entry[];
  return Object.fromEntries(entries.map(({ containerID, state }) => [containerID, state]));
}

export function recordOf(node: TestNode, container: string) {
  const file = node.file(`/var/lib/podwire/podnet/${container}:eth0.json`);
  return {
    exists: () => fs.existsSync(file),
    overwrite: (text: string) => fs.writeFileSync(file, text),
    /** With a writer that is dead. */
    rewrite: (changes: object) => {
      const record = JSON.parse(fs.readFileSync(file, "utf8"));
      const writer = { ...record.writer, startTime: "1" };
      fs.writeFileSync(file, JSON.stringify({ ...record, writer, ...changes }));
    },
  };
}

export async function hostLinkOf(node: TestNode, container: string): Promise<string> {
  const links = await node.run("sh", "-c", `ip link show | grep -B2 'alias podwire:podnet/${container}/'`);
  return /(pw[0-9a-f]{13})/.exec(links)?.[1] ?? "no link";
}
