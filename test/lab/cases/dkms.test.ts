// DKMS makes the modules of podwire's sources for a kernel that is not running, and the guest that runs it loads them at podwire's
// word.
import { describe, expect, test } from "vitest";
import { bring, buildByDkms, writableModules } from "../fixture/built-module.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { debugKernel } from "../image/recipe.ts";

// For the debug kernel there is no package of headers.
const kernels = testedKernels.filter((kernel) => kernel !== debugKernel);

describe.skipIf(cannotRunFullLab("DKMS")).each(kernels)("on kernel %s", (kernel) => {
  const lab = sharedLab({ kernel, nodes: 1 });

  test.each(["bypass", "stt"] as const)(
    "podwire %s load takes what DKMS built",
    async (command) => {
      const { node1 } = lab;
      const built = await buildByDkms(command, kernel);
      await node1.sh(writableModules);
      await bring(node1, built);
      await node1.run("depmod", built.release);
      expect((await node1.run("modinfo", "-n", `podwire_${command}`)).trim()).toBe(built.file);
      await node1.run("podwire", command, "load");
      const version = (await node1.sh("podwire version")).split("\n")[0]?.split(/ +/)[1];
      expect((await node1.sh(`cat /sys/module/podwire_${command}/version`)).trim()).toBe(version);
      await node1.run("podwire", command, "unload");
      await node1.sh("umount /usr/lib/modules/$(uname -r); rm -r /run/modules");
    },
    900_000,
  );
});
