// The ready sets of conf/ for two and three nodes, checked as each of their nodes would.
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { podwireEntry } from "../../build/conflist.ts";
import { parseNetwork, withDefaults } from "../../src/config/load.ts";
import { type NodeConfig, nodeSchema } from "../../src/config/network.ts";
import { peersSchema } from "../../src/config/overlay.ts";
import { requireSupported } from "../../src/datapath/choice.ts";
import { declaredBy } from "../../src/node/declared.ts";
import { checkPeers } from "../../src/overlay/peers.ts";

const conf = path.join(import.meta.dirname, "../../conf");
const read = (file: string) => JSON.parse(fs.readFileSync(file, "utf8"));

describe.each([
  ["overlay-two-nodes", "node.json", 2],
  ["overlay-three-nodes", "node.json", 3],
  ["overlay-two-nodes-ovs", "node.json", 2],
  ["overlay-three-nodes", "node-stt.json", 3],
])("conf/%s with %s", (set, file, count) => {
  const directory = path.join(conf, set);
  const nodeFile = path.join(directory, file);
  const defaults: NodeConfig = fs.existsSync(nodeFile) ? nodeSchema.parse(read(nodeFile)) : {};

  test.each(Array.from({ length: count }, (_, index) => index + 1))(
    "makes node%s reach all others",
    (number) => {
      const config = withDefaults(
        parseNetwork(podwireEntry(path.join(directory, `node${number}.conflist`))),
        defaults,
      );
      expect(() => requireSupported(config)).not.toThrow();
      const declared = declaredBy([config], defaults);
      const listed = config.overlay?.peers ?? peersSchema.parse(read(path.join(directory, "peers.json")));
      const entries = listed.map((peer, index) => ({ config: peer, place: `peers.${index}` }));
      const { peers, self } = checkPeers(entries, declared?.own ?? [], new Set([`192.0.2.${number}`]));
      expect(self).toBeDefined();
      expect(peers).toHaveLength(count - 1);
    },
  );
});
