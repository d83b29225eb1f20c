// podwire_stt as podwire controls it: built by podwire for the guest's kernel, loaded, told of, unloaded.
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type BuiltModule, bring, buildByPodwire } from "../fixture/built-module.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping, transfer } from "../fixture/traffic.ts";
import { closeTunnel, endOf, openTunnel } from "../stt/tunnel.ts";

describe.skipIf(cannotRunFullLab("the control of podwire_stt")).each(testedKernels)(
  "the control of podwire_stt on kernel %s",
  (kernel) => {
    const lab = sharedLab({ kernel });
    let built: BuiltModule;
    beforeAll(async () => {
      built = await buildByPodwire("stt", kernel);
    }, 900_000);

    test("a guest without headers is told which package has them, and that there is no module", async () => {
      const { node1 } = lab;
      const { name } = path.parse(built.file);
      expect([name, built.file]).toEqual([
        "podwire_stt",
        expect.stringContaining(`/var/cache/podwire/modules/${built.release}/`),
      ]);
      expect((await node1.attempt("podwire", ["stt", "build"])).stderr).toContain(
        `the headers of Linux ${built.release} are not installed; install linux-headers-${built.release}: apt-get install`,
      );
      expect((await node1.attempt("podwire", ["stt", "load"])).stderr).toContain(
        `there is none for Linux ${built.release}: podwire stt build`,
      );
      expect((await node1.attempt("podwire", ["stt", "status"])).stdout).toContain(
        `there is none for Linux ${built.release}: podwire stt build, then podwire stt load`,
      );
    });

    test("what podwire built is found, loaded, of its own version, and a tunnel", async () => {
      for (const node of lab.nodes) {
        await bring(node, built);
        expect((await node.attempt("podwire", ["stt", "status"])).stdout).toContain(
          `podwire stt load, which takes ${built.file}`,
        );
        await node.run("podwire", "stt", "load");
        expect(await node.sh("podwire stt status")).toBe("loaded; there is no link of kind stt");
      }
      await openTunnel(lab);
      await ping(endOf(lab.node1), endOf(lab.node2), { family: 6 });
      await transfer(endOf(lab.node1), endOf(lab.node2), 5);
      await transfer(endOf(lab.node2), endOf(lab.node1), 5, 6);
      await closeTunnel(lab);
      for (const node of lab.nodes) await node.run("podwire", "stt", "unload");
    });
  },
);
