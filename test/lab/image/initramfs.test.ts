// The texts are lines of modules.dep of Debian's kernels 6.1 and 6.12.
import { describe, expect, test } from "vitest";
import { loadOrder } from "./initramfs.ts";

const virtio = "kernel/drivers/virtio";
const bookworm = `${virtio}/virtio_ring.ko:
${virtio}/virtio_mmio.ko: ${virtio}/virtio_ring.ko ${virtio}/virtio.ko
${virtio}/virtio_pci.ko: ${virtio}/virtio_pci_legacy_dev.ko ${virtio}/virtio_pci_modern_dev.ko ${virtio}/virtio_ring.ko ${virtio}/virtio.ko
kernel/drivers/char/hw_random/virtio-rng.ko: ${virtio}/virtio_ring.ko ${virtio}/virtio.ko
kernel/drivers/block/virtio_blk.ko: ${virtio}/virtio_ring.ko ${virtio}/virtio.ko
kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko kernel/net/core/failover.ko ${virtio}/virtio_ring.ko ${virtio}/virtio.ko
`;
const trixie = `kernel/drivers/block/virtio_blk.ko.xz:
kernel/drivers/net/virtio_net.ko.xz: kernel/drivers/net/net_failover.ko.xz kernel/net/core/failover.ko.xz
`;

const inOrder = (dependencies: string, ...names: string[]) =>
  loadOrder(dependencies, names).map((file) => file.slice(file.lastIndexOf("/") + 1));

describe("the order in which to load modules", () => {
  test("has what a module needs before it, and each file once", () => {
    expect(inOrder(bookworm, "virtio_pci", "virtio_blk")).toEqual([
      ...["virtio.ko", "virtio_ring.ko", "virtio_pci_modern_dev.ko", "virtio_pci_legacy_dev.ko"],
      ...["virtio_pci.ko", "virtio_blk.ko"],
    ]);
  });

  test("is right for whichever module comes first", () => {
    expect(inOrder(bookworm, "virtio_net", "virtio_blk")).toEqual([
      ...["virtio.ko", "virtio_ring.ko", "failover.ko", "net_failover.ko", "virtio_net.ko"],
      "virtio_blk.ko",
    ]);
  });

  test("leaves out what the kernel has built in", () => {
    expect(loadOrder(trixie, ["virtio_pci", "virtio_blk"])).toEqual([
      "kernel/drivers/block/virtio_blk.ko.xz",
    ]);
    expect(loadOrder(trixie, ["virtio_pci"])).toEqual([]);
  });

  test("is of whole names, not of their beginnings", () => {
    expect(inOrder(bookworm, "virtio")).toEqual([]);
    expect(inOrder(bookworm, "virtio_ring")).toEqual(["virtio_ring.ko"]);
  });

  test("is empty for a kernel without modules", () => {
    expect(loadOrder("", ["virtio_blk"])).toEqual([]);
  });
});
