#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# NAT between the ends: b is behind n, which masquerades (or forwards the data port to it);
# a is outside. Both modes, by keys put in by hand.

. "$(dirname "$0")/lib.sh"
begin
need ping nft conntrack

SPI=$((0x7000))		# the next pair
A4=198.51.100.1 N4=198.51.100.9 B4=192.168.5.2
OTHER=198.51.100.10	# n's, after a change

# nat RULES…: n translates so from now on; what it knew before is forgotten.
nat() {
	on n nft flush ruleset
	on n nft -f - <<-NFT
		table ip nat {
			chain post { type nat hook postrouting priority srcnat; $1; }
			chain pre { type nat hook prerouting priority dstnat; ${2:-}; }
		}
	NFT
	on n conntrack -F >/dev/null 2>&1
}

# Whoever is inside gets a mapping for each peer that it talks to.
masquerade() {
	nat 'oifname "outside" masquerade'
}

setup() {
	make_hosts a n b w
	ip -n "$(ns_name w)" link add wire type bridge
	ip -n "$(ns_name w)" link set wire up
	for h in a n; do
		connect $h outside w to-$h
		ip -n "$(ns_name w)" link set to-$h master wire
	done
	connect b wire n inside
	address a outside $A4/24
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

# keyed MODE CIPHER [WORDS for a's SAs]: both ends; b is behind a NAT, and both know.
keyed() {
	local mode=$1 cipher=$2 to_b=$SPI to_a=$((SPI + 1))
	shift 2

	SPI=$((SPI + 2))
	sotto a tunnel flush
	sotto b tunnel flush
	expect "a's inbound SA" sotto a sa add in spi $to_a peer $B4 cipher "$cipher" \
		mode "$mode" key-file "$(key $to_a)" nat &&
		expect "a's outbound SA" sotto a sa add out spi $to_b peer $B4 cipher "$cipher" \
			mode "$mode" key-file "$(key $to_b)" nat pair-spi $to_a "$@" &&
		expect "b's inbound SA" sotto b sa add in spi $to_b peer $A4 cipher "$cipher" \
			mode "$mode" key-file "$(key $to_b)" &&
		expect "b's outbound SA" sotto b sa add out spi $to_a peer $A4 cipher "$cipher" \
			mode "$mode" key-file "$(key $to_a)" keepalive pair-spi $to_b
}

# endpoint: where a sends what is for b.
endpoint() {
	sotto a -j tunnel show | jq -r ".[] | select(.destination == \"$B4\") | \"\(.endpoint):\(.endpoint_port)\""
}

endpoint_is() {
	[ "$(endpoint)" = "$1" ]
}

# Everything, both ways.
talk() {
	expect "ping from inside" pings b $A4 &&
		expect "ping from outside" pings a $B4 &&
		expect "datagrams from inside" udp_sizes b a $A4 1 3000 101 &&
		expect "datagrams from outside" udp_sizes a b $B4 1 3000 101 &&
		expect "TCP from inside" bulk b a $A4 2 &&
		expect "TCP from outside" bulk a b $B4 2
}

both_modes() {
	local mode

	for mode in transport tunnel; do
		keyed $mode "$1" || return
		"${@:2}" || return
	done
}

behind_a_masquerade() {
	masquerade
	both_modes chacha20poly1305 talk
	same "the endpoint" "$(endpoint)" $N4:$DATA_PORT
	both_modes aes256gcm exchange
}

# The port outside is not the one that b sends from.
behind_other_ports() {
	nat "oifname outside udp sport $DATA_PORT snat to $N4:20000-20009"
	both_modes chacha20poly1305 exchange
	[[ "$(endpoint)" == $N4:2000? ]] || fail "the endpoint is $(endpoint)"
}

# A port of n's that is b's: a may speak first.
behind_a_full_cone() {
	local mode

	nat 'oifname "outside" masquerade' "iifname outside udp dport $DATA_PORT dnat to $B4"
	for mode in transport tunnel; do
		keyed $mode chacha20poly1305 endpoint $N4
		expect "ping from outside first" pings a $B4
		exchange
	done
}

# swap FROM TO: n's address outside; what is masqueraded begins anew.
swap() {
	ip -n "$(ns_name n)" addr del "$1/24" dev outside
	address n outside "$2/24"
	on n conntrack -F >/dev/null 2>&1
}

# halves FROM TO ADDRESS COMMAND…: TCP, and in the middle of it COMMAND.
halves() {
	local from=$1 to=$2 addr=$3 file got=$tmp/halves.$2
	shift 3

	file=$(random_file 4)
	traffic "$to" -t 60000 -b -o "$got" tcp-recv 5001 >/dev/null || return
	{ head -c 2M "$file"; sleep 0.3; "$@"; tail -c +$((2 * 1024 * 1024 + 1)) "$file"; } |
		traffic "$from" -t 60000 tcp-send "$addr" 5001 || return
	sha256sum <"$got" | cmp - "$file.sha256"
}

rebinding() {
	local mode=$1 changes

	keyed "$mode" chacha20poly1305
	expect "ping" pings b $A4
	changes=$(stat a endpoint_changes)
	launch a "$SOTTO" -j monitor >"$tmp/events.$mode"
	local monitor=$!
	disown $monitor
	expect "TCP from inside" halves b a $A4 swap $N4 $OTHER || return
	same "the endpoint" "$(endpoint)" $OTHER:$DATA_PORT
	# Only a has something to say: b's keepalives show where it is.
	expect "TCP from outside" halves a b $B4 swap $OTHER $N4 || return
	await "the endpoint" 10 endpoint_is $N4:$DATA_PORT
	same "changes" $(($(stat a endpoint_changes) - changes)) 2
	await "events" 5 grep -q "\"source\": *\"$OTHER\"" "$tmp/events.$mode"
	kill $monitor
	at_least "events that tell" "$(grep -c '"endpoint"' "$tmp/events.$mode")" 2
}

mapping_changes_in_the_middle() {
	masquerade
	expect "keepalives" sotto b set keepalive 1
	rebinding transport
	rebinding tunnel
	expect "keepalives" sotto b set keepalive 20
}

mapped() {
	on n conntrack -L -p udp --dst $A4 2>/dev/null | grep -q "dport=$DATA_PORT"
}

unmapped() {
	! mapped
}

keepalives_keep_the_mapping() {
	local sent

	masquerade
	on n sysctl -qw net.netfilter.nf_conntrack_udp_timeout=4 net.netfilter.nf_conntrack_udp_timeout_stream=4
	keyed tunnel aes256gcm
	expect "keepalives" sotto b set keepalive 1
	expect "ping" pings b $A4
	sent=$(stat b out_keepalive)
	await "keepalives" 30 reached b out_keepalive $((sent + 6))
	mapped || fail "the mapping has lapsed all the same"
	at_least "keepalives came" "$(stat a in_keepalive)" 6
	expect "ping from outside" pings a $B4
	expect "no keepalives" sotto b set keepalive 0
	await "the mapping lapses" 30 unmapped
	refuse "ping from outside" on a ping -n -q -c 1 -W 1 $B4
	expect "ping from inside" pings b $A4
	expect "ping from outside again" pings a $B4
	expect "keepalives" sotto b set keepalive 20
	on n sysctl -qw net.netfilter.nf_conntrack_udp_timeout=30 net.netfilter.nf_conntrack_udp_timeout_stream=120
}

# reached HOST STAT NUMBER
reached() {
	[ "$(stat "$1" "$2")" -ge "$3" ]
}

exchange() {
	expect "ping from inside" pings b $A4 &&
		expect "ping from outside" pings a $B4 &&
		expect "datagrams" udp_sizes b a $A4 1 1400 200 &&
		expect "TCP from inside" bulk b a $A4 1 &&
		expect "TCP from outside" bulk a b $B4 1
}

counters_add_up() {
	check_sums a b
}

run_tests setup behind_a_masquerade behind_other_ports behind_a_full_cone \
	mapping_changes_in_the_middle keepalives_keep_the_mapping counters_add_up
