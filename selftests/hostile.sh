#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Hostile traffic: a host scan from within, unknown SPIs and forged packets from without. None
# of it takes more memory or wakes the agent more often than its limit says, all of it is
# counted, and who is at work meanwhile goes on.

. "$(dirname "$0")/lib.sh"
begin

RATE=4096		# questions to the agent per second
OUTSTANDING=1024	# questions, unless set otherwise
HINTS=100		# events per second that may be left out
SCAN=12000		# destinations
FLOOD=3000		# packets

setup() {
	make_routed
	up a $A4
	up b $B4
	expect "policy" sotto a policy add 10.8.0.0/16 protect
	expect "policy" sotto a policy add $B4/32 protect
	expect "policy" sotto b policy add $A4/32 protect
	expect "time-out" sotto a set acquire-timeout 60000
	keys
}

keys() {
	both_ways a $A4 b $B4 chacha20poly1305 0x100
	expect "traffic" pings a $B4
}

# scan: one datagram each to so many addresses, as fast as one process can. Prints how many
# milliseconds that took.
scan() {
	on a "$PYTHON" - $SCAN <<-'END'
		import socket, sys, time
		SO_SNDBUFFORCE = 32
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 1 << 27)	# none waits for one before
		begin = time.monotonic()
		for i in range(int(sys.argv[1])):
		    s.sendto(b"x", ("10.8.%d.%d" % (1 + i // 250, 1 + i % 250), 9))
		print(int((time.monotonic() - begin) * 1000) + 1)
	END
}

# flood SPI: ESP to a in the name of b, from the router: with this SPI or (0) with many, and
# with anything for a ciphertext.
flood() {
	on r "$PYTHON" - "$A4" "$B4" "$FLOOD" "$1" <<-'END'
		import os, socket, struct, sys
		dst, src, n, spi = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4], 0)
		s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
		for i in range(n):
		    esp = struct.pack("!II", spi or 0x10000 + i, 1000 + i) + os.urandom(64)
		    udp = struct.pack("!HHHH", 50000, 7689, 8 + len(esp), 0)
		    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_UDP, 0,
		                     socket.inet_aton(src), socket.inet_aton(dst))
		    s.sendto(ip + udp + esp, (dst, 0))
	END
}

tunnels() {
	sotto a -j tunnel show | jq length
}

a_scan_asks_no_more_than_its_rate() {
	local asked repeats refused ms

	expect "many may be outstanding" sotto a set max-acquires 65536
	asked=$(stat a acquires) refused=$(stat a out_drop_max_acquires)
	ms=$(scan)
	asked=$(($(stat a acquires) - asked))
	refused=$(($(stat a out_drop_max_acquires) - refused))
	note "$SCAN destinations in $ms ms: asked for $asked, refused $refused"
	[ $asked -le $((RATE + RATE * (ms + 200) / 1000)) ] || fail "asked for $asked in $ms ms"
	same "asked or refused" $((asked + refused)) $SCAN
	same "tunnels" "$(tunnels)" $((asked + 1))
	expect "the default" sotto a set max-acquires $OUTSTANDING
	expect "flush" sotto a tunnel flush
	keys_anew
}

# A tunnel flush takes the keys of b, too.
keys_anew() {
	expect "flush" sotto b tunnel flush
	keys
}

# By default that is one scan of a thousand, and no repeats but of these.
a_scan_leaves_few_questions_and_tunnels() {
	local asked refused

	asked=$(stat a acquires) refused=$(stat a out_drop_max_acquires)
	scan >/dev/null
	same "asked" $(($(stat a acquires) - asked)) $OUTSTANDING
	same "refused" $(($(stat a out_drop_max_acquires) - refused)) $((SCAN - OUTSTANDING))
	same "tunnels" "$(tunnels)" $((OUTSTANDING + 1))
	expect "b is spoken to meanwhile" pings a $B4
	expect "flush" sotto a tunnel flush
	keys_anew
}

# Listened to, they wake somebody a hundred times in a second, and no more. Each is told of
# twice, as an unknown SPI and as a drop.
unknown_spis_are_told_of_sparingly() {
	local unknown lost told begin=${EPOCHREALTIME/./} ms monitor

	launch a "$SOTTO" -j monitor >"$tmp/monitor"
	monitor=$!
	await "somebody listens" 10 listens
	unknown=$(stat a in_drop_unknown_spi) lost=$(stat a events_lost)
	flood 0
	await "all are counted" 10 stat_is a in_drop_unknown_spi $((unknown + FLOOD))
	await "all are told or left out" 10 told_or_lost $((2 * FLOOD + lost))
	ms=$(((${EPOCHREALTIME/./} - begin) / 1000))
	kill $monitor
	wait $monitor 2>/dev/null
	told=$(told_of)
	note "$told told of $((2 * FLOOD)) in less than $ms ms"
	at_least "told" "$told" 1
	[ "$told" -le $((HINTS + HINTS * ms / 1000)) ] || fail "$told events in $ms ms"
	same "SAs" "$(sotto a -j status | jq .module.sas)" 2
	expect "b is heard meanwhile" pings b $A4
}

# The group has a listener when the monitor has bound its socket.
listens() {
	on a awk '$2 == 16 && $4 != "00000000" { n++ } END { exit !n }' /proc/net/netlink
}

told_of() {
	grep -cE 'unknown.spi|drop' "$tmp/monitor"
}

told_or_lost() {
	[ $(($(told_of) + $(stat a events_lost))) = "$1" ]
}

forged_packets_change_nothing() {
	local forged

	forged=$(stat a in_drop_auth)
	flood 0x101
	await "all are counted" 10 stat_is a in_drop_auth $((forged + FLOOD))
	same "counted by the SA" "$(sotto a -j sa show | jq 'map(.auth_failures // 0) | add')" $FLOOD
	same "SAs" "$(sotto a -j status | jq .module.sas)" 2
	same "the tunnel" "$(tunnel_says a $B4)" up
	expect "b is heard" pings b $A4
}

counters_add_up() {
	check_sums a b
}

run_tests setup a_scan_asks_no_more_than_its_rate a_scan_leaves_few_questions_and_tunnels \
	unknown_spis_are_told_of_sparingly forged_packets_change_nothing counters_add_up
