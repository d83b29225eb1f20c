// Open vSwitch of another Debian suite, to run on this machine's kernel: its packages and all that they need down to
// the C library, unpacked and never installed. Programs are started by their own suite's dynamic linker, so they see
// the same files and namespaces as any other program here.
import fs from "node:fs";
import path from "node:path";
import type { OpenVswitchPrograms } from "../../fixture/open-vswitch.ts";
import { download, openSuite } from "../host/apt.ts";
import { obtain } from "../host/cache.ts";
import { run } from "../host/run.ts";

/** Versions by the suite that has them. */
export const openVswitchSuites = { "2.15": "bullseye", "3.5": "trixie" } as const;

export type OpenVswitchVersion = keyof typeof openVswitchSuites;

const programs = [
  "ovs-vsctl",
  "ovs-ofctl",
  "ovs-appctl",
  "ovs-dpctl",
  "ovsdb-tool",
  "ovsdb-server",
  "ovs-vswitchd",
];

/** Where Debian has them; the switch is an alternative (update-alternatives), whose link an installation makes. */
const programFolders = ["usr/bin", "usr/sbin", "usr/lib/openvswitch-common", "usr/lib/openvswitch-switch"];

const ownLibraries = "usr/lib/openvswitch-common";

/** Libraries and Open vSwitch; the Python that its scripts need is not. */
const parts = /^(lib(?!python)|openvswitch-(common|switch)$|gcc-[0-9]+-base|zlib1g$)/;

const formatVersion = 2;

export async function openVswitchOf(version: OpenVswitchVersion): Promise<OpenVswitchPrograms> {
  const suite = openVswitchSuites[version];
  const directory = await obtain({
    name: `open-vswitch-${version}`,
    recipe: { formatVersion, suite, parts: parts.source, programs, starter: starter("PROGRAM") },
    mebibytes: 300,
    build: (work) => build(suite, work),
  });
  return {
    bin: path.join(directory, "bin"),
    schema: path.join(directory, "tree/usr/share/openvswitch/vswitch.ovsschema"),
  };
}

async function build(suite: string, directory: string): Promise<void> {
  console.error(`lab: fetching Open vSwitch of ${suite} (a few seconds)`);
  const work = path.join(directory, "work");
  const packages = path.join(work, "packages");
  fs.mkdirSync(packages, { recursive: true });
  const tree = path.join(directory, "tree");
  const opened = await openSuite(suite, path.join(work, "apt"));
  for (const file of await download(opened, "openvswitch-switch", parts, packages)) {
    await run(["dpkg-deb", "-x", file, tree]);
  }
  // Its libraries are alternatives in 2.15, too.
  const own = path.join(tree, ownLibraries);
  if (fs.existsSync(own)) await run(["/sbin/ldconfig", "-n", own]);
  const bin = path.join(directory, "bin");
  fs.mkdirSync(bin);
  for (const program of programs) {
    const place = programFolders
      .map((folder) => `${folder}/${program}`)
      .find((file) => fs.existsSync(path.join(tree, file)));
    if (place === undefined) throw new Error(`Open vSwitch of ${suite} has no ${program}`);
    fs.writeFileSync(path.join(bin, program), starter(place), { mode: 0o755 });
  }
  fs.rmSync(work, { recursive: true });
}

/** Finds its tree by its own path, which is another one while it is built. */
function starter(place: string): string {
  const folders = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", ownLibraries];
  const libraries = folders.map((folder) => `$tree/${folder}`).join(":");
  return `#!/bin/sh
tree=\${0%/*}/../tree
linker=lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
[ -e "$tree/$linker" ] || linker=usr/$linker
exec "$tree/$linker" --library-path "${libraries}" "$tree/${place}" "$@"
`;
}
