// Ready measurements. Of the rate of small datagrams only the sender's side is taken: what arrives depends on how
// fast the host runs the other guest.
import { iperf3, qperf } from "../fixture/traffic.ts";
import type { Endpoint } from "../machine/node.ts";
import type { Ends, Measurement } from "./plan.ts";

/** Of the guest's. qperf reads its clock in hundredths: a sample may be off by half a percent. */
const seconds = 2;

/** Messages of one byte, so that bytes are datagrams and what counts is the work for each. */
export const udpSendRate: Measurement = {
  name: "UDP of 1 byte",
  unit: "datagrams/s sent",
  sample: async ({ from, to }) => {
    const { sendBandwidth, receiveBandwidth = 0 } = await qperf(from, to, "udp_bw", { seconds });
    // A path that loses everything would be a fast one.
    if (receiveBandwidth === 0) throw nothing("datagrams", from, to);
    return positive(sendBandwidth, { from, to });
  },
};

export const tcpLatency: Measurement = {
  name: "TCP latency",
  unit: "us",
  sample: async ({ from, to }) =>
    positive((await qperf(from, to, "tcp_lat", { seconds })).latency, { from, to }),
};

/** Within one node, by qperf: it can count in guest time, and nothing but the one processor is in the way. */
export const tcpCopyRate: Measurement = {
  name: "TCP",
  unit: "MB/s",
  sample: async ({ from, to }) => {
    const { bandwidth = 0 } = await qperf(from, to, "tcp_bw", { seconds, messageSize: 65536 });
    return positive(bandwidth / 1e6, { from, to });
  },
};

export const tcpThroughput: Measurement = {
  name: "TCP, iperf3",
  unit: "Mbit/s",
  sample: async ({ from, to }) =>
    positive((await iperf3(from, to, { seconds: 3 })).mbitPerSecond, { from, to }),
};

function positive(figure: number | undefined, { from, to }: Ends): number {
  if (figure === undefined || !(figure > 0)) throw nothing("traffic", from, to);
  return figure;
}

function nothing(what: string, from: Endpoint, to: Endpoint): Error {
  return new Error(`no ${what} went from ${from.name} to ${to.name}`);
}
