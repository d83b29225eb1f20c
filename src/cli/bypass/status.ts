// `podwire bypass status`: what it is set to, and what became of how many packets.
import { type BypassCounter, readBypass, readCounters } from "../../bypass/control.ts";
import { bypassModule, isLoaded } from "../../kernel-module/module.ts";
import type { Run } from "../command.ts";
import { commandHost } from "../command-host.ts";
import { renderTable } from "../table.ts";
import { printJson } from "../terminal.ts";

/** What was bypassed, in colour. */
const bypassed = new Set(["pod", "tunnel"]);

export const status: Run = async (words, terminal) => {
  if (!isLoaded(bypassModule)) {
    if (words.flag("json")) printJson({ loaded: false }, terminal);
    else terminal.print("the module is not loaded: podwire bypass load\n");
    return 1;
  }
  for (;;) {
    // Each look has its own deadline.
    const host = commandHost();
    const state = await readBypass(host);
    const counters = await readCounters(host);
    if (words.flag("json")) {
      printJson({ loaded: true, ...state, counters }, terminal);
    } else {
      const { mode, lease, left, pods, excluded, tunnels, peers } = state;
      const until = lease === 0 ? "" : `, for ${left} s more`;
      terminal.print(`mode ${mode}${until}: ${pods.length} pod prefixes, ${excluded.length} excluded, `);
      terminal.print(`${tunnels.length} tunnels to ${peers.length} peer prefixes\n`);
      terminal.print(renderTable(["HOOK", "REASON", "PACKETS", "BYTES"], counters.map(row), terminal.paint));
    }
    if (!words.flag("watch")) return 0;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    terminal.print("\n");
  }
};

function row({ hook, reason, packets, bytes }: BypassCounter) {
  const shown = bypassed.has(reason) ? ({ text: reason, colour: "green" } as const) : reason;
  return [hook, shown, `${packets}`, `${bytes}`];
}
