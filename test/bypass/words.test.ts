// What people may say to `podwire bypass set`.
import { describe, expect, test } from "vitest";
import { configurationFrom } from "../../src/cli/bypass/words.ts";

const from = (words: Record<string, string>) =>
  configurationFrom({ flag: () => false, text: (name) => words[name] });

describe("tunnels", () => {
  test("are ports of UDP", () => {
    expect(from({ mode: "bypass", tunnels: "udp:4789, udp:08472" }).tunnels).toEqual([
      "udp 4789",
      "udp 8472",
    ]);
  });

  test("are not STT's, whose hooks they would not meet", () => {
    expect(() => from({ mode: "bypass", tunnels: "udp:4789,tcp:7471" })).toThrow(
      expect.objectContaining({
        details:
          '"tcp:7471": expected udp:PORT, with a port from 1 to 65535; STT, which is like TCP, skips netfilter by itself',
      }) as Error,
    );
  });
});
