// What the module sent once is read alike by the tests' own implementation and by Wireshark's, and says what it should.
import { expect, test } from "vitest";
import { golden, goldenFrames, goldenNames } from "./golden.ts";
import { dissectSegment, joinSegments } from "./wire.ts";
import { headersIn, headersOf, lacksWireshark, readByWireshark } from "./wireshark.ts";

test.each(goldenNames)("the capture %s says what it is called after", (name) => {
  const frames = joinSegments(goldenFrames(name).map(dissectSegment));
  expect(frames).toContainEqual(expect.objectContaining(golden[name]));
  const { contextId, vlanTci } = golden[name];
  for (const frame of frames) expect(frame).toMatchObject({ contextId, vlanTci });
});

test.skipIf(lacksWireshark())("Wireshark reads the same in all of them, and nothing that is wrong", () => {
  const captured = goldenNames.flatMap(goldenFrames);
  const segments = captured.map(dissectSegment);
  const read = readByWireshark(captured);
  expect(read.flatMap(({ wrong }) => wrong)).toEqual([]);
  expect(read.map(({ packetId, total, offset }) => ({ packetId, total, offset }))).toEqual(
    segments.map(({ packetId, total, offset }) => ({ packetId, total, offset })),
  );
  expect(headersIn(read)).toEqual(headersOf(joinSegments(segments)));
});
