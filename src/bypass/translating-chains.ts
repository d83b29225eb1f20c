// Chains of kube-proxy, by iptables: what they translate, the module leaves on its full path. Not kube-router's and other policies'
// chains, which begin with KUBE too.
export const kubeProxyChain =
  /^KUBE-(SERVICES|NODEPORTS|POSTROUTING|FORWARD|FIREWALL|MARK-(MASQ|DROP)|EXTERNAL-SERVICES|NODE-PORT|LOAD-BALANCER|PROXY-FIREWALL|(PROXY|KUBELET)-CANARY|(SVC|SEP|EXT|FW|XLB|SVL)-[A-Z0-9]+)$/;
