// The commands that every kernel module has.
import type { KernelModule } from "../../kernel-module/module.ts";
import type { Command } from "../command.ts";

/** `whatItDoes` goes on "the kernel module that"; `afterUnload` says what becomes of traffic. */
export function moduleCommands(
  module: KernelModule,
  whatItDoes: string,
  afterLoad: string,
  afterUnload: string,
): Command[] {
  const { command, packageName } = module;
  return [
    {
      name: `${command} build`,
      summary: `build the kernel module that ${whatItDoes}`,
      about:
        "For the running kernel, with its headers, make and the compiler that built it; prints where the module is. load finds it\n" +
        `there. For DKMS put the sources into /usr/src/${packageName}-VERSION.`,
      options: {
        "sources-to": {
          type: "string",
          placeholder: "DIR",
          summary: "only put the module's sources there",
        },
      },
      load: async () => (await import("./run.ts")).build(module),
    },
    {
      name: `${command} load`,
      summary: `load the kernel module that ${whatItDoes}`,
      about:
        "Takes the file that is given, else what is installed for this kernel (by DKMS or a package), else what was built by\n" +
        `podwire ${command} build. Does nothing if it is loaded. ${afterLoad}`,
      options: {
        file: {
          type: "string",
          placeholder: "FILE",
          summary: "the module, instead of what is installed or built",
        },
      },
      load: async () => (await import("./run.ts")).load(module),
    },
    {
      name: `${command} unload`,
      summary: "unload that module",
      about: afterUnload,
      options: {},
      load: async () => (await import("./run.ts")).unload(module),
    },
  ];
}
