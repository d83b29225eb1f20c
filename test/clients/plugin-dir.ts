// The plugin under test, next to the reference plugins it is chained with, in one plugin directory; and the
// network configuration that names it. PODWIRE_CLIENT_TEST_PLUGIN=/usr/lib/cni/ptp runs the same tests against
// a reference plugin, which tells a fault of the plugin from a fault of the tests.
import { access, copyFile, mkdir, symlink } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { referencePluginDir } from "./prerequisites.ts";

const { PODWIRE_CLIENT_TEST_PLUGIN } = process.env;
const pluginBinary = PODWIRE_CLIENT_TEST_PLUGIN ?? resolve(import.meta.dirname, "../../dist/podwire");

export const referencePlugins = ["host-local", "loopback", "portmap", "firewall", "tuning"];

/** The reference plugins are copied: the directory gets mounted over the one they come from. */
export async function makePluginDir(dir: string): Promise<void> {
  await access(pluginBinary).catch(() => {
    throw new Error(`${pluginBinary} is missing: build the plugin first`);
  });
  await mkdir(dir);
  for (const plugin of referencePlugins) await copyFile(join(referencePluginDir, plugin), join(dir, plugin));
  const place = pluginBinary.startsWith(referencePluginDir) ? copyFile : symlink;
  await place(pluginBinary, join(dir, basename(pluginBinary)));
}

export const podSubnet = "10.244.1.0/24";
export const podAddress = /\b10\.244\.1\.(?:[1-9]|[1-9]\d|1\d\d|2[0-4]\d|25[0-4])\b(?!\/2)/;

/** A conflist with the plugin under test first and the given reference plugins chained after it. */
export function podNetwork(name: string, cniVersion: string, chained: object[] = []): string {
  const wire = {
    type: basename(pluginBinary),
    ipMasq: true,
    ipam: { type: "host-local", ranges: [[{ subnet: podSubnet }]], routes: [{ dst: "0.0.0.0/0" }] },
  };
  return JSON.stringify({ cniVersion, name, plugins: [wire, ...chained] }, null, 2);
}

export const portmap = { type: "portmap", capabilities: { portMappings: true } };

/** What podman chains after the first plugin in the networks it makes itself. */
export const podmanChain = [portmap, { type: "firewall", backend: "" }, { type: "tuning" }];
