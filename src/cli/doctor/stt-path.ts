// What a probe saw of a path that stt takes. Its segments may be fragmented on the way, so that they arrive does not say what the path
// takes whole: that is tried beside the tunnel, and known only if the peer answers there.
import { type Finding, fault, fine, warning } from "./finding.ts";

export interface SttPath {
  /** As people write it. */
  readonly port: string;
  /** Pods' largest packets. */
  readonly mtu: number;
  readonly isLargestAnswered: boolean;
  /** The largest packet that arrives whole; undefined if that could not be tried. */
  readonly path: number | undefined;
  readonly underlay: { readonly link: string; readonly mtu: number };
}

export function judgeStt(check: string, { port, mtu, isLargestAnswered, path, underlay }: SttPath): Finding {
  if (path !== undefined && path < underlay.mtu) {
    return (isLargestAnswered ? warning : fault)(
      check,
      `MTU too small: of the ${underlay.mtu} bytes of ${underlay.link} only about ${path} arrive whole`,
      isLargestAnswered
        ? "nothing but speed, and that only while nobody on the way drops fragments: routers cut segments up"
        : "small packets pass and large ones are lost: connections open and then hang",
      `ip route change the route to that node, with mtu ${path}, or give the path between the nodes the MTU of ${underlay.link}`,
    );
  }
  if (!isLargestAnswered) {
    return fault(
      check,
      `large packets are lost: small ones of pods are answered on ${port}, those of ${mtu} bytes are not`,
      "connections open and then hang",
      "see that nothing between the nodes drops large packets or fragments, and that the peer's overlay.mtu is the same",
    );
  }
  const whole =
    path === undefined
      ? "; what the path takes whole is not known, for the peer does not answer outside of the tunnel"
      : `, and the path takes ${path} bytes whole`;
  return fine(check, `fine: pods' packets of ${mtu} bytes are answered on ${port}${whole}`);
}
