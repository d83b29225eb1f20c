// The package that has a kernel's headers, by distribution. Releases are as these distributions' kernels say them.
import { expect, test } from "vitest";
import { headersAdvice } from "../../src/kernel-module/headers.ts";

test.each([
  ["ID=debian", "6.1.0-37-amd64", "apt-get install linux-headers-6.1.0-37-amd64"],
  ["ID=ubuntu\nID_LIKE=debian", "6.8.0-51-generic", "apt-get install linux-headers-6.8.0-51-generic"],
  ['ID=pop\nID_LIKE="ubuntu debian"', "6.9.3-76060903-generic", "linux-headers-6.9.3-76060903-generic"],
  ["ID=debian", "6.8.12-4-pve", "apt-get install proxmox-headers-6.8.12-4-pve"],
  ["ID=fedora", "6.11.4-301.fc41.x86_64", "dnf install kernel-devel-6.11.4-301.fc41.x86_64"],
  [
    'ID="rocky"\nID_LIKE="rhel centos fedora"',
    "5.14.0-503.el9.x86_64",
    "dnf install kernel-devel-5.14.0-503.el9.x86_64",
  ],
  ['ID="ol"\nID_LIKE="fedora"', "5.15.0-300.el9uek.x86_64", "kernel-uek-devel-5.15.0-300.el9uek.x86_64"],
  [
    'ID="opensuse-leap"\nID_LIKE="suse opensuse"',
    "6.4.0-150600.23.25-default",
    "zypper install kernel-default-devel=6.4.0-150600.23.25",
  ],
  ["ID=arch", "6.12.1-arch1-1", "pacman -S linux-headers"],
  ["ID=arch", "6.6.63-1-lts", "pacman -S linux-lts-headers"],
  ["ID=alpine", "6.6.63-0-virt", "apk add linux-virt-dev"],
  ["ID=flatcar", "6.6.60-flatcar", "/lib/modules/6.6.60-flatcar/build"],
  ["", "6.1.0", "the headers of exactly this kernel"],
])("%j, Linux %s", (osRelease, release, expected) => {
  expect(headersAdvice(release, osRelease)).toContain(expected);
});
