// Many calls at once: distinct addresses, none lost, nothing left, and one winner where there can be only one.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CniAnswer, cni, dualStackIpam, network, succeed } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import {
  machineState,
  masqueradedAddresses,
  storedFiles,
  withoutForwarding,
} from "../fixture/machine-state.ts";
import { startNode, type TestNode } from "../fixture/node.ts";
import { locate, podwireWith } from "../fixture/programs.ts";
import { shape } from "../fixture/shape/shape.ts";

// Fifty Node processes share what may be one emulated CPU.
const config = network({ ipMasq: true, ipam: dualStackIpam, timeout: 600 });
const names = (count: number) => Array.from({ length: count }, (_, index) => `pod${index + 1}`);

const sharesLinks = shape.hostEndsOf(2) < 2 * shape.hostEndsOf(1);

let node: TestNode;
beforeEach(async () => {
  node = await startNode();
});
afterEach(async () => node.stop());

/** Runs `work` for all items, at most `width` at a time. */
async function inParallel<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}

async function addPods(pods: readonly string[]): Promise<void> {
  const script = pods.map((pod) => `ip netns add ${pod}; ip -n ${pod} link set lo up`).join("; ");
  await node.run("sh", "-c", script);
}

const addressesOf = (answers: readonly CniAnswer[]): string[] =>
  answers.flatMap(({ json }) => json.ips.map((ip: { address: string }) => ip.address.split("/")[0])).sort();

async function expectNothingLeft(): Promise<void> {
  expect(await shape.hostEnds(node)).toEqual([]);
  expect(await storedFiles(node)).toEqual([]);
  expect(await masqueradedAddresses(node)).toEqual([]);
}

describe("50 pods", () => {
  test.each([8, 50])("%i at a time all get addresses of their own, and all go again", async (width) => {
    const pods = names(50);
    await addPods(pods);
    const answers = await inParallel(pods, width, (container) =>
      succeed(node, { verb: "ADD", container, config }),
    );
    const addresses = addressesOf(answers);
    expect(new Set(addresses).size).toBe(100);
    expect(await masqueradedAddresses(node)).toEqual(addresses);
    expect(await shape.hostEnds(node)).toHaveLength(shape.hostEndsOf(50));
    await inParallel(pods, 8, (container) =>
      succeed(node, {
        verb: "CHECK",
        container,
        config: { ...config, prevResult: answers[pods.indexOf(container)]?.json },
      }),
    );
    await node.runIn("pod1", "ping", "-c", "1", "-W", "2", addresses.at(-60) ?? "");
    await inParallel(pods, width, (container) => succeed(node, { verb: "DEL", container, config }));
    await expectNothingLeft();
  });
});

test("a range with too few addresses gives each of them once, and says so to the others", async () => {
  const pods = names(20);
  await addPods(pods);
  const small = network({ ipam: { type: "host-local", ranges: [[{ subnet: "10.244.9.0/28" }]] } });
  const answers = await inParallel(pods, 10, (container) =>
    cni(node, { verb: "ADD", container, config: small }),
  );
  const served = answers.filter(({ exitCode }) => exitCode === 0);
  expect(new Set(addressesOf(served)).size).toBe(13);
  for (const answer of answers.filter(({ exitCode }) => exitCode !== 0))
    expectFailure(answer, 103, "10.244.9");
  expect(await shape.hostEnds(node)).toHaveLength(shape.hostEndsOf(13));
  await inParallel(pods, 10, (container) => succeed(node, { verb: "DEL", container, config: small }));
  await expectNothingLeft();
});

test("ADD and DEL of some pods, and GC at the same time, leave the valid ones whole", async () => {
  const stable = names(3);
  const fleeting = names(13).slice(3);
  await addPods([...stable, "other", ...fleeting]);
  const kept = await inParallel(stable, 3, (container) => succeed(node, { verb: "ADD", container, config }));
  // GC sweeps what all networks share if it knows all of its list, which here has none that come and go.
  const ranges = [[{ subnet: "10.244.2.0/24" }], [{ subnet: "fd00:10:244:2::/64" }]];
  const othernet = { ...config, name: "othernet", ipam: { ...dualStackIpam, ranges } };
  const other = await succeed(node, { verb: "ADD", container: "other", config: othernet });
  const gc = (network: object, containers: readonly string[]) => {
    const valid = containers.map((containerID) => ({ containerID, ifname: "eth0" }));
    return cni(node, { verb: "GC", config: { ...network, "cni.dev/valid-attachments": valid } });
  };
  let swept = 0;
  const link = await shape.hostLink(node);
  /** It takes a route along that nobody needs. */
  const sweep = async (round: number) => {
    const route = [`10.244.77.${round}/32`, "dev", link, "proto", "119"];
    await node.run("ip", "route", "add", ...route);
    const answer = await gc(othernet, ["other"]);
    if ((await node.run("ip", "route", "show", ...route)) === "") swept++;
    return answer;
  };
  const rounds = Array.from({ length: 12 }, (_, round) => round);
  const collecting = inParallel(rounds, 2, (round) =>
    round % 2 === 0 ? gc(config, [...stable, ...fleeting]) : sweep(round),
  );
  const coming = inParallel(fleeting, 4, async (container) => {
    for (let round = 0; round < 2; round++) {
      const { json: prevResult } = await succeed(node, { verb: "ADD", container, config });
      await succeed(node, { verb: "CHECK", container, config: { ...config, prevResult } });
      await succeed(node, { verb: "DEL", container, config });
    }
  });
  const [collected] = await Promise.all([collecting, coming]);
  expect(collected.filter(({ exitCode }) => exitCode !== 0).map(({ stdout }) => stdout)).toEqual([]);
  // Others that went meanwhile may stop one.
  if (sharesLinks) expect(swept, "sweeps").toBeGreaterThan(0);
  for (const [index, container] of stable.entries()) {
    await succeed(node, { verb: "CHECK", container, config: { ...config, prevResult: kept[index]?.json } });
  }
  await succeed(node, { verb: "CHECK", container: "other", config: { ...othernet, prevResult: other.json } });
  expect(await shape.hostEnds(node)).toHaveLength(shape.hostEndsOf(4));
  expect(await masqueradedAddresses(node)).toEqual(addressesOf([...kept, other]));
});

test("GC leaves an ADD that it does not know of alone while it is under way", async () => {
  await addPods(["pod1"]);
  const slow = podwireWith(node, { tee: `sleep 0.5; exec ${locate("tee")} "$@"` });
  const adding = succeed(node, { verb: "ADD", config, plugin: slow });
  await node.run(
    "sh",
    "-c",
    "until [ -e /var/lib/podwire/podnet/pod1:eth0.json ]; do sleep 0.01; done; sleep 0.1",
  );
  await succeed(node, { verb: "GC", config: { ...config, "cni.dev/valid-attachments": [] } });
  const { json: prevResult } = await adding;
  await succeed(node, { verb: "CHECK", config: { ...config, prevResult } });
});

describe("the same attachment", () => {
  async function expectOneWinner(answers: readonly CniAnswer[]): Promise<void> {
    const winners = answers.filter(({ exitCode }) => exitCode === 0);
    for (const answer of answers.filter(({ exitCode }) => exitCode !== 0)) expectFailure(answer, [11, 101]);
    expect(winners).toHaveLength(1);
    const prevResult = winners[0]?.json;
    await succeed(node, { verb: "CHECK", config: { ...config, prevResult } });
    expect((await storedFiles(node)).filter((file) => file.includes("/networks/"))).toHaveLength(2);
    expect(await masqueradedAddresses(node)).toHaveLength(2);
  }

  test("is added by exactly one of several ADDs at once", async () => {
    await addPods(["pod1"]);
    const before = withoutForwarding(await machineState(node, "pod1"));
    for (let round = 0; round < 5; round++) {
      await expectOneWinner(await inParallel([1, 2, 3, 4], 4, () => cni(node, { verb: "ADD", config })));
      await inParallel([1, 2, 3], 3, () => succeed(node, { verb: "DEL", config }));
      await expectNothingLeft();
    }
    await node.run("nft", "delete", "table", "inet", "podwire");
    expect(withoutForwarding(await machineState(node, "pod1"))).toBe(before);
  });

  const killer = () => podwireWith(node, { tee: "kill -9 $PPID" });

  test("is added by exactly one of several ADDs at once after one was killed", async () => {
    await addPods(["pod1"]);
    for (let round = 0; round < 5; round++) {
      await cni(node, { verb: "ADD", config, plugin: killer() });
      await expectOneWinner(await inParallel([1, 2, 3, 4], 4, () => cni(node, { verb: "ADD", config })));
      await succeed(node, { verb: "DEL", config });
      await expectNothingLeft();
    }
  });

  test("is not torn down by an ADD that was slow to clear away a killed one's remains", async () => {
    await addPods(["pod1"]);
    await cni(node, { verb: "ADD", config, plugin: killer() });
    const slow = podwireWith(node, {
      ip: `case "$*" in *-force*) touch /run/clearing; sleep 0.7;; esac; exec ${locate("ip")} "$@"`,
    });
    const late = cni(node, { verb: "ADD", config, plugin: slow });
    await node.run("sh", "-c", "until [ -e /run/clearing ]; do sleep 0.01; done");
    const early = cni(node, { verb: "ADD", config });
    await expectOneWinner(await Promise.all([late, early]));
  });

  test("is gone after a DEL that came while it was being added", async () => {
    await addPods(["pod1"]);
    const slow = podwireWith(node, { tee: `sleep 0.3; exec ${locate("tee")} "$@"` });
    const adding = cni(node, { verb: "ADD", config, plugin: slow });
    await node.run("sh", "-c", "until [ -e /var/lib/podwire/podnet/pod1:eth0.json ]; do sleep 0.01; done");
    await succeed(node, { verb: "DEL", config });
    await adding;
    await expectNothingLeft();
  });
});
