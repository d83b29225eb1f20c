// podwire_bypass and what is not as it should be: messages that no control of its own sends, packets whose headers lie in pieces,
// and a configuration so long that others would have to wait for it.
import { describe, expect, test } from "vitest";
import { countedDuring, getBypass } from "../fixture/bypass.ts";
import { both, bypassPods, podLines } from "../fixture/bypass-pods.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { attribute, rawNetlink } from "../fixture/raw-netlink.ts";
import { cannotRunFullLab } from "../fixture/shared-lab.ts";
import { ask } from "../fixture/talk.ts";
import { sendInPieces } from "../fixture/tap.ts";

const command = { set: 1, get: 2, renew: 3 };
const type = { mode: 1, generation: 2, lease: 3, pods: 5, excluded: 6, tunnels: 9, hook: 10 };
const u32 = (number: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
};
const prefix = (family: number, length: number, address: number[], reserved = 0) =>
  Buffer.from([
    family,
    length,
    reserved,
    0,
    ...address,
    ...Array.from({ length: 16 - address.length }, () => 0),
  ]);
const ten = prefix(4, 8, [10]);
const tunnel = (protocol: number, port: number, reserved = 0) =>
  Buffer.from([protocol, reserved, port >> 8, port & 255]);
const mode = attribute(type.mode, u32(1));
const pods = (...all: Buffer[]) => [mode, attribute(type.pods, Buffer.concat(all))];
const tunnels = (...all: Buffer[]) => [mode, attribute(type.tunnels, Buffer.concat(all))];

const refused: Record<string, Buffer[]> = {
  "no mode": [attribute(type.pods, ten)],
  "a mode of one byte": [attribute(type.mode, Buffer.from([1]))],
  "a mode of three bytes": [attribute(type.mode, Buffer.from([1, 0, 0]))],
  "a mode of eight bytes": [attribute(type.mode, Buffer.alloc(8, 1))],
  "a mode that there is none": [attribute(type.mode, u32(4))],
  "a mode with others in it": [attribute(type.mode | 0x8000, u32(1))],
  "a lease that is too long": [mode, attribute(type.lease, u32(28801))],
  "half of a lease": [mode, attribute(type.lease, Buffer.alloc(2))],
  "another generation": [mode, attribute(type.generation, u32(0xffffffff))],
  "a prefix less a byte": pods(ten.subarray(1)),
  "a prefix and a byte": pods(ten, Buffer.alloc(1)),
  "one byte": pods(Buffer.alloc(1)),
  "a family that there is none": pods(prefix(5, 8, [10])),
  "IPv4 of 33 bits": pods(prefix(4, 33, [10])),
  "IPv6 of 129 bits": pods(prefix(6, 129, [0xfd])),
  "bits beyond the length": pods(prefix(4, 8, [10, 1])),
  "IPv4 of sixteen bytes": pods(prefix(4, 8, [10, 0, 0, 0, 1])),
  "a reserved byte of a prefix": pods(prefix(4, 8, [10], 1)),
  "a good prefix and a bad one": pods(ten, prefix(4, 33, [10])),
  "half of a tunnel": tunnels(Buffer.from([17, 0])),
  "nine tunnels": tunnels(...Array.from({ length: 9 }, (_, index) => tunnel(17, 4789 + index))),
  "a tunnel to port 0": tunnels(tunnel(17, 0)),
  "a tunnel of TCP": tunnels(tunnel(6, 7471)),
  "a tunnel of another protocol": tunnels(tunnel(47, 4789)),
  "a reserved byte of a tunnel": tunnels(tunnel(17, 4789, 1)),
  "an unknown attribute": [mode, attribute(99, u32(1))],
  "attribute 0": [mode, attribute(0, u32(1))],
  "an attribute that only answers have": [mode, attribute(type.hook, Buffer.from("input\0"))],
  "an attribute of no length": [mode, attribute(type.pods, ten, 0)],
  "an attribute shorter than its head": [mode, attribute(type.pods, ten, 3)],
  "an attribute longer than the message": [mode, attribute(type.pods, ten, 400)],
  "bytes at the end": [mode, Buffer.from([1, 2, 3])],
};

describe.skipIf(cannotRunFullLab("podwire_bypass")).each(testedKernels)(
  "podwire_bypass on kernel %s",
  (kernel) => {
    const on = bypassPods(kernel, 1);
    /** What is answered to each. */
    const send = async (messages: readonly (readonly [number, Buffer])[]) => {
      const { node1 } = on.lab;
      await node1.write("/tmp/netlink.pl", rawNetlink);
      await node1.write(
        "/tmp/messages",
        messages.map(([number, body]) => `${number} ${body.toString("hex")}\n`).join(""),
      );
      return (await node1.sh("perl /tmp/netlink.pl podwire_bypass < /tmp/messages")).trim().split("\n");
    };
    const present = async () =>
      (await getBypass(on.lab.node1)).split("\n").filter((line) => !line.startsWith("generation"));

    test("refuses each malformed message, and stays as it is", async () => {
      await on.setAll("mode bypass", ...podLines);
      const before = await present();
      const names = Object.keys(refused);
      const answers = await send(names.map((name) => [command.set, Buffer.concat(refused[name] ?? [])]));
      const taken = names.filter((_, index) => !/^[1-9][0-9]*$/.test(answers[index] ?? ""));
      expect(taken).toEqual([]);
      expect(answers).toHaveLength(names.length);
      expect(
        await send([
          [99, Buffer.alloc(0)],
          [command.renew, Buffer.alloc(0)],
        ]),
      ).toEqual(["95", "2"]);
      expect(await present()).toEqual(before);
      expect(await ask(on.one, both(on.away.address))).toEqual([
        `away sees ${on.one.address}`,
        `away sees ${on.one.address} and 1`,
      ]);
    });

    test("refuses a message that ends anywhere but behind an attribute", async () => {
      const attributes = [
        mode,
        attribute(type.pods, Buffer.concat([ten, prefix(6, 48, [0xfd])])),
        attribute(type.excluded, ten),
        attribute(type.tunnels, Buffer.concat([tunnel(17, 4789), tunnel(17, 6081)])),
      ];
      const whole = Buffer.concat(attributes);
      const ends = attributes.map((_, index) => Buffer.concat(attributes.slice(0, index + 1)).length);
      const cuts = Array.from({ length: whole.length + 1 }, (_, length) => whole.subarray(0, length));
      const answers = await send(cuts.map((body) => [command.set, body]));
      const taken = answers.flatMap((answer, length) => (answer === "0" ? [length] : []));
      expect(taken).toEqual(ends);
      expect(answers.filter((answer) => !/^[0-9]+$/.test(answer))).toEqual([]);
    });

    test("reads headers that are not in one piece", async () => {
      const { node1 } = on.lab;
      await on.setAll("mode bypass", ...podLines);
      const counts = await countedDuring(node1, async () => {
        // Ethernet, IPv4 and UDP are 42 bytes.
        expect(await sendInPieces(node1, on.away.address, { from: 15, to: 43 })).toBe(29);
      });
      expect(counts["prerouting pod"]).toBeGreaterThanOrEqual(2 * 29);
      expect(counts["prerouting malformed"]).toBe(undefined);
    });

    test("lets others speak to the kernel while it takes a long configuration", async () => {
      const { node1 } = on.lab;
      // Of the time that the kernel needs for it, another family's commands wait for a small part.
      const [kernelSeconds = 0, slowest = 0] = (
        await node1.sh(`rm -f /tmp/done; modprobe l2tp_netlink
          { echo mode observe; awk 'BEGIN { srand(1); for (i = 0; i < 400000; i++) {
            printf "pod 10.%d.%d.%d/32\\n", rand() * 256, rand() * 256, rand() * 256
            printf "exclude 10.%d.%d.%d/32\\n", rand() * 256, rand() * 256, rand() * 256 } }'; } > /tmp/long
          (TIMEFORMAT=%S; time podwire-bypass-ctl set < /tmp/long) 2> /tmp/seconds && touch /tmp/done &
          perl -MTime::HiRes=time -e '
            my $slowest = 0;
            until (-e "/tmp/done") {
              my $from = time; system("ip l2tp show tunnel") == 0 or die;
              my $took = time - $from; $slowest = $took if $took > $slowest }
            print "$slowest\\n"' > /tmp/slowest
          cat /tmp/seconds /tmp/slowest; podwire-bypass-ctl set <<< 'mode off'`)
      )
        .trim()
        .split("\n")
        .map(Number);
      expect(kernelSeconds).toBeGreaterThan(0.5);
      expect(slowest).toBeLessThan(kernelSeconds / 2);
    });
  },
);
