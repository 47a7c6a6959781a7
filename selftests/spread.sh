#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Two processors: what one of them has no time to open, another one opens, and all of it stays in
# its order; and on one of them keys come for what the other one goes on sending.

. "$(dirname "$0")/lib.sh"
begin
need ping iperf3 ss
[ "$(nproc)" -gt 1 ] || skip_all "there is one processor"

setup() {
	make_routed
	up a $A4 $A6
	up b $B4 $B6
	expect "policy" sotto a policy add 10.7.2.0/24 protect
	expect "policy" sotto b policy add 10.7.1.0/24 protect
	both_ways a $A4,$A6 b $B4,$B6 chacha20poly1305 0x1000
	expect "ping" pings a $B4
}

# A processor that is busy opening hands what comes to another that idles.
one_flow_uses_two_processors() {
	local before dropped

	before=$(stat b in_spread)
	dropped=$(stat b in_drop_spread)
	expect "one flow" bulk a b $B4 48
	at_least "packets that were handed over" "$(stat b in_spread)" $((before + 1000))
	# a full queue drops, and TCP makes do with that
	note "no room: $(($(stat b in_drop_spread) - dropped))"
	note "$(on b awk '/^TcpExt:/ && n++ == 0 { split($0, name) } /^TcpExt:/ && n == 2 {
		for (i in name) if (name[i] == "TCPOFOQueue") print "out of order:", $i }' /proc/net/netstat)"
}

# listening HOST PORT
listening() {
	[ -n "$(on "$1" ss -Hltn "sport = :$2")" ]
}

# More of one SA than a replay window may wait for the other processor: were they opened in any
# order but their own, those that are late would look forged.
flows_of_one_sa_stay_in_order() {
	local server late forged dropped

	late=$(stat b in_drop_replay)
	forged=$(stat b in_drop_auth)
	dropped=$(stat b in_drop_spread)
	launch b timeout 200 iperf3 -s -1 >/dev/null
	server=$!
	await "the server listens" 10 listening b 5201
	expect "eight flows" on a timeout 180 iperf3 -c $B4 -P 8 -n 32M >/dev/null
	kill $server 2>/dev/null
	wait $server
	same "late" "$(stat b in_drop_replay)" "$late"
	same "not authentic" "$(stat b in_drop_auth)" "$forged"
	note "no room: $(($(stat b in_drop_spread) - dropped))"
}

# keys_in ADDRESS SPI: how many milliseconds it takes to install a's key for there, in $ms.
keys_in() {
	local begin=${EPOCHREALTIME/./}

	expect "keys for $1" timeout -s KILL 300 "$ENTER" "/run/netns/$(ns_name a)" "$SOTTO" sa add out \
		spi "$2" peer "$1" cipher chacha20poly1305 key-file "$(key "$2")"
	ms=$(((${EPOCHREALTIME/./} - begin) / 1000))
}

# Packets come as fast as they are let go, and faster, when the keys do. That takes hardly longer
# than for where none go, on a machine as busy.
keys_come_in_a_flood() {
	local floods=() agent i ms other

	expect "forget tunnels" sotto a tunnel flush
	launch a "$PYTHON" "$here/helpers/fake_agent.py" --ignore >"$tmp/agent" 2>&1
	agent=$!
	await "agent" 20 grep -q '^registered' "$tmp/agent"
	for i in 1 2 3; do
		launch a "$TRAFFIC" udp-send $B4 $((5010 + i)) 100000000 64 >/dev/null 2>&1
		floods+=($!)
	done
	await "a question" 10 grep -q '^acquire' "$tmp/agent"
	keys_in 10.7.2.99 0x2000
	other=$ms
	keys_in $B4 0x2001
	kill "${floods[@]}" $agent
	wait "${floods[@]}" $agent 2>/dev/null
	note "$ms ms, and $other ms without a flood for them"
	[ $ms -lt $((2 * other + 3000)) ] || fail "that took $ms ms, and $other ms without a flood for them"
}

counters_add_up() {
	check_sums a b
}

run_tests setup one_flow_uses_two_processors flows_of_one_sa_stay_in_order \
	keys_come_in_a_flood counters_add_up
