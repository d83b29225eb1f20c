// The reference host-local binary and ours on one store: in turns they give the addresses the reference
// gives alone, and at the same time they neither give an address twice nor lose one.
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterEach, describe, expect, test } from "vitest";
import type { NetworkConfig } from "../../src/config/network.ts";
import { hostLocal } from "../../src/ipam/host-local/host-local.ts";
import { isExecutable } from "../../src/linux/programs.ts";
import { randomNumbers } from "./random.ts";
import {
  add,
  del,
  leases,
  makeNetwork,
  makeRequest,
  type Network,
  putFile,
  removeNetworks,
} from "./request.ts";

const reference = "/usr/lib/cni/host-local";
const isPresent = isExecutable(reference);
if (!isPresent) {
  console.warn(`WARNING: ${reference} is missing, so sharing a store with the reference is NOT TESTED;
install the Debian package containernetworking-plugins`);
}

afterEach(removeNetworks);

interface Player {
  /** The addresses, or undefined if the ADD failed. */
  add(config: NetworkConfig, containerID: string, ips?: string[]): Promise<string[] | undefined>;
  del(config: NetworkConfig, containerID: string): Promise<void>;
}

const theirs: Player = {
  async add(config, containerID, ips = []) {
    const args = ips.length > 0 ? { args: { cni: { ips } } } : {};
    const { failed, stdout } = await runReference("ADD", { ...config, ...args }, containerID);
    return failed ? undefined : addresses(stdout);
  },
  async del(config, containerID) {
    const { failed, stdout } = await runReference("DEL", config, containerID);
    if (failed) throw new Error(stdout);
  },
};

const ours: Player = {
  add: (config, containerID, ips) => add(config, containerID, ips).catch(() => undefined),
  del,
};

const oursAsProcess: Player = {
  async add(config, containerID) {
    const { failed, stdout } = await runOurs("ADD", config, containerID);
    return failed ? undefined : addresses(stdout);
  },
  async del(config, containerID) {
    const { failed, stdout } = await runOurs("DEL", config, containerID);
    if (failed) throw new Error(stdout);
  },
};

const networks: [string, Record<string, unknown>][] = [
  ["a small subnet", { subnet: "10.1.2.0/28" }],
  [
    "rangeStart, rangeEnd and a gateway between",
    {
      ranges: [
        [{ subnet: "10.1.2.0/24", rangeStart: "10.1.2.250", rangeEnd: "10.1.2.254", gateway: "10.1.2.252" }],
      ],
    },
  ],
  [
    "two ranges in a set",
    {
      ranges: [
        [
          { subnet: "10.1.2.0/29" },
          { subnet: "10.5.0.0/16", rangeStart: "10.5.1.254", rangeEnd: "10.5.2.2" },
        ],
      ],
    },
  ],
  [
    "dual stack",
    {
      ranges: [
        [{ subnet: "10.1.2.0/28" }],
        [{ subnet: "fd00:0:0:1::/64", rangeStart: "fd00:0:0:1::fffa", rangeEnd: "fd00:0:0:1:0:0:1:5" }],
      ],
    },
  ],
  [
    "IPv6 addresses with several runs of zeros",
    { subnet: "2001:db8:0:0:1::/125", gateway: "2001:db8:0:0:1::3" },
  ],
  ["a single address", { subnet: "10.1.2.0/24", rangeStart: "10.1.2.7", rangeEnd: "10.1.2.7" }],
];

describe.skipIf(!isPresent)("with the reference binary", () => {
  for (const [name, ipam] of networks) {
    test(`turns on one store give what the reference gives alone: ${name}`, { timeout: 60_000 }, async () => {
      for (const seed of [1, 2, 3]) {
        const moves = randomMoves(seed, 70);
        const alone = await play(makeNetwork(ipam), moves, () => theirs);
        const random = randomNumbers(100 + seed);
        expect(await play(makeNetwork(ipam), moves, () => (random(2) === 0 ? ours : theirs))).toEqual(alone);
        expect(await play(makeNetwork(ipam), moves, () => ours)).toEqual(alone);
      }
    });
  }

  test("requested addresses and those held by the other are given and refused alike", async () => {
    const { config } = makeNetwork({ ranges: [[{ subnet: "10.1.2.0/28" }], [{ subnet: "fd00::/120" }]] });
    expect(await theirs.add(config, "t1", ["10.1.2.9", "fd00::9"])).toEqual(["10.1.2.9/28", "fd00::9/120"]);
    expect(await ours.add(config, "o1", ["10.1.2.9"])).toBeUndefined();
    expect(await ours.add(config, "o1", ["fd00::c"])).toEqual(["10.1.2.10/28", "fd00::c/120"]);
    expect(await theirs.add(config, "t2", ["10.1.2.10"])).toBeUndefined();
    expect(await theirs.add(config, "t2", ["10.1.2.1"])).toBeUndefined();
    expect(await ours.add(config, "o2", ["10.1.2.1"])).toBeUndefined();
  });

  test("each releases and checks the other's leases", async () => {
    const network = makeNetwork({ subnet: "10.1.2.0/28" });
    await theirs.add(network.config, "t1");
    await ours.add(network.config, "o1");
    await hostLocal.check(makeRequest(network.config, "t1"));
    expect((await runReference("CHECK", network.config, "o1")).failed).toBe(false);
    await ours.del(network.config, "t1");
    await theirs.del(network.config, "o1");
    expect(leases(network)).toEqual({});
  });

  test("torn and foreign files stop neither", async () => {
    const network = makeNetwork({ subnet: "10.1.2.0/28" });
    putFile(network, "10.1.2.2", "");
    putFile(network, "10.1.2.3", Buffer.from([0xff, 0, 0xc3]));
    putFile(network, "last_reserved_ip.0", "10.1.2");
    putFile(network, ".podwire-1-x", "t9\r\neth0");
    expect(await ours.add(network.config, "o1")).toEqual(["10.1.2.4/28"]);
    putFile(network, "last_reserved_ip.0", "");
    expect(await theirs.add(network.config, "t1")).toEqual(["10.1.2.5/28"]);
    await ours.del(network.config, "t1");
    await theirs.del(network.config, "o1");
    expect(Object.keys(leases(network))).toEqual([".podwire-1-x", "10.1.2.2", "10.1.2.3"]);
  });

  test("both at the same time give no address twice and lose none", { timeout: 120_000 }, async () => {
    const ranges = [[{ subnet: "10.1.2.0/26" }], [{ subnet: "fd00::/120" }]];
    const network = makeNetwork({ ranges });
    const crowd = Array.from({ length: 48 }, (_, i) => ({
      id: `c${i}`,
      player: i % 2 === 0 ? oursAsProcess : theirs,
    }));

    const given = await Promise.all(crowd.map(({ id, player }) => player.add(network.config, id)));
    expectOneLeaseEach(
      network,
      crowd.map(({ id }) => id),
      given,
    );

    // Half go, by the hand of the other, while new ones come.
    const leaving = crowd.slice(0, 24);
    const coming = Array.from({ length: 24 }, (_, i) => ({
      id: `d${i}`,
      player: i % 2 === 0 ? theirs : oursAsProcess,
    }));
    const [arrived] = await Promise.all([
      Promise.all(
        coming.map(({ id, player }) => player.add(network.config, id).then((ips) => ({ id, ips }))),
      ),
      Promise.all(leaving.map(({ id }, i) => (i % 2 === 0 ? theirs : oursAsProcess).del(network.config, id))),
    ]);
    const successful = arrived.filter(({ ips }) => ips !== undefined);
    expect(successful.length).toBeGreaterThan(0);
    expectOneLeaseEach(
      network,
      [...crowd.slice(24).map(({ id }) => id), ...successful.map(({ id }) => id)],
      [...given.slice(24), ...successful.map(({ ips }) => ips)],
    );
  });

  test("a crowd larger than the range empties it exactly", { timeout: 120_000 }, async () => {
    const network = makeNetwork({ subnet: "10.1.2.0/28" });
    const crowd = Array.from({ length: 24 }, (_, i) => ({
      id: `c${i}`,
      player: i % 2 === 0 ? oursAsProcess : theirs,
    }));
    const given = await Promise.all(crowd.map(({ id, player }) => player.add(network.config, id)));
    expect(given.filter((ips) => ips !== undefined)).toHaveLength(13);
    expect(Object.keys(leases(network))).toHaveLength(13);
    expect(new Set(given.flat().filter((ip) => ip !== undefined)).size).toBe(13);
  });
});

interface Move {
  readonly verb: "ADD" | "DEL";
  readonly containerID: string;
}

/** ADDs for new containers and DELs of old ones, so that small ranges run full now and then. */
function randomMoves(seed: number, count: number): Move[] {
  const random = randomNumbers(seed);
  const alive: string[] = [];
  return Array.from({ length: count }, (_, i): Move => {
    if (alive.length > 0 && random(5) < 2) {
      const [containerID = ""] = alive.splice(random(alive.length), 1);
      return { verb: "DEL", containerID };
    }
    alive.push(`c${i}`);
    return { verb: "ADD", containerID: `c${i}` };
  });
}

async function play(network: Network, moves: readonly Move[], next: () => Player): Promise<unknown[]> {
  const outcomes: unknown[] = [];
  for (const { verb, containerID } of moves) {
    const player = next();
    if (verb === "ADD") outcomes.push(await player.add(network.config, containerID));
    else await player.del(network.config, containerID);
  }
  return [...outcomes, leases(network)];
}

function expectOneLeaseEach(network: Network, ids: string[], given: (string[] | undefined)[]): void {
  const expected = ids.flatMap((id, i) =>
    (given[i] ?? []).map((address) => [address.split("/")[0], `${id}\r\neth0`]),
  );
  expect(expected).toHaveLength(2 * ids.length);
  expect(leases(network)).toEqual(Object.fromEntries(expected));
  expect(Object.keys(leases(network))).toHaveLength(expected.length);
}

function runReference(verb: string, config: NetworkConfig, containerID: string) {
  const env = {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: containerID,
    CNI_NETNS: "/proc/self/ns/net",
    CNI_IFNAME: "eth0",
    CNI_PATH: "/usr/lib/cni",
  };
  return execa(reference, { env, input: JSON.stringify(config), reject: false });
}

function runOurs(verb: string, config: NetworkConfig, containerID: string) {
  const script = fileURLToPath(new URL("allocate-once.ts", import.meta.url));
  return execa(process.execPath, [script, verb, containerID], {
    input: JSON.stringify(config),
    reject: false,
  });
}

function addresses(stdout: string): string[] {
  return JSON.parse(stdout).ips.map((ip: { address: string }) => ip.address);
}
