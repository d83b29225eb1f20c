// `podwire stt status`: the links of the module podwire_stt with their settings and counters, summed up over all processors.
import { isLoaded, loadedVersion, sttModule } from "../../kernel-module/module.ts";
import { ipAsk } from "../../linux/ip.ts";
import type { ObservedLink } from "../../plan/observe.ts";
import { readStts, type SttState } from "../../plan/stt.ts";
import { readSttCounters } from "../../stt/control.ts";
import type { Run } from "../command.ts";
import { commandKernel } from "../command-kernel.ts";
import { tellAbsence, tellOtherVersion } from "../kernel-module/told.ts";
import { renderTable } from "../table.ts";
import { printJson, type Terminal } from "../terminal.ts";

/** What is printed of a link; with --json, all of it. */
interface Report extends SttState {
  readonly name: string;
  readonly mtu: number;
  readonly isUp: boolean;
  readonly counters: Readonly<Record<string, number>>;
}

export const status: Run = async (words, terminal) => {
  if (!isLoaded(sttModule)) return tellAbsence(sttModule, words, terminal);
  const links = await reports();
  if (words.flag("json")) {
    printJson({ loaded: true, version: loadedVersion(sttModule), links }, terminal);
    return 0;
  }
  tellOtherVersion(sttModule, terminal);
  if (links.length === 0) terminal.print("loaded; there is no link of kind stt\n");
  for (const link of links) print(link, terminal);
  return 0;
};

async function reports(): Promise<Report[]> {
  const kernel = commandKernel();
  const [answer] = await ipAsk("host", ["link show type stt"], kernel);
  const links = (answer ?? []) as unknown as ObservedLink[];
  const states = await readStts(links, kernel);
  return Promise.all(
    [...states].map(async ([name, state]): Promise<Report> => {
      const { mtu = 0, flags = [] } = links.find(({ ifname }) => ifname === name) ?? {};
      return {
        name,
        mtu,
        isUp: flags.includes("UP"),
        ...state,
        counters: await readSttCounters(name, kernel),
      };
    }),
  );
}

function print({ name, mtu, isUp, port, output, peers, counters }: Report, terminal: Terminal): void {
  const who = peers === "any" ? "anybody may send" : `${peers} peer prefixes may send`;
  terminal.print(`${name} ${isUp ? "up" : "DOWN"}, MTU ${mtu}, TCP port ${port}, output ${output}: ${who}\n`);
  const rows = Object.entries(counters).map(([counter, count]) => [counter, `${count}`]);
  terminal.print(renderTable(["COUNTER", "COUNT"], rows, terminal.paint));
}
