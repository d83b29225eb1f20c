// Groups a plan into as few programs as its order allows: neighbours of one kind and one netns
// make one step.
import { type IpObject, isIpObject } from "./ip-lines.ts";
import { isOvsObject, type OvsObject } from "./ovs/lines.ts";
import type { Masquerade, PodObject, PodPlan, Sysctl, Where } from "./plan.ts";

export type Step =
  | { readonly tool: "ip"; readonly where: Where; readonly objects: readonly IpObject[] }
  | { readonly tool: "sysctl"; readonly where: Where; readonly objects: readonly Sysctl[] }
  | { readonly tool: "nft"; readonly where: "host"; readonly objects: readonly Masquerade[] }
  | { readonly tool: "ovs"; readonly where: "host"; readonly objects: readonly OvsObject[] };

export function stepsOf(plan: PodPlan): Step[] {
  const steps: Step[] = [];
  for (const object of plan) {
    const tool = toolOf(object);
    const last = steps.at(-1);
    if (last !== undefined && last.tool === tool && last.where === object.where) {
      steps[steps.length - 1] = { ...last, objects: [...last.objects, object] } as Step;
    } else {
      steps.push({ tool, where: object.where, objects: [object] } as Step);
    }
  }
  return steps;
}

function toolOf(object: PodObject): Step["tool"] {
  if (isIpObject(object)) return "ip";
  if (isOvsObject(object)) return "ovs";
  return object.kind === "sysctl" ? "sysctl" : "nft";
}
