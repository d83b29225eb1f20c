// What a lab brings into its guests, as a read-only file system on /lab: the built podwire, if asked for the
// tests with the runtime they need and another Open vSwitch, and the keys of this lab's ssh.
import fs from "node:fs";
import path from "node:path";
import type { OpenVswitchPrograms } from "../../fixture/open-vswitch.ts";
import { LabError } from "../failure.ts";
import { run } from "../host/run.ts";
import { makeImage, sizeForTree } from "./ext4.ts";

export type Payload = "podwire" | "tests";

export interface Keys {
  /** Private key of the control connection. */
  readonly client: string;
  /** What ssh must know about the guests. */
  readonly knownHosts: string;
}

const copying = { recursive: true, verbatimSymlinks: true };

const checkout = path.join(import.meta.dirname, "../../..");

/** Big packages that tests do without. */
const unneeded = new Set(["@biomejs", "@typescript", "typescript", "@types", ".cache"]);

export function requirePodwire(): void {
  const built = path.join(checkout, "dist/podwire");
  if (!fs.existsSync(built)) throw new LabError(`${built} is missing: run npm run build first`);
}

/** Makes `image`, with room for what it takes in `work`, and the keys in `keysDirectory`. */
export async function makePayload(
  content: Payload,
  openVswitch: OpenVswitchPrograms | undefined,
  image: string,
  work: string,
  keysDirectory: string,
): Promise<Keys> {
  const tree = path.join(work, "payload");
  const keys = await makeKeys(tree, keysDirectory);
  copy("dist/podwire", tree);
  if (content === "tests") copyTests(tree);
  if (openVswitch !== undefined) {
    fs.cpSync(path.dirname(openVswitch.bin), path.join(tree, "open-vswitch"), copying);
  }
  await makeImage(tree, image, sizeForTree(tree));
  fs.rmSync(tree, { recursive: true });
  return keys;
}

function copyTests(tree: string): void {
  for (const name of ["src", "test", "build", "package.json", "vitest.config.ts"]) copy(name, tree);
  for (const name of fs.readdirSync(path.join(checkout, "node_modules"))) {
    if (!unneeded.has(name)) copy(path.join("node_modules", name), tree);
  }
}

function copy(name: string, tree: string): void {
  fs.cpSync(path.join(checkout, name), path.join(tree, "podwire", name), copying);
}

async function makeKeys(tree: string, directory: string): Promise<Keys> {
  const client = path.join(directory, "client_key");
  const host = path.join(directory, "host_key");
  for (const file of [client, host]) {
    await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "podwire-lab", "-f", file]);
  }
  fs.mkdirSync(path.join(tree, "ssh"), { recursive: true });
  fs.copyFileSync(`${client}.pub`, path.join(tree, "ssh/authorized_keys"));
  fs.copyFileSync(host, path.join(tree, "ssh/host_key"));
  const knownHosts = path.join(directory, "known_hosts");
  fs.writeFileSync(knownHosts, `* ${fs.readFileSync(`${host}.pub`, "utf8")}`);
  for (const file of [`${client}.pub`, `${host}.pub`, host]) fs.rmSync(file);
  return { client, knownHosts };
}
