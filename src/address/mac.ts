// MAC addresses, in the colon form that iproute2 and the kernel print.

/** Whether `text` can be the address of an interface: unicast and not all zero. */
export function isUnicastMac(text: string): boolean {
  return /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i.test(text) && !/^[0:]+$/.test(text);
}
