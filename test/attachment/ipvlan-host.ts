// A host with a link that could be ipvlan's master, as iproute2 tells of it: "lo", which every host has.
import { scripts } from "../linux/scripts.ts";

export const ethernet = {
  ifname: "lo",
  link_type: "ether",
  address: "52:54:00:00:01:01",
  mtu: 1500,
  flags: ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
  addr_info: [
    { local: "192.0.2.1", scope: "0" },
    { local: "169.254.3.4", scope: "253" },
    { local: "2001:db8::6", scope: "0", dadfailed: true },
    { local: "2001:db8::7", scope: "0", tentative: true },
    { local: "2001:db8::8", scope: "0", temporary: true },
    { local: "2001:db8::9", scope: "0", deprecated: true },
    { local: "2001:db8::1", scope: "0" },
    { local: "fe80::1", scope: "253" },
  ],
};
export const slave = (mode: string, flag: string, on = "lo") => ({
  ifname: "slave0",
  link: on,
  linkinfo: { info_kind: "ipvlan", info_data: { mode, [flag]: true } },
});

export interface Host {
  readonly master?: object | undefined;
  readonly macvlan?: object;
  readonly macvtap?: object;
  readonly ipvlan?: object;
  readonly ipvtap?: object;
}

/** PATH for the test that is running, with an `ip` that tells this of the host. */
export function pathOn({ master = ethernet, ...others }: Host): string {
  const made = scripts();
  const answer = (question: string, links: object[]) =>
    `case "$question" in "${question}"*) echo '${JSON.stringify(links)}';; esac`;
  const answers = [
    answer("address show dev lo", [master]),
    answer("link show dev lo", [master]),
    ...(["macvlan", "macvtap", "ipvlan", "ipvtap"] as const).map((kind) => {
      const link = others[kind];
      // One that a filter left out is an empty object.
      return answer(`link show type ${kind}`, link === undefined ? [{}] : [{}, link]);
    }),
  ];
  made.install("ip", `while read -r question; do ${answers.join("; ")}; done`);
  return `${made.directory}:/usr/bin:/bin`;
}
