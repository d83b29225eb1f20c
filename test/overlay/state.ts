// What an overlay has in the kernel, as text that is the same when it is the same.

/** A script that prints it; `underlay` is the link between the nodes. */
export const stateScript = (underlay = "eth0") => `
for device in pw-vxlan pw-geneve; do
  ip -d link show dev $device 2> /dev/null | sed 's/^[0-9]*: //' || true
  ip -o address show dev $device scope global 2> /dev/null | awk '{ print $3, $4 }' | sort || true
  ip neighbour show nud permanent dev $device 2> /dev/null | sort || true
  cat /proc/sys/net/ipv4/conf/$device/forwarding 2> /dev/null || true
done
ip route show proto 120 | sort; ip -6 route show proto 120 | sort
grep . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding /proc/sys/net/ipv4/conf/${underlay}/forwarding
nft list table inet podwire 2> /dev/null | grep -A9 'peers\\|tunnels' | tr -d ' \\n' || true
`;
