// A CNI result in the shape of specification 1.1.0, which is the only one used inside podwire;
// cni/result-versions.ts turns it into the shapes of older versions and back.

export interface Interface {
  name: string;
  mac?: string;
  mtu?: number;
  /** Path of the netns the interface is in; absent for the host's. */
  sandbox?: string;
  socketPath?: string;
  pciID?: string;
}

export interface IpConfig {
  /** Address with prefix length, "10.1.2.3/32". */
  address: string;
  gateway?: string;
  /** Index into `interfaces`. */
  interface?: number;
}

export interface Route {
  dst: string;
  gw?: string;
  mtu?: number;
  advmss?: number;
  priority?: number;
  table?: number;
  /** Kernel number: 0 global, 253 link, 254 host. */
  scope?: number;
}

export interface Dns {
  nameservers?: string[];
  domain?: string;
  search?: string[];
  options?: string[];
}

export interface Result {
  interfaces: Interface[];
  ips: IpConfig[];
  routes: Route[];
  dns: Dns;
}
