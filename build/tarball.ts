// `npm run build:tarball [DIRECTORY]`: a release of what `npm run build` left in dist/, with its checksum. The
// same files give the same bytes: order, owner, modes and times in the tarball are fixed.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { execa } from "execa";
import { thirdPartyLicenses } from "./licenses.ts";

const root = path.join(import.meta.dirname, "..");
/** 1 January 1980: tar warns of times that are much older. */
const fixedTime = "315532800";

export interface Release {
  readonly tarball: string;
  /** In the format of sha256sum, for `sha256sum --check`. */
  readonly checksum: string;
}

export async function makeTarball(outdir: string): Promise<Release> {
  const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")) as {
    version: string;
  };
  const name = `podwire-${version}-linux-${process.arch}`;
  const tarball = path.join(outdir, `${name}.tar.gz`);
  const work = fs.mkdtempSync(path.join(outdir, ".tarball-"));
  try {
    await stage(path.join(work, name));
    const compressed = await promisify(gzip)(await archive(work, name));
    fs.writeFileSync(tarball, compressed);
    const sum = createHash("sha256").update(compressed).digest("hex");
    fs.writeFileSync(`${tarball}.sha256`, `${sum}  ${path.basename(tarball)}\n`);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
  return { tarball, checksum: `${tarball}.sha256` };
}

async function stage(directory: string): Promise<void> {
  fs.mkdirSync(directory);
  const executable = path.join(root, "dist/podwire");
  if (!fs.existsSync(executable)) throw new Error(`${executable} is missing; run \`npm run build\` first`);
  fs.copyFileSync(executable, path.join(directory, "podwire"));
  for (const entry of ["conf", "docs", "LICENSE", "README.md"])
    fs.cpSync(path.join(root, entry), path.join(directory, entry), { recursive: true });
  fs.writeFileSync(path.join(directory, "THIRD-PARTY-LICENSES"), await thirdPartyLicenses());
}

async function archive(directory: string, name: string): Promise<Uint8Array> {
  const time = process.env["SOURCE_DATE_EPOCH"] ?? fixedTime;
  const order = ["--format=ustar", "--sort=name", `--mtime=@${time}`];
  const owner = ["--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"];
  const { stdout } = await execa("tar", ["-c", ...order, ...owner, "-C", directory, name], {
    encoding: "buffer",
    maxBuffer: 1024 * 1024 * 1024,
  });
  return stdout;
}

if (import.meta.main) {
  const outdir = path.resolve(process.argv[2] ?? path.join(root, "dist"));
  fs.mkdirSync(outdir, { recursive: true });
  const { tarball, checksum } = await makeTarball(outdir);
  console.log(`${tarball}\n${checksum}`);
}
