// Whether this machine's KVM runs Debian's kernels, found out by doing it: /dev/kvm may exist and be of no use,
// for example in a small virtual machine itself.
import fs from "node:fs";
import { execa } from "execa";
import type { Kernel } from "../image/kernel.ts";
import type { Accelerator } from "../machine/qemu.ts";
import { bound } from "./run.ts";

/** In memory: valid until the next boot. */
const knowledge = "/run/podwire-lab.accelerator";

/** Real KVM takes about one second. */
const probeSeconds = 8;

export async function accelerator(kernel: Kernel): Promise<Accelerator> {
  const forced = process.env["PODWIRE_LAB_ACCELERATOR"];
  if (forced === "kvm" || forced === "tcg") return forced;
  if (!fs.existsSync("/dev/kvm")) return "tcg";
  if (fs.existsSync(knowledge)) return fs.readFileSync(knowledge, "utf8") === "kvm" ? "kvm" : "tcg";
  const found = (await bootsWithKvm(kernel)) ? "kvm" : "tcg";
  fs.writeFileSync(knowledge, found);
  return found;
}

async function bootsWithKvm({ vmlinuz, initramfs }: Kernel): Promise<boolean> {
  const [setpriv, ...args] = [
    ...bound,
    ...["qemu-system-x86_64", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"],
    ...["-machine", "q35", "-accel", "kvm", "-cpu", "host", "-m", "256"],
    ...["-kernel", vmlinuz, "-initrd", initramfs, "-append", "console=ttyS0 panic=-1 podwire.probe"],
  ];
  const { stdout } = await execa(setpriv, args, {
    stdin: "ignore",
    reject: false,
    timeout: probeSeconds * 1000,
    killSignal: "SIGKILL",
  });
  return stdout.includes("podwire-lab: probed");
}
