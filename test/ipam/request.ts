// Calls of host-local as the tests make them: a network whose store is in a temporary directory.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { NetworkConfig } from "../../src/config/network.ts";
import { hostLocal } from "../../src/ipam/host-local/host-local.ts";
import type { IpamRequest } from "../../src/ipam/ipam.ts";

export const networkName = "testnet";

export interface Network {
  readonly dataDir: string;
  /** The store. */
  readonly directory: string;
  readonly config: NetworkConfig;
}

const dataDirs: string[] = [];

/** `ipam` is the section without type and dataDir; `rest` the other keys of the network. */
export function makeNetwork(ipam: Record<string, unknown>, rest: Record<string, unknown> = {}): Network {
  const dataDir = mkdtempSync(path.join(tmpdir(), "podwire-ipam-"));
  dataDirs.push(dataDir);
  return { dataDir, directory: path.join(dataDir, networkName), config: networkConfig(dataDir, ipam, rest) };
}

export function removeNetworks(): void {
  for (const dataDir of dataDirs.splice(0)) rmSync(dataDir, { recursive: true, force: true });
}

export function networkConfig(
  dataDir: string,
  ipam: Record<string, unknown>,
  rest: Record<string, unknown> = {},
): NetworkConfig {
  const section = { type: "host-local", dataDir, ...ipam };
  return { cniVersion: "1.0.0", name: networkName, type: "podwire", ipam: section, ...rest };
}

export function makeRequest(
  config: NetworkConfig,
  containerID: string,
  ifname = "eth0",
  ips: string[] = [],
): IpamRequest {
  const environment = {
    verb: "ADD",
    containerID,
    netns: "",
    ifname,
    args: "",
    path: [],
    variables: {},
  } as const;
  const { signal } = new AbortController();
  return {
    config,
    version: "1.1.0",
    rawConfig: config,
    environment,
    args: { ips },
    deadline: signal,
    undoDeadline: signal,
  };
}

/** The addresses, with prefix length, that an ADD gives. */
export async function add(config: NetworkConfig, containerID: string, ips: string[] = []): Promise<string[]> {
  const result = await hostLocal.add(makeRequest(config, containerID, "eth0", ips));
  return result.ips.map((ip) => ip.address);
}

export async function del(config: NetworkConfig, containerID: string): Promise<void> {
  await hostLocal.del(makeRequest(config, containerID));
}

export function putFile(network: Network, name: string, content: string | Buffer): string {
  mkdirSync(network.directory, { recursive: true });
  const file = path.join(network.directory, name);
  writeFileSync(file, content);
  return file;
}

/** Everything in the store but the round-robin marks and the reference's lock. */
export function leases(network: Network): Record<string, string> {
  const names = readdirSync(network.directory).filter((name) => !/^(last_reserved_ip\.\d+|lock)$/.test(name));
  return Object.fromEntries(
    names.sort().map((name) => [name, readFileSync(path.join(network.directory, name), "latin1")]),
  );
}
