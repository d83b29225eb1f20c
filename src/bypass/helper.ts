// podwire-bypass-ctl, which speaks netlink for podwire. The executable carries it as an asset and puts it where it can
// be run; the plain bundle, or one that was built without a C compiler, takes one from PATH.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

export const helperName = "podwire-bypass-ctl";

/** Gone with each boot, and root's only. */
const directory = "/run/podwire/bin";

/** The carried one's absolute path, or undefined if none is carried. */
export function carriedHelper(): string | undefined {
  const sea = process.getBuiltinModule("node:sea");
  if (!sea?.isSea() || !sea.getAssetKeys().includes(helperName)) return undefined;
  const content = Buffer.from(sea.getRawAsset(helperName) as ArrayBuffer);
  // Another version of podwire may be running its own.
  const sum = createHash("sha256").update(content).digest("hex").slice(0, 12);
  const file = path.join(directory, `${helperName}-${sum}`);
  if (!fs.existsSync(file)) {
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
    const fresh = `${file}.${process.pid}`;
    fs.writeFileSync(fresh, content, { mode: 0o700 });
    fs.renameSync(fresh, file);
  }
  return file;
}
