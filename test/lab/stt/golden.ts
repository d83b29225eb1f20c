// `node test/lab/stt/golden.ts`: captures of what the module sends, one for each that its header can say, made anew in
// test/stt-tunnel/golden. They are for the format: what is there must be read alike by all that reads STT, and arrive.
import fs from "node:fs";
import { type GoldenName, goldenFile } from "../../stt-tunnel/golden.ts";
import { udpFrame } from "../../stt-tunnel/packets.ts";
import { writePcap } from "../../stt-tunnel/pcap.ts";
import { cut, packetOf, sttFlags, sttFrame } from "../../stt-tunnel/wire.ts";
import { withServer } from "../fixture/traffic.ts";
import { type Lab, startLab } from "../lab.ts";
import { content, inside } from "./frames.ts";
import { loadModule, openTunnel, setOffloads } from "./tunnel.ts";
import { capture, pathBetween, send } from "./wire.ts";

/** Addresses of frames.ts: the other node has the target's only while this runs, to answer. */
const [source4, target4, source6, target6] = ["10.11.0.1", "10.11.0.2", "fd00:11::1", "fd00:11::2"];

async function prepare(lab: Lab): Promise<void> {
  const { node1, node2 } = lab;
  await loadModule(lab);
  await openTunnel(lab);
  // Segments as they are on a network, each with a checksum of its own.
  await setOffloads(lab, "off");
  for (const node of lab.nodes) await node.sh("ethtool -K eth0 tx off");
  for (const [node, other, [own4, own6], [its4, its6]] of [
    [node1, node2, [source4, source6], [target4, target6]],
    [node2, node1, [target4, target6], [source4, source6]],
  ] as const) {
    const encapsulation = `encap ip id 100 dst ${other.address} dev pw-stt`;
    await node.sh(`
      ip address add ${own4}/32 dev pw-stt; ip address add ${own6}/128 dev pw-stt
      ip route add ${its4} ${encapsulation} src ${own4}; ip -6 route add ${its6} ${encapsulation} src ${own6}`);
  }
  await node1.sh(`ip link add link pw-stt name tagged type vlan id 5; ip link set tagged up
    ip route add 10.11.5.0/24 encap ip id 7 dst ${node2.address} dev tagged src ${source4}`);
}

const datagram = (target: string) => `head -c 300 /dev/urandom | socat -u - UDP-SENDTO:${target}:4000`;
const stream = (target: string) => `head -c 6000 /dev/zero | socat -u - TCP:${target}:5000`;

/** What the first node does for each. */
const scripts: Readonly<Record<Exclude<GoldenName, "verified">, string>> = {
  plain: `ping -c 1 -s 100 ${target4}`,
  "plain-ipv6": `ping -c 1 -s 100 ${target6}`,
  "udp-ipv4": datagram(target4),
  "udp-ipv6": datagram(`[${target6}]`),
  "tcp-ipv4": stream(target4),
  "tcp-ipv6": stream(`[${target6}]`),
  tagged: "ping -c 1 -W 1 10.11.5.1 || true",
};

async function captureAll(lab: Lab): Promise<void> {
  const { node1, node2 } = lab;
  const segments = `src ${node1.address} and tcp dst port 7471`;
  const listen = "socat -u TCP6-LISTEN:5000,fork,ipv6only=0 OPEN:/dev/null";
  await withServer({ ...node2, address: target4 }, listen, 5000, async () => {
    for (const [name, script] of Object.entries(scripts))
      keep(name as GoldenName, await capture(node1, "eth0", segments, () => node1.sh(script)));
  });
  // Verified is what came verified, through another tunnel.
  await node1.sh(
    `sysctl -q net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.pw-stt.rp_filter=0`,
  );
  const path = { ...inside, source: "10.11.0.9" };
  const frame = sttFrame(udpFrame(path, content(300)), { flags: sttFlags.verified });
  const packets = cut(frame, 1400).map((one) => packetOf(pathBetween(node2, node1, 4), one, { packetId: 1 }));
  keep("verified", await capture(node1, "eth0", segments, () => send(node2, packets)));
}

function keep(name: GoldenName, frames: readonly Buffer[]): void {
  if (frames.length === 0) throw new Error(`nothing was captured of ${name}`);
  fs.writeFileSync(goldenFile(name), writePcap(frames));
  console.log(`${goldenFile(name)}: ${frames.length} segments`);
}

const lab = await startLab({ kernel: "6.1" });
try {
  await prepare(lab);
  await captureAll(lab);
} finally {
  await lab.stop();
}
