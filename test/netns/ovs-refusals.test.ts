// What Open vSwitch cannot do for a pod is said in its own words, and leaves nothing: no row, link, flow, record or lease.
// And what a pod's port says of it, whatever the pod is called.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cni } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { masqueradedAddresses, storedFiles } from "../fixture/machine-state.ts";
import { executable } from "../fixture/node.ts";
import { datapathTypeHere, hasOpenVswitch } from "../fixture/open-vswitch.ts";
import { ovsNetwork, sharedOvsNode } from "../fixture/ovs-pods.ts";
import { locate, podwireWith } from "../fixture/programs.ts";

describe.skipIf(!hasOpenVswitch)("an ADD to Open vSwitch", () => {
  const own = sharedOvsNode();

  async function state(): Promise<string> {
    const bridges = await own.bridges();
    const flows = await Promise.all(bridges.map(async (name) => [name, ...(await own.flows(name))]));
    const links = await own.node.run("sh", "-c", "ip -o link | cut -d: -f2 | cut -d@ -f1");
    const rows = await own.ovs.run("ovs-vsctl", "--no-wait", "--columns=name", "list", "Interface");
    const stored = await storedFiles(own.node);
    return [flows, links, rows, stored, await masqueradedAddresses(own.node)].join("\n");
  }

  let before: string;
  beforeEach(async () => {
    if (!(await own.node.has("/run/netns/pod1"))) await own.node.addPod("pod1");
    before = await state();
  });
  afterEach(async () => {
    expect(await state()).toBe(before);
  });

  const refused = async (config: object, code: number | number[], ...words: (string | RegExp)[]) =>
    expectFailure(await cni(own.node, { verb: "ADD", config }), code, ...words);

  test("whose bridge is a link of another kind is refused by name", async () => {
    await own.node.run("ip", "link", "add", "br-linux", "type", "bridge");
    before = await state();
    await refused(ovsNetwork({ bridge: "br-linux" }), 107, "br-linux");
    const status = await cni(own.node, { verb: "STATUS", config: ovsNetwork({ bridge: "br-linux" }) });
    expectFailure(status, 50, "br-linux", "bridge link");
    await own.node.run("ip", "link", "delete", "br-linux");
    before = await state();
  });

  test.skipIf(datapathTypeHere() === "system")(
    "that needs a kernel module which there is not has a STATUS that says so",
    async () => {
      const config = ovsNetwork({ datapathType: "system" });
      expectFailure(await cni(own.node, { verb: "STATUS", config }), 50, "openvswitch", "ovs.datapathType");
    },
  );

  test("for the host's MAC, or that of another pod of the bridge, is refused by name", async () => {
    const first = await own.pod("first");
    before = await state();
    const asked = async (mac: string, ...words: string[]) => {
      const call = { verb: "ADD", config: ovsNetwork(), args: `MAC=${mac}` };
      expectFailure(await cni(own.node, call), 7, mac, ...words);
      expect(await state()).toBe(before);
    };
    await asked("ee:70:77:00:00:01", "podwire0");
    await asked(first.mac, "container first");
    const elsewhere = ovsNetwork({ bridge: "podwire1" });
    const call = { verb: "ADD", config: elsewhere, args: `MAC=${first.mac}` };
    expect((await cni(own.node, call)).exitCode).toBe(0);
    expect((await own.del("pod1", elsewhere)).stdout).toBe("");
    expect((await own.del("first")).stdout).toBe("");
    before = await state();
  });

  test("whose database is at another path is refused as down, with that path", async () => {
    await refused(ovsNetwork({ database: "unix:/run/nowhere/db.sock" }), 11, "/run/nowhere/db.sock");
    const status = await cni(own.node, {
      verb: "STATUS",
      config: ovsNetwork({ database: "unix:/run/nowhere/db.sock" }),
    });
    expectFailure(status, 50, "/run/nowhere/db.sock");
  });

  test("whose database is a file without a server is refused as down", async () => {
    await own.node.run("touch", "/run/no-socket");
    await refused(ovsNetwork({ database: "unix:/run/no-socket" }), 11, "/run/no-socket");
  });

  test("whose bridge speaks no OpenFlow 1.3 is refused with that, and not as down, which STATUS says before", async () => {
    const make = ["add-br", "br-old", "--", "set", "Bridge", "br-old", `datapath_type=${datapathTypeHere()}`];
    await own.ovs.run("ovs-vsctl", ...make, "protocols=OpenFlow10");
    const answer = await cni(own.node, { verb: "ADD", config: ovsNetwork({ bridge: "br-old" }) });
    expectFailure(answer, 107, "version negotiation failed", "OpenFlow 1.3");
    const status = await cni(own.node, { verb: "STATUS", config: ovsNetwork({ bridge: "br-old" }) });
    expectFailure(status, 50, "version negotiation failed", "OpenFlow 1.3");
    await own.ovs.run("ovs-vsctl", "del-br", "br-old");
    before = await state();
  });

  test("with the same VLAN twice in a trunk is refused", async () => {
    await refused(ovsNetwork({ trunk: [100, 100] }), 7, "ovs.trunk", "each VLAN once");
  });

  test("whose bridge has another datapathType is refused with both", async () => {
    const [other, wanted] = datapathTypeHere() === "netdev" ? ["netdev", "system"] : ["system", "netdev"];
    await own.ovs.run(
      "ovs-vsctl",
      "add-br",
      "br-typed",
      "--",
      "set",
      "Bridge",
      "br-typed",
      `datapath_type=${other}`,
    );
    before = await state();
    await refused(
      ovsNetwork({ bridge: "br-typed", datapathType: wanted }),
      107,
      "br-typed",
      "system",
      "netdev",
    );
    await own.ovs.run("ovs-vsctl", "del-br", "br-typed");
    before = await state();
  });

  test("that a bridge cannot have veth or limits on is refused before anything is done", async () => {
    await refused(ovsNetwork({ datapathType: "netdev", portType: "veth" }), 7, "ovs.portType");
    await refused(ovsNetwork({ portType: "internal", ingress: { rate: 1000 } }), 7, "ovs.ingress");
  });

  test.each([
    [
      "the database does not take the port",
      "ovs-vsctl",
      "add-port",
      'echo "ovs-vsctl: constraint violation: no more ports today" >&2; exit 1',
      /no more ports today/,
    ],
    [
      "the switch does not take the flows",
      "ovs-ofctl",
      "add-flows",
      'cat > /dev/null; echo "ovs-ofctl: OFPT_ERROR: OFPBRC_PERM_ERROR" >&2; exit 1',
      /OFPBRC_PERM_ERROR/,
    ],
  ] as const)(
    "is taken back whole, with Open vSwitch's words, when %s",
    async (_, program, word, failure, words) => {
      const plugin = podwireWith(own.node, {
        [program]: `case " $* " in *" ${word} "*) ${failure};; esac; exec ${locate(program)} "$@"`,
      });
      expectFailure(await cni(own.node, { verb: "ADD", config: ovsNetwork(), plugin }), 107, words);
    },
  );

  test("is refused for an address that another network's pod has, whose flows stay", async () => {
    const [subnet, only] = ["10.244.9.0/24", "10.244.9.9"];
    const ipam = { type: "host-local", ranges: [[{ subnet, rangeStart: only, rangeEnd: only }]] };
    const config = ovsNetwork({}, { ipam });
    const first = await own.pod("pod3", config);
    await own.node.addPod("pod2");
    before = await state();
    const other = { ...config, name: "other" };
    expectFailure(
      await cni(own.node, { verb: "ADD", config: other, container: "pod2" }),
      100,
      only,
      "File exists",
    );
    expect(await state()).toBe(before);
    expect((await own.check(first, config)).stdout).toBe("");
    expect((await own.del("pod3", config)).stdout).toBe("");
    before = await state();
  });

  test("is refused while somebody else's link has the name of its port, and that stays", async () => {
    await own.pod("pod1");
    const port = await own.portOf("pod1");
    await own.del("pod1");
    await own.node.run("ip", "link", "add", port, "type", "bridge");
    before = await state();
    await refused(ovsNetwork(), [101, 107], port);
    expect(await state()).toBe(before);
    await own.node.run("ip", "link", "delete", port);
    before = await state();
  });

  test("names the pod in its port's labels, exactly as it is called", async () => {
    const names = [
      "web-0",
      'a"b',
      "x'y",
      "a,b=c",
      "{}[]",
      "$(touch /run/hit)",
      "`id`",
      "--",
      "ünïcödé",
      "a\\nb",
      " spaced out ",
    ];
    for (const name of names) {
      const args = `IgnoreUnknown=1;K8S_POD_NAME=${name};K8S_POD_NAMESPACE=ns-${name};OvnPort=port-${name}`;
      await own.pod("pod1", ovsNetwork(), { args });
      expect(await own.labels("pod1"), name).toMatchObject({
        "pod-name": name,
        "pod-namespace": `ns-${name}`,
        "iface-id": `port-${name}`,
      });
      expect((await own.node.attempt(executable, ["status"])).exitCode).toBe(0);
      await own.del("pod1");
    }
    expect(await own.node.has("/run/hit")).toBe(false);
  });

  test("says container, MAC and addresses in its port's labels", async () => {
    const { mac, addresses } = await own.pod("pod1");
    expect(await own.labels("pod1")).toMatchObject({
      "container-id": "pod1",
      "attached-mac": mac,
      ip: addresses.join(","),
    });
    await own.del("pod1");
  });
});
