// Pods that live and have a link that stands on one of the host's.
import { standsOn } from "../plan/standing.ts";
import { recordsOfLivePods } from "./liveness.ts";
import type { AttachmentRecord } from "./record.ts";

/** "default/web-1", or the container's id where the runtime named no pod. */
export function podsOn(device: string): string[] {
  return recordsOfLivePods()
    .filter(({ plan }) => standsOn(device, plan))
    .map(nameOf);
}

function nameOf({ pod, containerID }: AttachmentRecord): string {
  if (pod?.name === undefined) return `container ${containerID}`;
  return pod.namespace === undefined ? pod.name : `${pod.namespace}/${pod.name}`;
}
