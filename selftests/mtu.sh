#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Path MTU: nothing is lost in a black hole. TCP both ways, datagrams that may and may not be
# fragmented, a hop in the middle that is narrower, IPv6's minimum, jumbo frames; and bulk TCP
# makes no fragment outside.
#
# a and b are members, r is the router between them.

. "$(dirname "$0")/lib.sh"
begin
need ping

INNER=1458		# what fits sealed into 1500 bytes, over IPv4 and over IPv6
MEGABYTES=3		# each time; a capture has a burst as one frame

setup() {
	make_routed
	members_by_hand
}

# anew: keys, and with them tunnels that have learnt nothing; routes likewise.
anew() {
	local h

	for h in a b; do
		sotto $h tunnel flush
		on $h ip -4 route flush cache
		on $h ip -6 route flush cache
	done
	both_ways a $A4,$A6 b $B4,$B6 aes256gcm 0x100
}

# mtu BYTES: of the wire between r and b, at both ends of it.
mtu() {
	ip -n "$(ns_name r)" link set right mtu "$1"
	ip -n "$(ns_name b)" link set wire mtu "$1"
}

pmtu_of() {
	sotto "$1" tunnel show -j "$2" | jq -r 'if type == "array" then .[0] else . end | .pmtu // 0'
}

route_mtu() {
	on "$1" ip route get "$2" | grep -o 'mtu [0-9]*' | cut -d' ' -f2
}

fragments() {
	frames "$1" "(ip[6:2] & 0x3fff != 0) or ip6[6] == 44"
}

all_of_tcp() {
	expect "TCP over IPv4" bulk a b $B4 $MEGABYTES
	expect "TCP over IPv6" bulk a b $B6 $MEGABYTES
	expect "TCP back over IPv4" bulk b a $A4 $MEGABYTES
	expect "TCP back over IPv6" bulk b a $A6 $MEGABYTES
}

tcp_makes_no_fragment() {
	capture tcp r left
	all_of_tcp
	end_capture tcp
	only_sealed tcp 300
	same "outer fragments" "$(fragments tcp)" 0
	at_least "SYNs clamped" "$(stat a mss_clamped)" 1
}

# A checksum is corrected by the half words that it was summed in.
clamping_an_mss_at_an_odd_place() {
	local before

	before=$(stat a mss_clamped)
	traffic b -t 20000 -b -o /dev/null tcp-recv 5002 >/dev/null
	same "a SYN" "$(on a "$PYTHON" "$here/helpers/odd_mss.py" $A4 $B4 5002 2>&1)" answered
	at_least "clamped" "$(stat a mss_clamped)" $((before + 1))
}

# The exact size fits, one more is refused with its reason, and the route remembers.
what_may_not_be_fragmented_is_refused() {
	expect "$INNER bytes over IPv4" pings a $B4 -M do -s $((INNER - 28))
	expect "$INNER bytes over IPv6" pings a $B6 -M do -s $((INNER - 48))
	refuse "one more over IPv4" on a ping -n -q -c 1 -W 1 -M do -s $((INNER - 27)) $B4
	refuse "one more over IPv6" on a ping -n -q -c 1 -W 1 -M do -s $((INNER - 47)) $B6
	same "the route's MTU over IPv4" "$(route_mtu a $B4)" $INNER
	same "the route's MTU over IPv6" "$(route_mtu a $B6)" $INNER
	same "dropped for it" "$(stat a out_drop_too_big)" 2
	anew
}

what_may_be_fragmented_arrives() {
	capture whole b wire
	expect "over IPv4" udp_sizes a b $B4 1400 9000 733
	expect "over IPv6" udp_sizes a b $B6 1400 9000 733
	expect "the largest over IPv4" udp_sizes a b $B4 65462 65462 1
	expect "the largest over IPv6" udp_sizes a b $B6 65482 65482 1
	expect "pings that may be fragmented" pings a $B4 -M dont -s 3000
	end_capture whole
	only_sealed whole 20
	at_least "outer fragments" "$(fragments whole)" 50
}

# r says of an outer packet that it is too big; a takes that for the tunnel.
a_narrower_hop_is_learnt() {
	anew
	mtu 1400
	refuse "too big for r over IPv4" on a ping -n -q -c 1 -W 1 -M do -s 1400 $B4
	refuse "too big for r over IPv6" on a ping -n -q -c 1 -W 1 -M do -s 1380 $B6
	same "the tunnel's MTU over IPv4" "$(pmtu_of a $B4)" 1400
	same "the tunnel's MTU over IPv6" "$(pmtu_of a $B6)" 1400
	refuse "and again" on a ping -n -q -c 1 -W 1 -M do -s 1400 $B4
	same "the route's MTU" "$(route_mtu a $B4)" $((INNER - 100))
	expect "what fits over IPv4" pings a $B4 -M do -s $((INNER - 128))
	expect "what fits over IPv6" pings a $B6 -M do -s $((INNER - 148))
	at_least "updates" "$(stat a pmtu_updates)" 2
	expect "datagrams that may be fragmented" udp_sizes a b $B4 1300 5000 733
	expect "and over IPv6" udp_sizes a b $B6 1300 5000 733
}

# What the administrator says of the path is about what is on it.
a_route_may_say_less() {
	anew
	for via in 10.7.1.254 fd07:1::fe; do
		ip -n "$(ns_name a)" route change default via $via mtu 1400 || fail "route"
	done
	expect "what fits over IPv4" pings a $B4 -M do -s $((INNER - 128))
	expect "what fits over IPv6" pings a $B6 -M do -s $((INNER - 148))
	refuse "one more over IPv4" on a ping -n -q -c 1 -W 1 -M do -s $((INNER - 127)) $B4
	refuse "one more over IPv6" on a ping -n -q -c 1 -W 1 -M do -s $((INNER - 147)) $B6
	all_of_tcp
	for via in 10.7.1.254 fd07:1::fe; do
		ip -n "$(ns_name a)" route change default via $via || fail "route"
	done
	anew
}

# Connections that know nothing of the hop: their packets are too big until they learn.
tcp_comes_through_a_narrower_hop() {
	anew
	capture narrow b wire
	all_of_tcp
	end_capture narrow
	only_sealed narrow 300
	same "outer fragments" "$(fragments narrow)" 0
	anew
}

# Everybody may send 1280 bytes of IPv6, however little of them is left inside.
the_least_of_ipv6_passes() {
	mtu 1280
	anew
	refuse "too big for r" on a ping -n -q -c 1 -W 1 -M do -s 1380 $B6
	same "the tunnel's MTU" "$(pmtu_of a $B6)" 1280
	expect "1280 bytes" pings a $B6 -M do -s 1232
	expect "TCP" bulk a b $B6 1
	expect "TCP back" bulk b a $A6 1
	expect "TCP over IPv4" bulk a b $B4 1
	mtu 1500
	anew
}

# A connection whose MSS is of before the path narrowed: its bursts are of packets of IPv6's
# minimum in the end, which do not fit inside, and are owed all the same.
bursts_of_the_least_of_ipv6_pass() {
	local begin

	anew
	ip -n "$(ns_name r)" link set right mtu 1280	# b's end, and so its MSS, is as it was
	begin=$SECONDS
	expect "TCP" bulk a b $B6 1
	[ $((SECONDS - begin)) -lt 20 ] || fail "TCP took $((SECONDS - begin)) s"
	same "the tunnel's MTU" "$(pmtu_of a $B6)" 1280
	mtu 1500
	anew
}

# Bursts of datagrams that may be fragmented, each of them too large.
bursts_that_may_be_fragmented_arrive() {
	local addr

	for addr in $B4 $B6; do
		traffic b -t 20000 -b -o "$tmp/got" udp-recv 5003 200 >/dev/null
		expect "bursts to $addr" traffic a -g 20000 udp-burst $addr 5003 200 1450 20
		await "the rest" 10 test -s "$tmp/got"
		same "what came to $addr" "$(cat "$tmp/got")" \
			"got 200 twice 0 late 0 damaged 0 first 0 last 199"
	done
}

jumbo_frames_are_used() {
	local h

	for h in "a wire" "r left" "r right" "b wire"; do
		set -- $h
		ip -n "$(ns_name $1)" link set $2 mtu 9000
	done
	capture jumbo r left
	expect "8958 bytes over IPv4" pings a $B4 -M do -s 8930
	expect "8958 bytes over IPv6" pings a $B6 -M do -s 8910
	refuse "one more" on a ping -n -q -c 1 -W 1 -M do -s 8931 $B4
	all_of_tcp
	end_capture jumbo
	only_sealed jumbo 200
	same "outer fragments" "$(fragments jumbo)" 0
	at_least "large ones" "$(frames jumbo "greater 8000")" 20
}

# The route narrows when the packets are as large as they get.
jumbo_frames_meet_a_narrow_hop() {
	anew
	mtu 1500
	all_of_tcp
	# The first is lost at r, the second here: then everybody knows.
	refuse "too big for r" on a ping -n -q -c 1 -W 1 -M do -s 4000 $B4
	refuse "too big for a" on a ping -n -q -c 1 -W 1 -M do -s 4000 $B4
	refuse "too big for r over IPv6" on a ping -n -q -c 1 -W 1 -M do -s 4000 $B6
	refuse "too big for a over IPv6" on a ping -n -q -c 1 -W 1 -M do -s 4000 $B6
	expect "datagrams" udp_sizes a b $B4 1400 20000 3333
	expect "datagrams over IPv6" udp_sizes a b $B6 1400 20000 3333
}

# SCTP's checksum is a CRC that a's device would make; the checksum of UDP around it is UDP's,
# and the router's device has it made by the stack.
sctp_keeps_its_checksum_to_itself() {
	local pid

	modprobe -q sctp || { skip "this kernel has no SCTP"; return; }
	expect "no offload" on r ethtool -K right tx off
	launch b "$PYTHON" -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
s.bind(("", 5021))
s.listen()
c = s.accept()[0]
got = b""
while len(got) < 50000: got += c.recv(65536)
print("right" if got == bytes(range(250)) * 200 else "wrong", flush=True)
c.close()' >"$tmp/sctp" 2>&1
	pid=$!
	await "a listener" 20 on b grep -q ":* *5021 \|^.* 5021 " /proc/net/sctp/eps
	expect "SCTP" timeout 60 "$ENTER" "/run/netns/$(ns_name a)" "$PYTHON" -c 'import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
s.connect((sys.argv[1], 5021))
s.sendall(bytes(range(250)) * 200)
time.sleep(1)' $B4
	await "what came is what was sent" 10 grep -q right "$tmp/sctp" || note "$(<"$tmp/sctp")"
	kill $pid 2>/dev/null
	wait $pid 2>/dev/null
	expect "offload" on r ethtool -K right tx on
}

counters_add_up() {
	check_sums a b
}

run_tests setup tcp_makes_no_fragment clamping_an_mss_at_an_odd_place \
	what_may_not_be_fragmented_is_refused \
	what_may_be_fragmented_arrives a_route_may_say_less a_narrower_hop_is_learnt \
	tcp_comes_through_a_narrower_hop \
	the_least_of_ipv6_passes bursts_of_the_least_of_ipv6_pass \
	bursts_that_may_be_fragmented_arrive jumbo_frames_are_used jumbo_frames_meet_a_narrow_hop \
	sctp_keeps_its_checksum_to_itself counters_add_up
