// `podwire version`
import { supportedVersions } from "../cni/versions.ts";
import { podwireVersion } from "../version.ts";
import type { Run } from "./command.ts";
import { plainTable } from "./table.ts";

export const version: Run = async (_words, terminal) => {
  terminal.print(
    plainTable([
      ["podwire", podwireVersion],
      ["Node", process.version],
      ["CNI", supportedVersions.join(", ")],
    ]),
  );
  return 0;
};
