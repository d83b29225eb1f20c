// Runs much of the verbs once while the startup snapshot is built, so that the snapshot holds it compiled:
// that saves 3 ms of each ADD. Nothing here may keep state or load node:child_process; files are only
// written to a temporary directory of the building machine.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseCniArgs } from "./cni/args.ts";
import { parseEnvironment } from "./cni/environment.ts";
import { parseDocument } from "./cni/input.ts";
import { encodeResult } from "./cni/result-versions.ts";
import { checkVersion, supportedVersions } from "./cni/versions.ts";
import { parseNetwork } from "./config/load.ts";
import { datapathOf, requireSupported } from "./datapath/choice.ts";
import { hostLocal } from "./ipam/host-local/host-local.ts";
import type { IpamRequest } from "./ipam/ipam.ts";
import { createFile, replaceFile } from "./linux/files.ts";
import { isIpObject, makingLines, removingLines } from "./plan/ip-lines.ts";
import { stepsOf } from "./plan/steps.ts";

export function warmUp(): void {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "podwire-build-"));
  try {
    for (const family of [4, 6] as const) wireOnce(family, directory);
    const file = path.join(directory, "file");
    createFile(file, "");
    replaceFile(file, "");
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

function wireOnce(family: 4 | 6, dataDir: string): void {
  const subnet = family === 4 ? "10.244.1.0/24" : "fd00:10:244:1::/64";
  const environment = parseEnvironment({
    CNI_COMMAND: "ADD",
    CNI_CONTAINERID: "warm-up",
    CNI_NETNS: "/run/netns/warm-up",
    CNI_IFNAME: "eth0",
    CNI_PATH: "/opt/cni/bin",
    CNI_ARGS: "IgnoreUnknown=1;K8S_POD_NAME=warm-up",
  });
  const text = JSON.stringify({
    cniVersion: "1.1.0",
    name: "warm-up",
    type: "podwire",
    ipMasq: true,
    ipam: {
      type: "host-local",
      ranges: [[{ subnet }]],
      routes: [{ dst: family === 4 ? "0.0.0.0/0" : "::/0" }],
      dataDir,
    },
  });
  const document = parseDocument(text, "warm-up");
  const config = parseNetwork(document);
  checkVersion(config.cniVersion, "ADD");
  reserveOnce({
    config,
    version: "1.1.0",
    rawConfig: document,
    environment,
    args: parseCniArgs(environment.args),
  });
  requireSupported(config);
  const wired = datapathOf(config).wire({
    network: config.name,
    containerID: environment.containerID,
    ifname: environment.ifname,
    sandbox: environment.netns,
    mtu: 1500,
    ips: [{ address: subnet.replace(/0\/|\//, "7/"), gateway: "169.254.1.1" }],
    routes: [{ dst: family === 4 ? "0.0.0.0/0" : "::/0" }],
    ipMasq: true,
    host: { ipv6: true, ipv6OffByDefault: false, advertisedLinks: [] },
  });
  for (const step of stepsOf(wired.plan))
    step.objects.filter(isIpObject).flatMap((object) => [makingLines(object), removingLines(object)]);
  for (const version of supportedVersions) {
    encodeResult(
      { interfaces: [...wired.interfaces], ips: [...wired.ips], routes: [...wired.routes], dns: {} },
      version,
    );
  }
}

/** host-local does its work before its promises are settled. */
function reserveOnce(request: Omit<IpamRequest, "deadline" | "undoDeadline">): void {
  const unlimited = new AbortController().signal;
  const complete = { ...request, deadline: unlimited, undoDeadline: unlimited };
  void hostLocal.add(complete);
  void hostLocal.del(complete);
}
