// Two guests of each kernel and what the lab gives tests: commands, traffic between nodes, pods.
import { describe, expect, test } from "vitest";
import { testedKernels } from "../fixture/kernels.ts";
import { conflistFor, pod } from "../fixture/pod.ts";
import { cannotRunLab, sharedLab } from "../fixture/shared-lab.ts";
import { iperf3, ping, qperf } from "../fixture/traffic.ts";
import { recordResult } from "../results.ts";

describe.skipIf(cannotRunLab("two nodes")).each(testedKernels)("two nodes of kernel %s", (kernel) => {
  const lab = sharedLab({ kernel });

  test("run that kernel, each as a machine of its own", async () => {
    recordResult(kernel, "release", lab.record.kernel);
    for (const node of lab.nodes) {
      expect(await node.run("uname", "-r")).toMatch(new RegExp(`^${kernel.replace(".", "\\.")}\\.`));
      expect(await node.run("hostname")).toBe(node.name);
    }
    await lab.node1.write("/root/mine", "node1");
    expect(await lab.node2.has("/root/mine")).toBe(false);
  });

  test("reach each other by both families, with packets as large as the MTU", async () => {
    await ping(lab.node1, lab.node2);
    await ping(lab.node2, lab.node1, { family: 6 });
    await ping(lab.node1, lab.node2, { size: 1472, dontFragment: true });
    await expect(ping(lab.node1, lab.node2, { size: 1473, dontFragment: true })).rejects.toThrow(/too long/i);
  });

  test("hand each other TCP segments larger than the MTU", async () => {
    expect(await lab.node1.run("ethtool", "-k", "eth0")).toMatch(/^tcp-segmentation-offload: on/m);
    const { mbitPerSecond, bytes } = await iperf3(lab.node1, lab.node2, { seconds: 3 });
    const back = await iperf3(lab.node1, lab.node2, { seconds: 3, reverse: true, family: 6 });
    console.log(
      `kernel ${kernel} (${lab.accelerator}), host to host: iperf3 ${mbitPerSecond.toFixed(0)} Mbit/s, ` +
        `back over IPv6 ${back.mbitPerSecond.toFixed(0)} Mbit/s`,
    );
    recordResult(kernel, "iperf3, Mbit/s", mbitPerSecond.toFixed(0));
    recordResult(kernel, "the same back, IPv6", back.mbitPerSecond.toFixed(0));
    expect(bytes).toBeGreaterThan(1e6);
    const received = await lab.node2.sh("awk '/^ *eth0:/ { print $2 / $3 }' /proc/net/dev");
    expect(Number(received)).toBeGreaterThan(1514);
  });

  test("measure each other by qperf", async () => {
    const latency = await qperf(lab.node1, lab.node2, "tcp_lat");
    const { sendBandwidth, receiveBandwidth } = await qperf(lab.node1, lab.node2, "udp_bw");
    console.log(
      `kernel ${kernel}, host to host: qperf tcp_lat ${latency.latency?.toFixed(0)} us, ` +
        `udp_bw of 1 byte ${sendBandwidth} bytes/s sent, ${receiveBandwidth} received`,
    );
    recordResult(kernel, "qperf tcp_lat, us", (latency.latency ?? 0).toFixed(0));
    recordResult(kernel, "qperf udp_bw of 1 byte, kB/s", ((sendBandwidth ?? 0) / 1000).toFixed(1));
    expect(latency.latency).toBeGreaterThan(1);
    expect(sendBandwidth).toBeGreaterThan(100);
  });

  test("wire pods that reach each other and the other node", async () => {
    const conflist = conflistFor(lab.node1, { ipMasq: true });
    const one = await pod(lab.node1, conflist);
    const other = await pod(lab.node1, conflist);
    await ping(one, other);
    await ping(one, other, { family: 6 });
    await ping(one, lab.node2);
    await ping(one, lab.node2, { family: 6 });
    await one.check();
    for (const each of [one, other]) await each.remove();
    expect(await lab.node1.run("ip", "-br", "link", "show", "type", "veth")).toBe("");
  });

  test("keep their disk through a reset, and lose their memory", async () => {
    await lab.node2.sh("echo kept > /root/kept; sync; touch /run/lost");
    await lab.node2.reset();
    expect(await lab.node2.sh("cat /root/kept")).toBe("kept");
    expect(await lab.node2.has("/run/lost")).toBe(false);
    await ping(lab.node1, lab.node2);
  });
});
