// Memory that nothing refers to any more, by the word of the kernel that looks for it (kmemleak). Others are not asked.
import { debugKernel } from "../image/recipe.ts";
import type { Lab } from "../lab.ts";
import type { LabNode } from "./node.ts";

const file = "/sys/kernel/debug/kmemleak";

/** What changed since the scan before is left out, and so is what is younger than five seconds. */
const scan = `
  [ -e ${file} ] || mount -t debugfs debugfs /sys/kernel/debug
  echo scan > ${file}; sleep 6; echo scan > ${file}`;

/** Each with the calls that led to its allocation, and the node's name in front. */
export async function leaksIn(lab: Lab): Promise<string[]> {
  const found = await onEach(lab, async ({ name, sh }) => {
    const leaks = (await sh(`${scan}\n  cat ${file}`)).split(/^(?=unreferenced object)/m);
    return leaks.filter(Boolean).map((leak) => `${name}: ${leak}`);
  });
  return found.flat();
}

/** Nothing is told later of what was lost so far. */
export async function forgetLeaks(lab: Lab): Promise<void> {
  await onEach(lab, ({ sh }) => sh(`${scan}\n  echo clear > ${file}`));
}

async function onEach<T>({ kernel, nodes }: Lab, act: (node: LabNode) => Promise<T>): Promise<T[]> {
  if (kernel !== debugKernel) return [];
  return Promise.all(nodes.filter((node) => node.isRunning()).map(act));
}
