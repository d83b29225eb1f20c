// Many pods at once, as after a node's restart: how long until all are wired and, later, unwired, and
// whether each has an address of its own. The shell of the meter keeps the calls in flight.
import { type BenchNode, podNames, withBenchNode } from "./bench-node.ts";
import {
  type Both,
  type Contender,
  contenders,
  invocation,
  plainIpv4,
  type Scenario,
  type Verb,
} from "./contenders.ts";
import { commandLine, outputDirectory } from "./meter.ts";
import { percentile } from "./sample.ts";

export interface CrowdTimes {
  readonly pods: number;
  readonly parallel: number;
  readonly rounds: number;
  /** Median over the rounds until all are wired, and unwired. */
  readonly addMs: Both<number>;
  readonly delMs: Both<number>;
  /** Over all rounds: calls that failed, and pods without an address of their own. */
  readonly lost: Both<number>;
}

const pods = 50;
const parallel = 8;

export async function measureCrowd(rounds: number, stateDirectory: string): Promise<CrowdTimes> {
  const add: Both<number[]> = { podwire: [], reference: [] };
  const del: Both<number[]> = { podwire: [], reference: [] };
  const lost: Both<number> = { podwire: 0, reference: 0 };
  await withBenchNode(stateDirectory, async (bench) => {
    for (let round = 0; round < rounds; round++) {
      for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
        const names = podNames(`${contender.name}-${round}-`, pods);
        await bench.addPods(names);
        const adding = await all("ADD", contender, plainIpv4, names, bench);
        const addresses = new Set(names.flatMap((name) => addressOf(bench.meter.read(name)) ?? []));
        const deleting = await all("DEL", contender, plainIpv4, names, bench);
        add[contender.name].push(adding.wallMs);
        del[contender.name].push(deleting.wallMs);
        lost[contender.name] += Math.max(adding.exitCode, pods - addresses.size, deleting.exitCode);
      }
    }
  });
  const medians = (both: Both<number[]>): Both<number> => ({
    podwire: percentile(both.podwire, 50),
    reference: percentile(both.reference, 50),
  });
  return { pods, parallel, rounds, addMs: medians(add), delMs: medians(del), lost };
}

/** The exit status is the number of calls that failed. */
function all(
  verb: Verb,
  contender: Contender,
  scenario: Scenario,
  names: readonly string[],
  { meter }: BenchNode,
) {
  const calls = names.map((pod) => {
    const command = commandLine(invocation({ verb, contender, scenario, pod }));
    return `await_turn; ${command} >${outputDirectory}/${pod} 2>&1 & running=$((running + 1))`;
  });
  const reap = "{ wait -n || failed=$((failed + 1)); running=$((running - 1)); }";
  return meter.script(
    [
      "running=0; failed=0",
      `await_turn() { (( running < ${parallel} )) || ${reap}; }`,
      ...calls,
      `while (( running > 0 )); do ${reap}; done`,
      "(exit $failed)",
    ].join("; "),
  );
}

function addressOf(output: string): string | undefined {
  try {
    const { ips } = JSON.parse(output) as { ips?: { address: string }[] };
    return ips?.[0]?.address;
  } catch {
    return undefined;
  }
}
