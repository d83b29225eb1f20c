// Chains of kube-proxy and of the reference plugin portmap, by iptables: what they translate, the module leaves on its full path. Not
// kube-router's and other policies' chains, which begin with KUBE too.
export const translatingChain =
  /^CNI-(HOSTPORT-(DNAT|SNAT|MASQ|SETMARK)|DN-[0-9a-f]+)$|^KUBE-(SERVICES|IPVS-(OUT-)?FILTER|SOURCE-RANGES-FIREWALL|NODEPORTS|POSTROUTING|FORWARD|FIREWALL|MARK-(MASQ|DROP)|EXTERNAL-SERVICES|NODE-PORT|LOAD-BALANCER|PROXY-FIREWALL|(PROXY|KUBELET)-CANARY|(SVC|SEP|EXT|FW|XLB|SVL)-[A-Z0-9]+)$/;
