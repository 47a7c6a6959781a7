# SPDX-License-Identifier: GPL-2.0
#
# Sourced after lib.sh, by what tests NAT between the ends: b is behind n, which masquerades (or
# forwards the data port to it); a and the attacker e are outside.

SPI=$((0x7000))		# the next pair
A4=198.51.100.1 E4=198.51.100.66 N4=198.51.100.9 B4=192.168.5.2
OTHER=198.51.100.10	# n's, after a change

# nat RULES…: n translates so from now on; what it knew before is forgotten. What comes for
# nobody inside is dropped, else n would take the port for a flow of its own.
nat() {
	on n nft flush ruleset
	on n nft -f - <<-NFT
		table ip nat {
			chain post { type nat hook postrouting priority srcnat; $1; }
			chain pre { type nat hook prerouting priority dstnat; ${2:-}; }
			chain in { type filter hook input priority 0; udp dport $DATA_PORT drop; }
		}
	NFT
	on n conntrack -F >/dev/null 2>&1
}

# Whoever is inside gets a mapping for each peer that it talks to.
masquerade() {
	nat 'oifname "outside" masquerade'
}

setup() {
	make_hosts a e n b w
	add_bridge w wire
	for h in a e n; do
		connect $h outside w to-$h
		ip -n "$(ns_name w)" link set to-$h master wire
	done
	connect b wire n inside
	address a outside $A4/24
	address e outside $E4/24
	address n outside $N4/24
	address n inside 192.168.5.1/24
	address b wire $B4/24
	on n sysctl -qw net.ipv4.ip_forward=1
	route b default via 192.168.5.1
	route a default via 198.51.100.254
	masquerade || fail "n does not translate"
	up a $A4
	up b $B4
	expect "policy" sotto a policy add $B4/32 protect
	expect "policy" sotto b policy add $A4/32 protect
}

# endpoint: where a sends what is for b.
endpoint() {
	sotto a -j tunnel show | jq -r ".[] | select(.destination == \"$B4\") | \"\(.endpoint):\(.endpoint_port)\""
}

# swap FROM TO: n's address outside; what is masqueraded begins anew.
swap() {
	ip -n "$(ns_name n)" addr del "$1/24" dev outside
	address n outside "$2/24"
	on n conntrack -F >/dev/null 2>&1
}

exchange() {
	expect "ping from inside" pings b $A4 &&
		expect "ping from outside" pings a $B4 &&
		expect "datagrams" udp_sizes b a $A4 1 1400 200 &&
		expect "TCP from inside" bulk b a $A4 1 &&
		expect "TCP from outside" bulk a b $B4 1
}
