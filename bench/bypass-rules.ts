// Rules of a node that nobody's traffic is about but that all of it meets: Services as kube-proxy writes them.

export const backends = ["iptables-legacy", "iptables-nft", "nft"] as const;
export type Backend = (typeof backends)[number];

export function addRules(backend: Backend, services: number): string {
  return backend === "nft" ? byNft(services) : byIptables(backend, services);
}

/** podwire's own table stays. iptables' tables of the old kind keep their hooks, and with them conntrack, until unloaded. */
export const removeRules = `
  for table in raw nat filter kube fast; do nft delete table ip $table 2> /dev/null || true; done
  for table in raw nat filter; do
    grep -q "^iptable_$table " /proc/modules || continue
    iptables-legacy -t $table -F; iptables-legacy -t $table -X; rmmod iptable_$table
  done`;

/** Every fiftieth has no endpoint, and is refused. */
function byIptables(backend: Backend, services: number): string {
  return `
  { printf '%s\\n' '*nat' ':KUBE-SERVICES - [0:0]' '-A PREROUTING -j KUBE-SERVICES' '-A OUTPUT -j KUBE-SERVICES'
    for index in $(seq ${services}); do
      echo "-A KUBE-SERVICES -d 10.97.$((index / 250)).$((index % 250)) -p udp --dport 53 -j DNAT --to-destination 10.244.9.9"
    done
    printf '%s\\n' COMMIT '*filter' ':KUBE-FORWARD - [0:0]' ':KUBE-EXTERNAL-SERVICES - [0:0]' \\
      '-A FORWARD -j KUBE-FORWARD' '-A FORWARD -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES' \\
      '-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP' \\
      '-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT' \\
      '-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'
    for index in $(seq ${Math.ceil(services / 50)}); do
      echo "-A KUBE-EXTERNAL-SERVICES -d 10.98.0.$((index % 250)) -p tcp --dport 80 -j REJECT"
    done
    echo COMMIT
  } > /tmp/rules
  ${backend}-restore --noflush < /tmp/rules`;
}

/** kube-proxy's nftables mode has maps where iptables has lines. */
function byNft(services: number): string {
  const elements = (count: number, line: string) =>
    `$(for index in $(seq ${count}); do echo "${line},"; done)`;
  return `
  cat > /tmp/rules <<END
table ip kube {
  map services {
    type ipv4_addr . inet_proto . inet_service : verdict
    elements = { ${elements(services, "10.97.$((index / 250)).$((index % 250)) . udp . 53 : goto service")} }
  }
  map refused {
    type ipv4_addr . inet_proto . inet_service : verdict
    elements = { ${elements(Math.ceil(services / 50), "10.98.0.$((index % 250)) . tcp . $((index / 250 + 80)) : goto refuse")} }
  }
  chain service {
    meta l4proto udp dnat to 10.244.9.9
  }
  chain refuse {
    reject
  }
  chain prerouting {
    type nat hook prerouting priority -100
    ip daddr . meta l4proto . th dport vmap @services
  }
  chain output {
    type nat hook output priority -100
    ip daddr . meta l4proto . th dport vmap @services
  }
  chain forward {
    type filter hook forward priority 0
    ct state new ip daddr . meta l4proto . th dport vmap @refused
    ct state invalid drop
  }
}
END
  nft -f /tmp/rules`;
}
