// Pods' links that stand on an overlay's device go with it, and nobody can give a living pod another one. So a change that takes
// such a device away is refused. Pure.
import type { CniError } from "../cni/error.ts";
import type { Scope } from "./changes.ts";
import { overlayUnusable } from "./fault.ts";
import type { ObservedLink } from "./observe.ts";
import type { ObservedHost } from "./observe-host.ts";
import { isOfSwitch, overlayAlias } from "./own.ts";
import type { Plan } from "./plan.ts";
import { tunnelFault } from "./verify.ts";

/** Whether a link of this plan stands on the device. */
export function standsOn(device: string, plan: Plan): boolean {
  return plan.some(
    (object) => object.kind === "link" && "master" in object.type && object.type.master === device,
  );
}

/** Throws code 108 naming pods that would lose their links. */
export function refuseLosses(
  plan: Plan,
  host: Pick<ObservedHost, "link" | "stts">,
  { devices, podsOn }: Pick<Scope, "devices" | "podsOn">,
): void {
  for (const device of devices) {
    const found = host.link("host", device);
    if (found === undefined || !isOwn(found) || stays(device, found, plan, host)) continue;
    const pods = podsOn(device);
    if (pods.length > 0) throw wouldLose(device, pods);
  }
}

/** Of what somebody else put in its place no pod's link is left. */
function isOwn(found: ObservedLink): boolean {
  return found.ifalias === overlayAlias || isOfSwitch(found);
}

function stays(
  device: string,
  found: ObservedLink,
  plan: Plan,
  { stts }: Pick<ObservedHost, "stts">,
): boolean {
  return plan.some((object) => {
    if (object.kind === "stt-settings" && object.link === device)
      return stts.get(device)?.port === object.port;
    if (object.kind !== "link" || object.name !== device) return false;
    if (object.type.kind === "ovs") return isOfSwitch(found);
    if (object.type.kind !== "tunnel" || object.type.driver !== found.linkinfo?.info_kind) return false;
    return object.type.driver !== "stt" && tunnelFault(object.type, found) === undefined;
  });
}

const named = 5;

function wouldLose(device: string, pods: readonly string[]): CniError {
  const rest = pods.length - named;
  const names = `${pods.slice(0, named).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
  return overlayUnusable(
    `link ${device} would have to go, and with it the interfaces of pods that stand on it (ipvlan): ${names}. Delete these ` +
      "pods first, or set the overlay back",
  );
}
