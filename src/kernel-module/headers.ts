// The kernel's headers, which modules are built against: where they are, or which package has them.
import fs from "node:fs";
import { readText } from "./module.ts";

/** Where the kernel's makefiles are; undefined if they are not installed. */
export function findHeaders(release: string): string | undefined {
  const directory = `/lib/modules/${release}/build`;
  // Mostly a link, which stays when its package goes.
  return fs.existsSync(`${directory}/Makefile`) ? directory : undefined;
}

/** How to get them here. */
export function headersAdvice(release: string, osRelease = readText("/etc/os-release")): string {
  const families = [...osRelease.matchAll(/^ID(?:_LIKE)?=["']?([^"'\n]*)/gm)].flatMap(([, names = ""]) =>
    names.split(" "),
  );
  const known = distributions.find(({ ids }) => ids.some((id) => families.includes(id)));
  if (known === undefined)
    return `install the headers of exactly this kernel, so that /lib/modules/${release}/build is there`;
  const { command, packageFor } = known;
  return `install ${packageFor(release)}: ${command} ${packageFor(release)}`;
}

interface Distribution {
  /** ID and ID_LIKE in /etc/os-release. */
  readonly ids: readonly string[];
  readonly command: string;
  readonly packageFor: (release: string) => string;
}

const distributions: readonly Distribution[] = [
  {
    ids: ["debian", "ubuntu"],
    command: "apt-get install",
    packageFor: (release) => `${release.endsWith("-pve") ? "proxmox" : "linux"}-headers-${release}`,
  },
  {
    ids: ["fedora", "rhel", "centos", "amzn"],
    command: "dnf install",
    packageFor: (release) => `kernel-${release.includes("uek") ? "uek-" : ""}devel-${release}`,
  },
  // "6.4.0-150600.23.25-default": the last part is the flavour.
  {
    ids: ["suse", "opensuse", "sles"],
    command: "zypper install",
    packageFor: (release) => {
      const [, version, flavour] = /^(.*)-([a-z]+)$/.exec(release) ?? [undefined, release, "default"];
      return `kernel-${flavour}-devel=${version}`;
    },
  },
  {
    ids: ["arch"],
    command: "pacman -S",
    packageFor: (release) => {
      const flavour = /-(lts|zen|hardened|rt)$/.exec(release)?.[1];
      return flavour === undefined ? "linux-headers" : `linux-${flavour}-headers`;
    },
  },
  {
    ids: ["alpine"],
    command: "apk add",
    packageFor: (release) => `linux-${/-([a-z]+)$/.exec(release)?.[1] ?? "lts"}-dev`,
  },
];
