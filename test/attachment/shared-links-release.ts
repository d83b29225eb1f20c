// For shared-links-race.system.test.ts: two workers of one process that remove a link at once, as repairs may. Run on a test node:
// LINK, makes /run/through when the first of them is.
import fs from "node:fs";
import { releaseSharedLinks } from "../../src/attachment/shared-links.ts";

const [name = ""] = process.argv.slice(2);
const type = { kind: "ipvlan", master: "uplink", mode: "l3s", flag: "bridge" } as const;
const kernel = { searchPath: process.env["PATH"], deadline: AbortSignal.timeout(60_000) };
const release = () => releaseSharedLinks([{ kind: "link", where: "host", name, shared: true, type }], kernel);
const both = [release(), release()];
await Promise.race(both);
fs.writeFileSync("/run/through", "");
await Promise.all(both);
