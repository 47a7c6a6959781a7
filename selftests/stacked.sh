#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Devices upon devices: VLAN and QinQ, VRF, macvlan and ipvlan, bridges with and without
# br_netfilter, and containers behind a bridge as Docker makes them. What goes to a protected
# destination is sealed whatever it passes, and what must come sealed is not taken in the clear.

. "$(dirname "$0")/lib.sh"
begin
need ping nft

setup() {
	make_pair
	members_by_hand
}

# link HOST WORDS…
link() {
	local h=$1
	shift

	ip -n "$(ns_name "$h")" link "$@"
}

# over DEV_A DEV_B: traffic by these devices, which have 10.7.5.1 and .2, is sealed.
over() {

	address a "$1" 10.7.5.1/24
	address b "$2" 10.7.5.2/24
	route a $B4/32 via 10.7.5.2 src $A4
	route b $A4/32 via 10.7.5.1 src $B4
	capture over b wire
	expect "ping" pings a $B4
	expect "TCP" bulk a b $B4 2
	expect "UDP" udp_sizes a b $B4 1 3001 500
	end_capture over
	on a ip route del $B4/32
	on b ip route del $A4/32
}

# tagged TAGS MINIMUM: the capture of over() has that many sealed frames, and no plaintext.
tagged() {
	at_least "sealed frames" "$(frames over "$1 and udp port $DATA_PORT")" "$2"
	same "plaintext frames" "$(frames over "$1 and ($PLAINTEXT)")" 0
}

vlan() {
	local h

	for h in a b; do
		link $h add link wire name wire.5 type vlan id 5 2>/dev/null ||
			{ skip "there are no VLANs here"; return; }
		link $h set wire.5 up
	done
	over wire.5 wire.5
	tagged "vlan 5" 20
	for h in a b; do link $h del wire.5; done
}

vlan_within_a_vlan() {
	local h

	for h in a b; do
		link $h add link wire name outer type vlan proto 802.1ad id 7 2>/dev/null ||
			{ skip "there are no VLANs here"; return; }
		link $h add link outer name inner type vlan id 5
		link $h set outer up
		link $h set inner up
	done
	over inner inner
	tagged "vlan 7 and vlan 5" 20
	for h in a b; do link $h del outer; done
}

# dial HOST ADDRESS: a session of PPPoE with the host whose link address that is.
dial() {
	launch "$1" "$PYTHON" "$here/helpers/pppoe.py" wire "$2" 77 >"$tmp/$1.ppp" 2>&1
	sessions+=" $!"
	await "the session of $1" 10 says "$tmp/$1.ppp" ppp0
	link "$1" set ppp0 up mtu 1492
}

mac_of() {
	on "$1" ip -j link show wire | jq -r '.[].address'
}

# By DSL, say: IP's packets go to a PPP device, and come by the one below in frames of PPPoE.
pppoe() {
	local sessions= before

	modprobe -aq ppp_generic pppoe && [ -c /dev/ppp ] ||
		{ skip "there is no PPPoE here"; return; }
	dial a "$(mac_of b)"
	dial b "$(mac_of a)"
	over ppp0 ppp0
	tagged "pppoes 77" 20
	before=$(stat a out_drop_beneath)
	capture under b wire "pppoes 77 and host $B4"
	expect "a packet socket" on a "$PYTHON" "$here/helpers/beneath.py" frames ppp0 \
		"$(mac_of b)" $A4 $B4 dgram
	end_capture under
	same "plaintext frames of a packet socket" "$(frames under)" 0
	same "dropped" "$(stat a out_drop_beneath)" $((before + 1))
	kill $sessions
	wait $sessions 2>/dev/null
}

macvlan_and_ipvlan() {
	local kind

	for kind in "macvlan mode bridge" "ipvlan mode l2"; do
		link a add link wire name child type $kind 2>/dev/null ||
			{ skip "there is no ${kind%% *} here"; return; }
		link a set child up
		address a child 10.7.5.1/24
		address b wire 10.7.5.2/24
		route a $B4/32 via 10.7.5.2 dev child src $A4
		# b would tell ipvlan's parent, which has that address.
		ip -n "$(ns_name a)" neigh replace 10.7.5.2 dev child \
			lladdr "$(on b ip -j link show wire | jq -r '.[].address')"
		capture child b wire
		expect "ping by ${kind%% *}" pings a $B4
		expect "UDP by ${kind%% *}" udp_sizes a b $B4 1 3001 500
		end_capture child
		only_sealed child 10
		link a del child
		ip -n "$(ns_name b)" addr del 10.7.5.2/24 dev wire
	done
}

vrf() {
	link a add red type vrf table 10 2>/dev/null || { skip "there are no VRFs here"; return; }
	link a set red up
	link a set wire master red
	address a wire $A6/64
	capture vrf b wire
	expect "ping" pings a $B4 -I red
	expect "ping over IPv6" pings a $B6 -I red
	expect "ping to it" pings b $A4
	expect "ping to it over IPv6" pings b $A6
	expect "TCP" vrf_bulk
	# With a queue of its own, packets pass that device itself, before they are sealed.
	expect "queue" on a tc qdisc add dev red root pfifo
	expect "ping by the queue" pings a $B4 -I red
	expect "ping over IPv6 by the queue" pings a $B6 -I red
	expect "TCP by the queue" vrf_bulk
	end_capture vrf
	only_sealed vrf 50
	link a del red
	ip -n "$(ns_name a)" -6 addr replace $A6/64 dev wire
	expect "ping without it" pings a $B6
}

vrf_bulk() {
	local file got=$tmp/bulk.vrf

	file=$(random_file 1)
	traffic b -t 60000 -b -o "$got" tcp-recv 5001 >/dev/null || return
	on a ip vrf exec red "$TRAFFIC" -t 60000 tcp-send $B4 5001 <"$file" 2>/dev/null ||
		on a timeout 30 socat -u "OPEN:$file" "TCP:$B4:5001,so-bindtodevice=red" || return
	busywait 5 cmp -s "$got" "$file"
}

# b's wire becomes a port of its bridge, which has b's addresses; so has c, on another port.
make_bridge() {
	modprobe -qa bridge br_netfilter
	make_hosts c
	link b add br0 type bridge 2>/dev/null || return
	connect c wire b port
	ip -n "$(ns_name b)" addr flush dev wire
	link b set wire master br0
	link b set port master br0
	link b set br0 up
	address b br0 $B4/24 $B6/64
}

# br_netfilter ON: does it show b's frames to IP's hooks?
br_netfilter() {
	on b sysctl -qw net.bridge.bridge-nf-call-iptables=$1 net.bridge.bridge-nf-call-ip6tables=$1
}

# a_host_on_a_bridge: b's traffic with a is sealed; and c, which says that it is a, is not heard.
a_host_on_a_bridge() {
	local before

	capture bridge b wire
	expect "ping" pings a $B4
	expect "ping over IPv6" pings a $B6
	expect "ping back" pings b $A4
	expect "TCP" bulk a b $B4 2
	expect "TCP back" bulk b a $A4 2
	expect "UDP" udp_sizes a b $B4 1 3001 500
	end_capture bridge
	only_sealed bridge 50

	ip -n "$(ns_name c)" addr replace $A4/24 dev wire
	ip -n "$(ns_name c)" addr replace $A6/64 dev wire
	before=$(stat b in_drop_plaintext)
	traffic b -t 1000 -b -o "$tmp/got" udp-recv 5005 4 >/dev/null
	expect "plaintext of c" traffic c udp-send $B4 5005 2 100
	expect "plaintext of c over IPv6" traffic c udp-send $B6 5005 2 100
	await "dropped" 5 stat_is b in_drop_plaintext $((before + 4))
	await "end" 5 grep -q got "$tmp/got"
	same "what b heard" "$(grep -o "got [0-9]*" "$tmp/got")" "got 0"
	ip -n "$(ns_name c)" addr flush dev wire
	ip -n "$(ns_name b)" neigh flush dev br0
}

bridge_without_br_netfilter() {
	make_bridge || { skip "there are no bridges here"; return; }
	[ ! -e /proc/sys/net/bridge ] || br_netfilter 0
	a_host_on_a_bridge
}

bridge_with_br_netfilter() {
	local before

	[ -e /proc/sys/net/bridge ] || { skip "there is no br_netfilter here"; return; }
	br_netfilter 1
	expect "rules" on b nft -f - <<-RULES
		table inet test {
			counter sealed { }
			chain prerouting { type filter hook prerouting priority -290; udp dport $DATA_PORT counter name sealed; }
			chain input { type filter hook input priority 0; ct state invalid drop; }
		}
	RULES
	a_host_on_a_bridge
	same "sealed packets that b's filter saw" \
		"$(on b nft list counter inet test sealed | awk '/packets/ { print $2 }')" 0
	on b nft delete table inet test
	check_sums b
}

# What b bridges for c to nobody's protected address is not our affair.
frames_between_others_pass() {
	[ -e /proc/sys/net/bridge ] || { skip "there is no br_netfilter here"; return; }
	address c wire 10.7.1.3/24
	address a wire 10.7.1.99/24
	expect "ping through the bridge" pings c 10.7.1.99
	expect "fragments through the bridge" udp_sizes c a 10.7.1.99 3000 4000 500
	ip -n "$(ns_name a)" addr del 10.7.1.99/24 dev wire
}

bridge_within_a_vrf() {
	link b add red type vrf table 10 2>/dev/null || { skip "there are no VRFs here"; return; }
	link b set red up
	link b set br0 master red
	address b br0 $B6/64
	capture vrf b wire
	expect "ping to it" pings a $B4
	expect "ping to it over IPv6" pings a $B6
	expect "ping from it" pings b $A4 -I red
	end_capture vrf
	only_sealed vrf 9
	link b set br0 nomaster
	link b del red
	ip -n "$(ns_name b)" -6 addr replace $B6/64 dev br0
	check_sums b
}

# a's bridge docker0 with two containers, whose packets leave with a's address.
make_containers() {
	local h

	make_hosts c1 c2
	link a add docker0 type bridge 2>/dev/null || return
	link a set docker0 up
	address a docker0 172.17.0.1/16
	for h in c1 c2; do
		connect a $h $h eth0
		link a set $h master docker0
		address $h eth0 172.17.0.1${h#c}/16
		route $h default via 172.17.0.1
	done
	on a sysctl -qw net.ipv4.ip_forward=1
	[ ! -e /proc/sys/net/bridge ] || on a sysctl -qw net.bridge.bridge-nf-call-iptables=1
}

containers_behind_a_bridge() {
	local dropped

	make_containers || { skip "there are no bridges here"; return; }
	expect "one container and the other" pings c1 172.17.0.12
	dropped=$(stat a out_drop_source)
	capture bare b wire
	refuse "a container without NAT" on c1 ping -n -q -c 1 -W 1 $B4
	same "refused for its source" $(($(stat a out_drop_source) - dropped)) 1
	end_capture bare
	same "frames of it" "$(frames bare "ip host 172.17.0.11")" 0

	expect "rules" on a nft -f - <<-RULES
		table ip docker {
			chain post { type nat hook postrouting priority 100; ip saddr 172.17.0.0/16 oifname != docker0 masquerade; }
			chain pre { type nat hook prerouting priority -100; tcp dport 8080 dnat to 172.17.0.12:5001; }
			chain out { type nat hook output priority -100; tcp dport 8080 dnat to 172.17.0.12:5001; }
		}
	RULES
	capture masked b wire
	expect "ping of a container" pings c1 $B4
	expect "TCP of a container" bulk c1 b $B4 2
	expect "UDP of a container" udp_sizes c1 b $B4 1 1201 300
	expect "TCP to a published port" published
	expect "TCP of the host itself" bulk a b $B4 2
	expect "one container and the other" bulk c1 c2 172.17.0.12 1
	end_capture masked
	only_sealed masked 100
	on a nft delete table ip docker
	check_sums a
}

published() {
	local file got=$tmp/bulk.c2

	file=$(random_file 1)
	traffic c2 -t 30000 -b -o "$got" tcp-recv 5001 >/dev/null || return
	traffic b -t 30000 tcp-send $A4 8080 <"$file" || return
	busywait 5 cmp -s "$got" "$file"
}

# A route that is a tunnel by itself: what it puts in front of a sealed packet must fit, too.
a_route_that_adds_a_label() {
	local before

	modprobe -aq mpls_router mpls_iptunnel
	on a ip route add $B4/32 encap mpls 100 via inet $B4 dev wire src $A4 2>/dev/null ||
		{ skip "there is no MPLS here"; return; }
	before=$(stat a out_drop_too_big)
	capture label b wire
	on a ping -n -q -c 1 -W 1 -M do -s 1426 $B4 >/dev/null 2>&1
	refuse "4 bytes more" on a ping -n -q -c 1 -W 1 -M do -s 1430 $B4
	end_capture label
	same "sealed, with a label" "$(frames label "mpls 100")" 1
	same "plaintext frames" "$(frames label icmp)" 0
	same "refused for its length" "$(stat a out_drop_too_big)" $((before + 1))
	on a ip route del $B4/32
}

counters_add_up() {
	check_sums a b
}

run_tests setup vlan vlan_within_a_vlan pppoe macvlan_and_ipvlan vrf \
	bridge_without_br_netfilter bridge_with_br_netfilter frames_between_others_pass bridge_within_a_vrf \
	containers_behind_a_bridge a_route_that_adds_a_label counters_add_up
