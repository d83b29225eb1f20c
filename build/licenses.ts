// The licences of what a release contains of others: the packages that esbuild puts into the bundle, found by
// asking it, and Node with all that Node contains.
import fs from "node:fs";
import path from "node:path";
import { build } from "esbuild";

const root = path.join(import.meta.dirname, "..");

export async function thirdPartyLicenses(): Promise<string> {
  const packages = await bundledPackages();
  const parts = [nodeLicense(), ...packages.map(packageLicense)];
  const rule = "=".repeat(80);
  return parts.map(({ name, text }) => `${rule}\n${name}\n${rule}\n\n${text.trim()}\n`).join("\n");
}

/** Names of the packages of node_modules that are part of the bundle. */
export async function bundledPackages(): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ["src/main.ts"],
    bundle: true,
    platform: "node",
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  const names = Object.keys(metafile.inputs).flatMap(
    (file) => /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? [],
  );
  return [...new Set(names)].sort();
}

interface License {
  readonly name: string;
  readonly text: string;
}

function packageLicense(name: string): License {
  const directory = path.join(root, "node_modules", name);
  const file = fs.readdirSync(directory).find((entry) => /^licen[cs]e(\.|$)/i.test(entry));
  if (file === undefined) throw new Error(`${directory} has no licence file; a release must contain it`);
  return {
    name: `${name} ${readPackage(directory).version}`,
    text: fs.readFileSync(path.join(directory, file), "utf8"),
  };
}

/** The npm package brings no licence text, so a copy stands here, of one version and without npm, which we do not ship. */
function nodeLicense(): License {
  const { version } = readPackage(path.join(root, "node_modules/node"));
  const file = path.join(root, `build/licenses/node-${version}.txt`);
  if (!fs.existsSync(file)) throw new Error(`${file} is missing: copy LICENSE of Node ${version} there`);
  return { name: `Node.js ${version}`, text: fs.readFileSync(file, "utf8") };
}

function readPackage(directory: string): { version: string } {
  return JSON.parse(fs.readFileSync(path.join(directory, "package.json"), "utf8")) as { version: string };
}
