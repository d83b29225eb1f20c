// Run on a test node: an overlay's sets are taken away by what was read before a network began to masquerade.
import { applyMasquerade } from "../../src/plan/masquerade.ts";
import { readPeerSets, removePeerSets, replacePeerSets } from "../../src/plan/peer-sets.ts";

const kernel = { searchPath: process.env["PATH"], deadline: AbortSignal.timeout(30_000) };
await replacePeerSets(
  {
    kind: "peer-sets",
    where: "host",
    prefixes: ["10.244.2.0/24"],
    filter: { port: 4789, id: 4096, addresses: ["192.0.2.2"] },
  },
  kernel,
);
const before = await readPeerSets(kernel);
if (process.argv.includes("masquerading")) {
  const pod = { kind: "masquerade", where: "host", network: "other" } as const;
  await applyMasquerade({ ...pod, sources: ["10.99.1.2"], direct: ["10.99.1.0/24"] }, kernel);
}
await removePeerSets(before, kernel);
