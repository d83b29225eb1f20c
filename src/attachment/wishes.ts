// What the runtime, CNI_ARGS and the configuration ask for, brought to one answer.
import type { Dns, Result } from "../cni/result.ts";
import type { Wired } from "../datapath/datapath.ts";
import type { Call } from "./call.ts";

/** The runtime's capability wins over CNI_ARGS. Undefined: let the datapath choose. */
export function requestedMac({ config, args }: Call): string | undefined {
  return config.runtimeConfig?.mac || args.mac;
}

/** The runtime's wishes win over the configuration's, those over the IPAM's. */
export function dnsOf({ config }: Call, fromIpam: Dns): Dns {
  const { servers, searches, options } = config.runtimeConfig?.dns ?? {};
  const fromRuntime = {
    ...(servers ? { nameservers: servers } : {}),
    ...(searches ? { search: searches } : {}),
    ...(options ? { options } : {}),
  };
  return { ...fromIpam, ...config.dns, ...fromRuntime } as Dns;
}

/** Our result behind that of the plugins before us. */
export function chained(previous: Result | undefined, wired: Wired, dns: Dns): Result {
  const before = previous?.interfaces ?? [];
  return {
    interfaces: [...before, ...wired.interfaces],
    ips: [
      ...(previous?.ips ?? []),
      ...wired.ips.map((ip) =>
        ip.interface === undefined ? ip : { ...ip, interface: ip.interface + before.length },
      ),
    ],
    routes: [...(previous?.routes ?? []), ...wired.routes],
    dns: { ...previous?.dns, ...dns },
  };
}
