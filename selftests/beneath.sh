#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What sends without passing the hooks: packet sockets, bridges, flowtables, redirects, XDP; and
# what passes them in an odd shape. The guard drops what is plaintext for a protected destination,
# and counts it. What it cannot see (Documentation/threat-model.md says so) is shown here.
#
# a has the shim, b is the peer, c stands behind a.

. "$(dirname "$0")/lib.sh"
begin
need ping nft python3

BENEATH=$here/helpers/beneath.py
OPEN4=10.7.1.77 OPEN6=fd07:1::77	# b's, too, and not protected
BLOCKED4=10.7.1.78

setup() {
	make_pair
	make_hosts c
	connect a near c far
	address b wire $OPEN4/24 $OPEN6/64 $BLOCKED4/24
	address a near 10.7.4.1/24 fd07:4::1/64
	address c far 10.7.4.2/24 fd07:4::2/64
	route c default via 10.7.4.1
	route b 10.7.4.0/24 via $A4
	B_MAC=$(on b ip -j link show wire | jq -r '.[].address')
	members_by_hand
	expect "policy" sotto a policy add $BLOCKED4/32 block
	on a sysctl -qw net.ipv4.ip_forward=1
	expect "ping" pings a $B4
}

# In the clear on the wire, tags and all; but for errors that quote it.
marked() {
	tcpdump -nr "$tmp/$1.pcap" -A "not icmp and not icmp6" 2>/dev/null | grep -c PLAINTEXT
}

# bare N WHAT COMMAND…: N packets of COMMAND's are on the wire in the clear.
bare() {
	local n=$1 what=$2
	shift 2

	capture wire b wire
	expect "$what" "$@"
	end_capture wire
	same "$what: in the clear" "$(marked wire)" "$n"
}

# dropped N WHAT COMMAND…: N packets of COMMAND's are dropped beneath, and none is on the wire.
dropped() {
	local n=$1 what=$2 before
	shift 2

	before=$(stat a out_drop_beneath)
	bare 0 "$what" "$@"
	same "$what: dropped beneath" $(($(stat a out_drop_beneath) - before)) "$n"
}

frames_from() {
	on a "$PYTHON" "$BENEATH" frames "$@"
}

packet_sockets() {
	local kinds="plain dgram bypass zero vlan qinq three-tags pppoe lie lie-arp options gre"

	dropped 14 "frames over IPv4" frames_from wire "$B_MAC" $A4 $B4 $kinds fragments
	dropped 12 "frames over IPv6" frames_from wire "$B_MAC" $A6 $B6 $kinds
	dropped 2 "fragments over IPv6" frames_from wire "$B_MAC" $A6 $B6 fragments
	dropped 2 "frames to what is blocked" frames_from wire "$B_MAC" $A4 $BLOCKED4 plain bypass
	bare 6 "frames to what is open" frames_from wire "$B_MAC" $A4 $OPEN4 plain dgram bypass vlan pppoe lie
	bare 2 "frames over IPv6 to what is open" frames_from wire "$B_MAC" $A6 $OPEN6 plain qinq
}

# The exemptions are the hook's.
groups_pass_the_guard() {
	expect "policy" sotto a policy add 224.0.0.0/4 protect
	bare 2 "a group" frames_from wire 01:00:5e:00:00:01 $A4 224.0.0.1 plain vlan
	expect "policy" sotto a policy del 224.0.0.0/4
}

# What goes by a VLAN meets the guard of the device below, too: so one that stands alone comes first.
devices_that_come_later_are_guarded() {
	connect a late b late
	dropped 2 "frames by a device of its own" frames_from late "$B_MAC" $A4 $B4 plain bypass
	ip -n "$(ns_name a)" link del late
	ip -n "$(ns_name a)" link add link wire name wire.9 type vlan id 9 2>/dev/null ||
		{ skip "there are no VLANs here"; return; }
	ip -n "$(ns_name a)" link set wire.9 up
	dropped 2 "frames by a VLAN" frames_from wire.9 "$B_MAC" $A4 $B4 plain bypass
	ip -n "$(ns_name a)" link del wire.9
}

# Nothing in front of IP says what it is, and what the sender says counts for nothing.
devices_without_a_link_header() {
	modprobe -q tun
	[ -c /dev/net/tun ] || { skip "there is no tun here"; return; }
	same "what is open" "$(on a "$PYTHON" "$BENEATH" tun $A4 $OPEN4)" 3
	# before the number stands what the sender was told: there is no room
	same "what is protected" "$(on a "$PYTHON" "$BENEATH" tun $A4 $B4 | tail -n 1)" 0
	same "what is protected, over IPv6" "$(on a "$PYTHON" "$BENEATH" tun $A6 $B6 | tail -n 1)" 0
}

# sealed N WHAT COMMAND…: N packets of COMMAND's come to b sealed, and none in the clear.
sealed() {
	local n=$1 what=$2 before
	shift 2

	before=$(stat b in_opened)
	bare 0 "$what" "$@"
	same "$what: opened at b" $(($(stat b in_opened) - before)) "$n"
}

raw_from() {
	on a "$PYTHON" "$BENEATH" raw "$@"
}

# counted N COUNTER WHAT COMMAND…
counted() {
	local n=$1 counter=$2 what=$3 before
	shift 3

	before=$(stat a "$counter")
	bare 0 "$what" "$@"
	same "$what: $counter" $(($(stat a "$counter") - before)) "$n"
}

raw_sockets_are_sealed() {
	sealed 4 "raw sockets over IPv4" raw_from $A4 $B4 plain options gre fragments
	sealed 3 "raw sockets over IPv6" raw_from $A6 $B6 plain options gre
	counted 2 out_drop_fragment "fragments that stay ones" raw_from $A4 $B4 nodefrag
	counted 1 out_drop_source "a source that is not ours" raw_from 10.7.1.66 $B4 plain
	counted 1 out_drop_block "what is blocked" raw_from $A4 $BLOCKED4 plain
	expect "ping that records its route" on a ping -n -q -c 2 -i 0.1 -W 5 -R $B4
	expect "ping with timestamps" on a ping -n -q -c 2 -i 0.1 -W 5 -T tsonly $B4
}

# A source route: policy is asked for the next stop, as IP is; which lets nothing sealed go on.
source_routes_go_where_the_next_stop_is() {
	local before

	bare 1 "by way of an open address" raw_from $A4 $B4 by:$OPEN4
	before=$(stat b in_drop_address)
	bare 0 "by way of a protected one" raw_from $A4 $OPEN4 by:$B4
	same "by way of a protected one: refused there" $(($(stat b in_drop_address) - before)) 1
}

# Tunnel devices: the outer packet is what goes to the protected peer.
tunnels_over_a_protected_peer() {
	ip -n "$(ns_name a)" link add gre1 type gre local $A4 remote $B4 2>/dev/null ||
		{ skip "there is no GRE here"; return; }
	ip -n "$(ns_name b)" link add gre1 type gre local $B4 remote $A4
	ip -n "$(ns_name a)" link set gre1 up
	ip -n "$(ns_name b)" link set gre1 up
	address a gre1 10.7.8.1/24
	address b gre1 10.7.8.2/24
	capture gre b wire
	expect "ping" pings a 10.7.8.2
	expect "TCP" bulk a b 10.7.8.2 1
	end_capture gre
	only_sealed gre 20
	# And what is protected within the tunnel does not enter it in the clear.
	expect "policy" sotto a policy add 10.7.8.2/32 protect
	counted 1 out_drop_source "from the tunnel's own address" traffic a -t 100 udp-send 10.7.8.2 9 1 100
	ip -n "$(ns_name a)" link del gre1
	ip -n "$(ns_name b)" link del gre1
	expect "policy" sotto a policy del 10.7.8.2/32
}

# from_c ADDRESS [COUNT]: datagrams of c's that say what they are.
from_c() {
	local n

	for ((n = 0; n < ${2:-3}; n++)); do
		on c bash -c 'echo PLAINTEXT >"/dev/udp/$1/9"' bash "$1"
	done
}

# Frames that a bridges between c and b.
bridged_frames() {
	modprobe -qa bridge br_netfilter
	ip -n "$(ns_name a)" link add br0 type bridge 2>/dev/null || { skip "there are no bridges here"; return; }
	ip -n "$(ns_name a)" addr flush dev wire
	ip -n "$(ns_name a)" link set wire master br0
	ip -n "$(ns_name a)" link set near master br0
	ip -n "$(ns_name a)" link set br0 up
	address a br0 $A4/24 $A6/64
	address c far 10.7.1.3/24
	expect "ping of a itself" pings a $B4
	[ ! -e /proc/sys/net/bridge ] || on a sysctl -qw net.bridge.bridge-nf-call-iptables=0
	bare 3 "bridged to what is open" from_c $OPEN4
	dropped 3 "bridged" from_c $B4
	if on a nft add table bridge test 2>/dev/null; then
		expect "rules" on a nft -f - <<-RULES
			table bridge test {
				chain p { type filter hook prerouting priority -300; notrack; }
			}
		RULES
		dropped 3 "bridged and not tracked" from_c $B4
		on a nft delete table bridge test
	else
		note "rules for bridges were left out: this kernel knows none"
	fi
	if [ -e /proc/sys/net/bridge ]; then
		on a sysctl -qw net.bridge.bridge-nf-call-iptables=1
		dropped 3 "bridged with br_netfilter" from_c $B4
		expect "rules" on a nft -f - <<-RULES
			table ip test {
				chain p { type filter hook prerouting priority -300; notrack; }
			}
		RULES
		dropped 3 "with br_netfilter, not tracked" from_c $B4
		expect "ping of a itself" pings a $B4
		on a nft delete table ip test
		on a sysctl -qw net.bridge.bridge-nf-call-iptables=0
	else
		note "br_netfilter was left out: there is none here"
	fi
	ip -n "$(ns_name c)" addr del 10.7.1.3/24 dev far
	ip -n "$(ns_name a)" link del br0
	ip -n "$(ns_name a)" addr replace $A4/24 dev wire
	ip -n "$(ns_name a)" addr replace $A6/64 dev wire
}

# A flow that is taken from the hooks once it is established ends: it is not sent bare. Rules
# leave such flows out of the flowtable; and then they go on.
flowtables() {
	local pid before

	modprobe -qa nf_flow_table nf_flow_table_inet nft_flow_offload
	pid=$(traffic b -b udp-echo 5002)
	flowtable "" || { kill "$pid"; skip "there are no flowtables here"; return; }
	before=$(stat a out_drop_beneath)
	capture flow b wire
	refuse "a flow that is offloaded" traffic c -t 1500 udp-check $B4 5002 100 800 100
	end_capture flow
	at_least "dropped beneath" $(($(stat a out_drop_beneath) - before)) 1
	same "in the clear" "$(frames flow "udp port 5002")" 0
	expect "one to what is open" traffic c udp-check $OPEN4 5002 100 800 100

	on a conntrack -F 2>/dev/null
	flowtable "ip daddr != $B4 ip saddr != $B4"
	capture flow b wire
	expect "one that is left out" traffic c udp-check $B4 5002 100 800 100
	end_capture flow
	only_sealed flow 16
	on a nft delete table inet test
	kill "$pid"
}

flowtable() {
	on a nft -f - 2>/dev/null <<-RULES
		table inet test
		delete table inet test
		table inet test {
			flowtable fast { hook ingress priority 0; devices = { near, wire }; }
			chain forward { type filter hook forward priority 0; $1 flow add @fast; }
			chain post { type nat hook postrouting priority 100; ip daddr $B4 oifname wire masquerade; }
		}
	RULES
}

# nft's own redirects, at ingress.
nftables_forwards_frames() {
	modprobe -q nft_fwd_netdev || { skip "this kernel's nftables forwards no frames"; return; }
	expect "rules" on a nft -f - <<-RULES
		table netdev test {
			chain i { type filter hook ingress device near priority 0; ip protocol udp fwd to wire; }
		}
	RULES
	dropped 3 "fwd" from_c $B4
	bare 3 "fwd to what is open" from_c $OPEN4
	expect "rules" on a nft -f - <<-RULES
		table netdev test
		delete table netdev test
		table netdev test {
			chain i { type filter hook ingress device near priority 0; ip protocol udp dup to wire; }
		}
	RULES
	dropped 3 "dup" from_c $B4
	# Not guarded: what such a table marks as the guard's own mark says.
	expect "rules" on a nft -f - <<-RULES
		table netdev test
		delete table netdev test
		table netdev test {
			chain i { type filter hook ingress device near priority 0; ip protocol udp notrack fwd to wire; }
		}
	RULES
	bare 3 "fwd and notrack" from_c $B4
	on a nft delete table netdev test
}

# From another device's egress: the guard stands there, before tc.
tc_redirects_at_egress() {
	ip -n "$(ns_name a)" link add side type dummy 2>/dev/null || { skip "there is no dummy here"; return; }
	ip -n "$(ns_name a)" link set side up
	on a tc qdisc add dev side clsact 2>/dev/null &&
		on a tc filter add dev side egress matchall action mirred egress redirect dev wire ||
		{ skip "there is no mirred here"; return; }
	dropped 2 "redirected" frames_from side "$B_MAC" $A4 $B4 plain bypass
	bare 1 "redirected to what is open" frames_from side "$B_MAC" $A4 $OPEN4 plain
	ip -n "$(ns_name a)" route add $B4/32 dev side src $A4
	ip -n "$(ns_name a)" neigh add $B4 lladdr "$B_MAC" dev side
	sealed 1 "redirected by a route" traffic a udp-send $B4 9 1 100
	ip -n "$(ns_name a)" link del side
}

# Not guarded: what tc takes at ingress and sends by another device. The kernel spares it
# netfilter's egress hooks.
tc_redirects_at_ingress_are_not_seen() {
	local how

	on a tc qdisc add dev near clsact 2>/dev/null || { skip "there is no clsact here"; return; }
	for how in redirect mirror; do
		expect "mirred" on a tc filter replace dev near ingress pref 1 protocol ip matchall \
			action mirred egress $how dev wire
		bare 3 "mirred $how" from_c $B4
		on a tc filter del dev near ingress pref 1
	done
	mount -t bpf bpf /sys/fs/bpf 2>/dev/null
	for how in redirect neighbour; do
		on a "$PYTHON" "$BENEATH" pin $how wire "/sys/fs/bpf/sotto-$how" >"$tmp/bpf" 2>&1 ||
			{ note "left out: $how: $(cat "$tmp/bpf")"; continue; }
		expect "bpf" on a tc filter add dev near ingress pref 1 protocol ip bpf direct-action \
			object-pinned "/sys/fs/bpf/sotto-$how" || continue
		bare 3 "bpf $how" from_c $B4
		on a tc filter del dev near ingress pref 1
		rm -f "/sys/fs/bpf/sotto-$how"
	done
	on a tc qdisc del dev near clsact
}

# Not guarded: XDP sends by the driver, or straight behind the queues.
xdp_is_not_seen() {
	local mode pid

	on b ethtool -K wire gro on		# veth takes native frames then
	for mode in generic native; do
		launch a "$PYTHON" "$BENEATH" xdp $mode near wire >"$tmp/xdp" 2>&1
		pid=$!
		busywait 10 grep -q . "$tmp/xdp"
		grep -q attached "$tmp/xdp" || { note "left out: $mode: $(cat "$tmp/xdp")"; wait $pid; continue; }
		bare 3 "XDP redirect, $mode" from_c $B4
		kill $pid
		wait $pid 2>/dev/null
	done
	on b ethtool -K wire gro off
}

counters_add_up() {
	check_sums a b
}

run_tests setup packet_sockets groups_pass_the_guard devices_that_come_later_are_guarded \
	devices_without_a_link_header \
	raw_sockets_are_sealed source_routes_go_where_the_next_stop_is \
	tunnels_over_a_protected_peer bridged_frames flowtables nftables_forwards_frames \
	tc_redirects_at_egress tc_redirects_at_ingress_are_not_seen xdp_is_not_seen counters_add_up
