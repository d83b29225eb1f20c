// For shared-links.system.test.ts: what an ADD does between writing its record and making a shared link. Run on a test
// node, because the state is there: LINK MILLISECONDS, makes /run/waiting, prints "done" or the code it refused with.
import fs from "node:fs";
import { outlastLinkRemovals } from "../../src/attachment/shared-links.ts";
import { CniError } from "../../src/cni/error.ts";

const [name = "", milliseconds] = process.argv.slice(2);
const type = { kind: "ipvlan", master: "uplink", mode: "l3s", flag: "bridge" } as const;
fs.writeFileSync("/run/waiting", "");
try {
  await outlastLinkRemovals(
    [{ kind: "link", where: "host", name, shared: true, type }],
    AbortSignal.timeout(Number(milliseconds)),
  );
  console.log("done");
} catch (error) {
  if (!(error instanceof CniError)) throw error;
  console.log(`code ${error.code}: ${error.details}`);
}
