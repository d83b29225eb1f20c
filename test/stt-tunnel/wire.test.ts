// The tests' own implementation of STT, against bytes that are known.
import { describe, expect, test } from "vitest";
import { checksum, type Path, readIpFrame, tcpFrame, udpFrame } from "./packets.ts";
import { readPcap, writePcap } from "./pcap.ts";
import { cut, dissectSegment, joinSegments, packetOf, type Segment, sttFrame } from "./wire.ts";

const inside: Path = {
  sourceMac: "ee:70:77:73:74:74",
  targetMac: "ee:70:77:73:74:74",
  source: "10.9.1.1",
  target: "10.9.2.1",
};
const outside: Path = { ...inside, source: "192.0.2.1", target: "192.0.2.2" };
const outside6: Path = { ...inside, source: "2001:db8::1", target: "2001:db8::2" };
const convention = { packetId: 7 };

describe("a checksum", () => {
  test("is that of the example in RFC 1071", () => {
    expect(checksum(Buffer.from("0001f203f4f5f6f7", "hex"))).toBe(~0xddf2 & 0xffff);
  });

  test("of an odd number of bytes counts a zero behind them", () => {
    expect(checksum(Buffer.from("0102ff", "hex"))).toBe(checksum(Buffer.from("0102ff00", "hex")));
  });
});

describe("a segment", () => {
  test("has its fields where the format has them", () => {
    const frame = sttFrame(Buffer.alloc(14), { flags: 14, l4Offset: 34, mss: 1460, vlanTci: 0x1005 });
    const [segment] = cut(frame, 1400);
    const packet = packetOf(outside, segment as Segment, convention);
    const tcp = packet.subarray(34);
    expect(tcp.subarray(0, 16).toString("hex")).toBe("c3501d2f00200000000000075018ffff");
    expect(tcp.subarray(20, 38).toString("hex")).toBe("000e220005b41005000000000000006400" + "00");
  });

  test.each([outside, outside6])("from $source is read as it was made", (path) => {
    const ethernet = udpFrame(inside, Buffer.alloc(4000, "a"));
    const packets = cut(sttFrame(ethernet), 1400).map((segment) => packetOf(path, segment, convention));
    const [whole] = joinSegments(packets.toReversed().map(dissectSegment));
    expect(whole).toMatchObject({ ethernet, flags: 0, contextId: 100n });
  });

  test("with a changed byte is none", () => {
    const [segment] = cut(sttFrame(udpFrame(inside, Buffer.alloc(100))), 1400);
    const packet = packetOf(outside, segment as Segment, convention);
    packet.writeUInt8(1, packet.length - 1);
    expect(() => dissectSegment(packet)).toThrow("checksum is wrong");
  });

  test("that is missing leaves a gap", () => {
    const segments = cut(sttFrame(udpFrame(inside, Buffer.alloc(4000))), 1400);
    const packets = segments.map((segment) => packetOf(outside, segment, convention));
    expect(() => joinSegments(packets.slice(1).map(dissectSegment))).toThrow("a gap at 0");
    expect(() => joinSegments(packets.slice(0, -1).map(dissectSegment))).toThrow("bytes of");
  });
});

describe("a frame", () => {
  const partial = tcpFrame(inside, Buffer.alloc(100), "partial");
  const read = (ethernet: Buffer, header: object) =>
    joinSegments(
      cut(sttFrame(ethernet, header), 1400).map((one) => dissectSegment(packetOf(outside, one, convention))),
    );

  test("with a partial checksum is believed if it is one", () => {
    expect(read(partial, { flags: 14, l4Offset: 34 })).toHaveLength(1);
  });

  test.each([
    [{ flags: 14, l4Offset: 35 }, "checksum from 35"],
    [{ flags: 10, l4Offset: 34 }, "IPv4"],
    [{ flags: 6, l4Offset: 34 }, "protocol 6"],
    [{ flags: 3, l4Offset: 34 }, "verified and partial"],
    [{ flags: 0, l4Offset: 34 }, "not partial"],
    [{ flags: 0x10 }, "reserved flags"],
    [{ version: 1 }, "reserved bytes"],
    [{ vlanTci: 5 }, "not present"],
  ])("with the header %o is refused", (header, words) => {
    expect(() => read(partial, header)).toThrow(words);
  });

  test("whose checksum is complete is no partial one", () => {
    const complete = tcpFrame(inside, Buffer.alloc(100, 1));
    expect(() => read(complete, { flags: 14, l4Offset: 34 })).toThrow("no pseudo header's sum");
  });
});

test("IP packets are read as they were made", () => {
  expect(readIpFrame(udpFrame(outside6, Buffer.from("hi")))).toMatchObject({
    family: 6,
    protocol: 17,
    offset: 54,
  });
  expect(readIpFrame(udpFrame(outside, Buffer.from("hi")))).toMatchObject({
    family: 4,
    protocol: 17,
    offset: 34,
  });
});

test("captures are read as they were written, and not if they were cut off", () => {
  const frames = [Buffer.from("one"), Buffer.from("another")];
  const file = writePcap(frames);
  expect(readPcap(file)).toEqual(frames);
  file.writeUInt32LE(2, 24 + 8);
  expect(() => readPcap(file)).toThrow("cut off");
});
