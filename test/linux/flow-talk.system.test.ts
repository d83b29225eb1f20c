// What becomes of a bridge's flows is heard, whichever versions of OpenFlow its owner lets it speak.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { talkOfFlows } from "../../src/linux/flow-talk.ts";
import type { Talker } from "../../src/linux/talk.ts";
import { startNode, type TestNode } from "../fixture/node.ts";
import {
  datapathTypeHere,
  hasOpenVswitch,
  type OpenVswitch,
  startOpenVswitch,
} from "../fixture/open-vswitch.ts";
import { eventually } from "../overlay/watching.ts";

describe.skipIf(!hasOpenVswitch)("of a bridge", () => {
  let node: TestNode;
  let ovs: OpenVswitch;
  let talker: Talker | undefined;
  beforeEach(async () => {
    node = await startNode();
    ovs = await startOpenVswitch(node);
  });
  afterEach(async () => {
    talker?.stop();
    await node.stop();
  });

  test.each([
    ["any version", "[]"],
    ["OpenFlow 1.3", "OpenFlow13"],
    ["OpenFlow 1.4 and 1.5", "OpenFlow14,OpenFlow15"],
  ])("that speaks %s", async (_, protocols) => {
    const version = protocols === "[]" ? "OpenFlow13" : protocols;
    const bridge = ["set", "Bridge", "br0", `datapath_type=${datapathTypeHere()}`, `protocols=${protocols}`];
    await ovs.run("ovs-vsctl", "add-br", "br0", "--", ...bridge);
    const heard: string[] = [];
    const database = `unix:${node.file("/run/openvswitch/db.sock")}`;
    talker = talkOfFlows({ database, bridge: "br0" }, { searchPath: undefined }, (line) => heard.push(line));
    const add = (cookie: number) =>
      ovs.run(
        "ovs-ofctl",
        "-O",
        version,
        "add-flow",
        "br0",
        `cookie=${cookie},priority=${cookie},ip,actions=drop`,
      );
    // A change of the very moment at which the monitor is set up may not be told (seen with Open vSwitch 3.1).
    await eventually(() =>
      expect(heard).toContainEqual(expect.stringMatching(/event=(INITIAL|ADDED) .*cookie=0 /)),
    );
    await add(1);
    await eventually(() => expect(heard).toContainEqual(expect.stringMatching(/event=ADDED .*cookie=0x1 /)));
    await add(2);
    await eventually(() => expect(heard).toContainEqual(expect.stringMatching(/event=ADDED .*cookie=0x2 /)));
  });
});
