import { describe, expect, test } from "vitest";
import { acceleration, type Guest, qemuCommand } from "./qemu.ts";

const guest: Guest = {
  number: 2,
  nodes: 3,
  memory: 512,
  processors: 1,
  accelerator: "tcg",
  timing: "wall-clock",
  vmlinuz: "/cache/kernel/vmlinuz",
  initramfs: "/cache/kernel/initramfs",
  images: ["/cache/kernel/modules.ext4", "/cache/labs/lab/payload.ext4"],
  directory: "/cache/labs/lab",
  sockets: "/run/podwire-lab/lab",
};

/** What follows each occurrence of an option. */
function valuesOf(command: readonly string[], option: string): string[] {
  return command.flatMap((word, index) => (command[index - 1] === option ? [word] : []));
}

describe("how a guest is accelerated", () => {
  test("is by KVM as the host's own processor", () => {
    expect(acceleration({ accelerator: "kvm", timing: "wall-clock" })).toEqual([
      ...["-accel", "kvm", "-cpu", "host"],
    ]);
  });

  test("is by emulation with a cache that does not depend on the host's memory", () => {
    for (const timing of ["wall-clock", "instructions"] as const)
      expect(acceleration({ accelerator: "tcg", timing }).join(" ")).toMatch(/^-accel tcg,.*\btb-size=512\b/);
  });

  test("counts instructions only where time is to be that of instructions, and then on one thread", () => {
    const counting = acceleration({ accelerator: "tcg", timing: "instructions" });
    expect(valuesOf(counting, "-icount")).toEqual(["shift=2,sleep=on"]);
    expect(valuesOf(counting, "-accel")[0]).toContain("thread=single");
    expect(acceleration({ accelerator: "tcg", timing: "wall-clock" })).not.toContain("-icount");
  });
});

describe("the command of a guest", () => {
  const command = qemuCommand(guest);

  test("tells the guest who it is, and adds the words that a test asks for", () => {
    const [words = ""] = valuesOf(command, "-append");
    expect(words).toMatch(/\bpodwire\.node=2 podwire\.nodes=3$/);
    const [more = ""] = valuesOf(qemuCommand({ ...guest, kernelArguments: "quiet" }), "-append");
    expect(more).toBe(`${words} quiet`);
  });

  test("ends the guest when its kernel panics: it reboots at once, and QEMU does not", () => {
    expect(valuesOf(command, "-append")[0]).toContain("panic=-1");
    expect(command).toContain("-no-reboot");
  });

  test("gives the disks in the order in which the guest's init mounts them", () => {
    const files = valuesOf(command, "-drive").map((drive) => /file=([^,]+)/.exec(drive)?.[1]);
    expect(files).toEqual(["/cache/labs/lab/node2.qcow2", ...guest.images]);
  });

  test("lets guests share what is read only, and nothing that is written", () => {
    const [own, ...shared] = valuesOf(command, "-drive");
    expect(own).not.toContain("readonly");
    expect(own).not.toContain("file.locking=off");
    for (const drive of shared) expect(drive).toMatch(/readonly=on,file\.locking=off/);
  });

  test("has a full disk of the host reported to the guest, for which it would stand still otherwise", () => {
    expect(valuesOf(command, "-drive")[0]).toMatch(/,werror=report(,|$)/);
  });

  test("has a tap and an address of its own on both wires", () => {
    const taps = valuesOf(command, "-netdev").map((netdev) => /ifname=([^,]+)/.exec(netdev)?.[1]);
    expect(taps).toEqual(["data2", "control2"]);
    const macs = (number: number) =>
      valuesOf(qemuCommand({ ...guest, number }), "-device").flatMap(
        (device) => /mac=([^,]+)/.exec(device)?.[1] ?? [],
      );
    const all = [...macs(1), ...macs(2), ...macs(99)];
    expect(new Set(all).size).toBe(6);
    for (const mac of all) expect(mac).toMatch(/^52:54(:[0-9a-f]{2}){4}$/);
  });

  test("names a console and a debugger's socket whose paths fit into a socket's address", () => {
    // 40 characters is the longest name of a lab; the kernel's limit is 107.
    const sockets = `/run/podwire-lab/${"x".repeat(40)}`;
    const longest = qemuCommand({ ...guest, number: 99, sockets });
    const paths = [
      /,path=([^,]+)/.exec(valuesOf(longest, "-chardev")[0] ?? "")?.[1],
      /^unix:([^,]+)/.exec(valuesOf(longest, "-gdb")[0] ?? "")?.[1],
    ];
    expect(paths).toEqual([`${sockets}/node99.console`, `${sockets}/node99.gdb`]);
    for (const path of paths) expect(path?.length).toBeLessThanOrEqual(107);
  });

  test("keeps commas in paths apart from QEMU's own", () => {
    const cache = "/cache,2";
    const odd = qemuCommand({ ...guest, directory: `${cache}/labs`, images: [`${cache}/modules.ext4`] });
    const mentions = odd.filter((word) => word.includes("/cache,"));
    expect(mentions).toHaveLength(3);
    for (const word of mentions) expect(word).toContain("/cache,,2/");
  });
});
