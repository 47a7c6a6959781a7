#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Members behind NATs, with the real agents and server: who is behind one, and where, is
# found out by them; a member that moves behind a NAT, and the NAT that changes, are followed.
#
# bob is behind n, always; alice is outside, and behind m later.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/realm.sh"
begin
need_realm
need ping conntrack

IP4[bob]=192.168.5.2
ROAMED=192.168.6.2	# alice's, behind m
N4=10.7.9.9 M4=10.7.9.8 N_OTHER=10.7.9.10
BACK=15

# nat_host HOST ADDRESS DEV_INSIDE INSIDE: masquerades; what nobody asked for is dropped.
nat_host() {
	connect "$1" outside gateway "to-$1"
	ip -n "$(ns_name gateway)" link set "to-$1" master wire
	address "$1" outside "$2/24"
	on "$1" sysctl -qw net.ipv4.ip_forward=1
	on "$1" nft -f - <<-NFT
		table ip nat {
			chain post { type nat hook postrouting priority srcnat; oifname "outside" masquerade; }
			chain input { type filter hook input priority 0; iifname "outside" udp dport $DATA_PORT drop; }
		}
	NFT
	connect "$3" "$4" "$1" inside
	address "$1" inside "${5%.*}.1/24"
}

make_wire() {
	make_hosts gateway alice bob n m
	add_bridge gateway wire
	address gateway wire "${IP4[gateway]}/24"
	connect alice wire gateway to-alice
	ip -n "$(ns_name gateway)" link set to-alice master wire
	address alice wire "${IP4[alice]}/24"
	route alice default via 10.7.9.253
	nat_host n $N4 bob wire "${IP4[bob]}" &&
		nat_host m $M4 alice hotel $ROAMED || skip_all "no NAT can be set up here"
	address bob wire "${IP4[bob]}/24"
	route bob default via 192.168.5.1
}

# enrol HOST ADDRESS…
enrol() {
	local h=$1 a words=()
	shift

	for a; do
		words+=(--address "$a")
	done
	sotto gateway member add "$h" "${words[@]}" >"$tmp/$h/line" 2>"$tmp/$h/said" ||
		{ fail "no line for $h: $(<"$tmp/$h/said")"; return; }
	expect "$h enrols" sotto "$h" enroll "$tmp/$h/line" && expect "$h comes up" sotto "$h" up
}

setup() {
	make_realm </dev/null
	enrol alice "${IP4[alice]}" $ROAMED
	enrol bob "${IP4[bob]}"
	for h in alice bob; do
		await "$h's policy" 10 protects $h "${IP4[${PEER[$h]}]}"
	done
}

protects() {
	sotto "$1" -j policy show | jq -e --arg a "$2/32" 'any(.[]; .action == "protect" and .prefix == $a)'
}

# endpoint HOST: of its tunnel to the other.
endpoint() {
	tunnel "$1" '"\(.endpoint):\(.endpoint_port) \(.mode)"'
}

talk_all() {
	expect "datagrams from bob" udp_sizes bob alice "$1" 1 3000 301 &&
		expect "datagrams to bob" udp_sizes alice bob "${IP4[bob]}" 1 3000 301 &&
		expect "TCP from bob" bulk bob alice "$1" 2 &&
		expect "TCP to bob" bulk alice bob "${IP4[bob]}" 2
}

peer_behind_a_nat_is_reached() {
	expect "the first packet to bob" on alice ping -n -q -c 1 -W 9 "${IP4[bob]}" || return
	same "bob's endpoint" "$(endpoint alice)" "$N4:$DATA_PORT tunnel"
	same "alice's endpoint" "$(endpoint bob)" "${IP4[alice]}:$DATA_PORT tunnel"
	talk_all "${IP4[alice]}" || return
	forget_all_keys
	expect "the first packet from bob" on bob ping -n -q -c 1 -W 9 "${IP4[alice]}" || return
	same "bob's endpoint" "$(endpoint alice)" "$N4:$DATA_PORT tunnel"
	talk_all "${IP4[alice]}" || return
}

moves() {
	ip -n "$(ns_name alice)" addr flush dev wire
	address alice hotel $ROAMED/24
	route alice default via 192.168.6.1
}

# Two NATs: neither end can reach the other unasked, so both begin.
member_moves_behind_another_nat() {
	moves
	await "alice's agent is there again" $BACK associated alice
	IP4[alice]=$ROAMED
	await "bob is reached from there" $BACK on alice ping -n -q -c 1 -W 1 "${IP4[bob]}" || return
	await "and reaches it" $BACK on bob ping -n -q -c 1 -W 1 $ROAMED || return
	same "bob's endpoint" "$(endpoint alice)" "$N4:$DATA_PORT tunnel"
	same "alice's endpoint" "$(endpoint bob)" "$M4:$DATA_PORT tunnel"
	talk_all $ROAMED || return
	forget_all_keys
	expect "the first packet from bob" on bob ping -n -q -c 1 -W 9 $ROAMED || return
	talk_all $ROAMED || return
}

nat_gets_another_address() {
	ip -n "$(ns_name n)" addr del $N4/24 dev outside
	address n outside $N_OTHER/24
	on n conntrack -F >/dev/null 2>&1
	await "bob is reached behind it" 30 on alice ping -n -q -c 1 -W 1 "${IP4[bob]}" || return
	same "bob's endpoint" "$(endpoint alice)" "$N_OTHER:$DATA_PORT tunnel"
	talk_all $ROAMED || return
}

member_is_outside_again() {
	ip -n "$(ns_name alice)" addr del $ROAMED/24 dev hotel
	ip -n "$(ns_name alice)" link set hotel down
	address alice wire 10.7.9.1/24
	route alice default via 10.7.9.253
	IP4[alice]=10.7.9.1
	await "alice's agent is there again" $BACK associated alice
	await "bob is reached" $BACK on alice ping -n -q -c 1 -W 1 "${IP4[bob]}" || return
	await "and reaches it" $BACK on bob ping -n -q -c 1 -W 1 "${IP4[alice]}" || return
	same "alice's endpoint" "$(endpoint bob)" "${IP4[alice]}:$DATA_PORT tunnel"
	talk_all "${IP4[alice]}" || return
}

counters_add_up() {
	check_sums alice bob
	keep_logs
}

run_tests setup peer_behind_a_nat_is_reached member_moves_behind_another_nat \
	nat_gets_another_address member_is_outside_again counters_add_up
