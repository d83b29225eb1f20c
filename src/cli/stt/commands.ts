// The commands of `podwire stt`. What it is set to is the overlay's to say.
import { sttModule } from "../../kernel-module/module.ts";
import type { Command } from "../command.ts";
import { moduleCommands } from "../kernel-module/commands.ts";

export const sttCommands: readonly Command[] = [
  ...moduleCommands(
    sttModule,
    "tunnels pods' packets behind a TCP-shaped header (overlay.type stt)",
    "It does nothing until there is a link of its kind.",
    "Links of its kind go with it, and so does pods' traffic to other nodes by overlay.type stt.",
  ),
  {
    name: "stt status",
    summary: "show the module's links, who may send to them, and what became of how many frames",
    about: "Exits with 1 if the module is not loaded.",
    options: { json: { type: "boolean", summary: "print JSON" } },
    load: async () => (await import("./status.ts")).status,
  },
];
