// Several figures from the same traffic: what a way does for small messages and for bulk, and what it costs both ends.
import { parseQperf, type QperfFigures, type QperfTest, withServer } from "../fixture/traffic.ts";
import type { Ends, Sampling } from "./plan.ts";
import { megainstructions, nanosecondsPerInstruction, workDuring } from "./work.ts";

const tests: readonly QperfTest[] = ["tcp_lat", "udp_lat", "tcp_bw", "udp_bw"];

/** Messages of one byte are not named. */
function messageFigures(bytes: number, unitOfDatagrams: string): Sampling["figures"] {
  const size = bytes === 1 ? "" : `, ${bytes} B`;
  return [
    { name: `tcp_lat${size}`, unit: "us" },
    { name: `udp_lat${size}`, unit: "us" },
    { name: `tcp_bw${size}`, unit: "kB/s" },
    { name: `udp_bw${size}`, unit: unitOfDatagrams },
  ];
}

/** qperf's four tests. Of datagrams, those that arrive. */
export function messages(bytes: number): Sampling {
  return {
    figures: messageFigures(bytes, "kB/s received"),
    sample: (ends) => sampleMessages(ends, bytes, ({ receiveBandwidth }) => receiveBandwidth),
  };
}

/** The same, of one byte, inside of one guest, with the rate at which datagrams are sent and what all of it takes for each. */
export const smallMessagesSent: Sampling = {
  figures: [...messageFigures(1, "kB/s sent"), { name: "CPU for 100k datagrams", unit: megainstructions }],
  sample: async (ends) => {
    const figures = await sampleMessages(ends, 1, ({ sendBandwidth }) => sendBandwidth);
    return [...figures, workOfBusy((figures.at(-1) as number) * 1000)];
  },
};

/** Of a processor that does nothing but handle datagrams of such a rate: for 100,000 of them. */
function workOfBusy(datagramsPerSecond: number): number {
  return 1e9 / nanosecondsPerInstruction / datagramsPerSecond / 10;
}

async function sampleMessages(
  { from, to }: Ends,
  bytes: number,
  datagrams: (figures: QperfFigures) => number | undefined,
): Promise<number[]> {
  const printed = await withServer(to, "qperf", 19765, () =>
    from.sh(`qperf ${to.address} -uu -t 1 -m ${bytes} ${tests.join(" ")}`),
  );
  const of = (test: QperfTest) =>
    parseQperf(new RegExp(`^${test}:\n( .*\n?)+`, "m").exec(printed)?.[0] ?? "");
  const rate = of("udp_bw");
  // A path that loses everything would be a fast one.
  const arrives = (rate.receiveBandwidth ?? 0) > 0 ? datagrams(rate) : undefined;
  const kilobytes = (bytes: number | undefined) => (bytes === undefined ? undefined : bytes / 1000);
  const figures = [
    of("tcp_lat").latency,
    of("udp_lat").latency,
    kilobytes(of("tcp_bw").bandwidth),
    kilobytes(arrives),
  ];
  return figures.map((figure) => positive(figure, printed));
}

/** The sender is busy all the time, so its rate is its work; of the receiver the work is counted. */
export const datagramWork: Sampling = {
  figures: [
    { name: "udp_bw", unit: "kB/s sent" },
    { name: "CPU to send 100k datagrams", unit: megainstructions },
    { name: "CPU to receive 100k datagrams", unit: megainstructions },
  ],
  sample: ({ from, to }) =>
    withServer(to, "qperf", 19765, async () => {
      let printed = "";
      const [work] = await workDuring([to], async () => {
        printed = await from.sh(`qperf ${to.address} -uu -t 2 -m 1 udp_bw`);
      });
      const sent = positive(parseQperf(printed).sendBandwidth, printed);
      const received = positive(work?.datagrams, printed);
      return [sent / 1000, workOfBusy(sent), (work?.instructions ?? 0) / received / 10];
    }),
};

/** Short flows: what an endpoint that answers (talk.ts) is asked, each time by a connection of its own. */
export const connectionWork: Sampling = {
  figures: [
    { name: "CPU to ask by 1k connections", unit: megainstructions },
    { name: "CPU to answer 1k connections", unit: megainstructions },
  ],
  sample: (ends) =>
    workOfEach(ends, { few: 20, many: 220 }, (count) => [
      `for (1 .. ${count}) { socket(S, AF_INET, SOCK_STREAM, 0);`,
      'connect(S, $to) or die "$!"; sysread(S, $text, 99) or die "nothing"; close(S) }',
    ]),
};

/** One long flow, both ways: datagrams that the same endpoint answers, several at a time, or waking up is most of it. */
export const exchangeWork: Sampling = {
  figures: [
    { name: "CPU to ask 1k times in one flow", unit: megainstructions },
    { name: "CPU to answer 1k times in one flow", unit: megainstructions },
  ],
  sample: (ends) =>
    workOfEach(ends, { few: 200, many: 2200 }, (count) => [
      'socket(S, AF_INET, SOCK_DGRAM, 0); connect(S, $to) or die "$!"; alarm 60;',
      `for (1 .. ${count / 20}) { syswrite(S, "x") for 1 .. 20; sysread(S, $text, 99) or die "nothing" for 1 .. 20 }`,
    ]),
};

/** What each end executes for a thousand of what a client in Perl does `count` times, in millions. */
async function workOfEach(
  { from, to }: Ends,
  counts: { readonly few: number; readonly many: number },
  client: (count: number) => readonly string[],
): Promise<number[]> {
  const workOf = async (count: number) => {
    const words = [`$to = pack_sockaddr_in(8080, inet_aton("${to.address}"));`, ...client(count)];
    return workDuring([from, to], () => from.sh(`perl -MSocket -e '${words.join(" ")}'`));
  };
  // The difference leaves out what it takes to start the client.
  const few = await workOf(counts.few);
  const many = await workOf(counts.many);
  const difference = counts.many - counts.few;
  return many.map(
    ({ instructions }, end) => (instructions - (few[end]?.instructions ?? 0)) / 1e3 / difference,
  );
}

const transferredGbit = 0.5;
const transferred = `-n ${(transferredGbit * 1e9) / 8}`;

/** Between two guests, where throughput itself is up to the host. */
export const bulkWork: Sampling = {
  figures: [
    { name: "CPU to send 1 Gbit by TCP", unit: megainstructions },
    { name: "CPU to receive 1 Gbit by TCP", unit: megainstructions },
  ],
  sample: async ({ from, to }) => {
    const work = await withServer(to, "iperf3 -s -1", 5201, () =>
      workDuring([from, to], () => iperf3({ from, to }, transferred)),
    );
    return work.map(({ instructions }) => instructions / 1e6 / transferredGbit);
  },
};

/** Inside of one guest. */
export const bulkOnOneNode: Sampling = {
  figures: [
    { name: "iperf3", unit: "Mbit/s" },
    { name: "CPU for 1 Gbit by TCP", unit: megainstructions },
  ],
  sample: ({ from, to }) =>
    withServer(to, "iperf3 -s -1", 5201, async () => {
      let rate = 0;
      const [work] = await workDuring([from], async () => {
        rate = await iperf3({ from, to }, transferred);
      });
      return [rate, (work?.instructions ?? 0) / 1e6 / transferredGbit];
    }),
};

/** By the clock. */
export const bulk = streams("iperf3", "");
export const bulkOfEight = streams("iperf3, 8 streams", "-P 8");

/** The same with more streams, and back. */
export const bulkStreams: readonly Sampling[] = [
  bulk,
  bulkOfEight,
  streams("iperf3, back", "-R"),
  streams("iperf3, 8 streams back", "-R -P 8"),
];

function streams(name: string, flags: string): Sampling {
  return {
    figures: [{ name, unit: "Mbit/s" }],
    sample: (ends) =>
      withServer(ends.to, "iperf3 -s -1", 5201, async () => [await iperf3(ends, `-t 3 ${flags}`)]),
  };
}

/** What arrived, in Mbit/s. */
async function iperf3({ from, to }: Ends, amount: string): Promise<number> {
  const printed = await from.sh(`iperf3 --json --connect-timeout 10000 -c ${to.address} ${amount}`);
  return positive(JSON.parse(printed).end.sum_received?.bits_per_second, printed) / 1e6;
}

function positive(figure: number | undefined, printed: string): number {
  if (figure === undefined || !(figure > 0)) throw new Error(`no traffic arrived:\n${printed}`);
  return figure;
}
