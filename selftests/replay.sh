#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets that must not get through: replayed, forged, damaged, or made by a member that may
# not. Each has a counter of its own, moves nothing else, and delivers nothing.
#
# a and b are hosts; r, the router between them, is the attacker, and knows b's key where a
# test is about a peer that makes mistakes.

. "$(dirname "$0")/lib.sh"
begin
need ping

SPI=$((0x1000))		# what b receives

setup() {
	modprobe -q algif_aead
	make_routed
	address b wire 10.7.2.2/24
	# What the router forges must be its own doing.
	on r sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.left.rp_filter=0
	up a $A4 $A6
	up b $B4 $B6
	expect "policy" sotto a policy add 10.7.2.0/24 protect
	expect "policy" sotto a policy add fd07:2::/64 protect
	expect "policy" sotto b policy add 10.7.1.0/24 protect
	expect "policy" sotto b policy add fd07:1::/64 protect
	expect "b listens" traffic b -t 3600000 -b udp-recv 5003 1000000
	coproc FORGER { on r "$PYTHON" "$here/helpers/forge.py"; } 2>"$tmp/forger"
	read -r -t 60 -u "${FORGER[0]}" answered || fail "the forger does not start"
	fresh chacha20poly1305 0
}

# order WORDS…: to the forger.
order() {
	local answer

	echo "$*" >&"${FORGER[1]}"
	read -r -t 60 -u "${FORGER[0]}" answer
	[[ $answer == ok* ]] || fail "forging '$*': $answer"
	answered=${answer#ok }
}

# fresh CIPHER SEQ [WORDS for b's SA]: keys from a to b, and both windows at SEQ.
fresh() {
	local cipher=$1 seq=$2
	shift 2

	SPI=$((SPI + 1)) CIPHER=$cipher
	KEY=$(key $SPI)
	expect "b's SA" sotto b sa add in spi $SPI peer $A4,$A6 cipher "$cipher" \
		key-file "$(key $SPI)" seq "$seq" "$@"
	expect "a's SA" sotto a sa add out spi $SPI peer $B4,$B6 cipher "$cipher" \
		key-file "$(key $SPI)" seq "$seq"
}

# snapshot FILE: of b's counters, and of what reached sockets, over both families. Neighbours may
# speak meanwhile, in the clear: those packets are left out.
snapshot() {
	{ sotto b stats -j; on b cat /proc/net/snmp /proc/net/snmp6; } | awk -v RS='[{},\n]' '
		/"in_/ && split($0, f, /[": ]+/) { n[f[2]] = f[3] }
		$1 == "Udp:" && $2 ~ /[0-9]/ || $1 == "Udp6InDatagrams" { n["delivered"] += $2 }
		END {
			n["in_seen"] -= n["in_passed"]
			delete n["in_passed"]
			for (name in n)
				print name, n[name]
		}' >"$1"
}

# moves WHAT CHANGES WORDS…: the order has exactly these effects at b.
moves() {
	local what=$1 want=$2
	shift 2

	snapshot "$tmp/before"
	order "$@"
	busywait 10 changes_are "$want" || fail "$what: got '$(changes)', wanted '$want'"
}

# drops WHAT COUNTER WORDS…: a packet from a to b of which only that is to be seen.
drops() {
	local what=$1 counter=$2
	shift 2

	moves "$what" "in_drop_$counter+1 in_seen+1" "$@"
}

OPENED="in_opened+1 delivered+1 in_seen+1"

# from4 SEQ, from6 SEQ: a packet as a would make it, but for the words that follow.
from4() {
	echo "send src=$A4 dst=$B4 spi=$SPI key=$KEY cipher=$CIPHER seq=$*"
}

from6() {
	echo "send src=$A6 dst=$B6 spi=$SPI key=$KEY cipher=$CIPHER seq=$*"
}

a_good_forger_gets_through() {
	local cipher

	for cipher in $CIPHERS; do
		fresh $cipher 100
		moves "$cipher over IPv4" "$OPENED" $(from4 101)
		moves "$cipher over IPv6" "$OPENED" $(from6 102)
		moves "without a UDP checksum" "$OPENED" $(from4 103 csum=zero)
		moves "with bytes behind the datagram" "$OPENED" $(from4 104 grow=7)
		moves "from another port" "$OPENED" $(from4 105 sport=12345)
	done
}

replays_are_dropped() {
	local cipher

	for cipher in $CIPHERS; do
		fresh $cipher 100
		moves "first" "$OPENED" $(from4 101)
		drops "once more" replay $(from4 101)
		drops "once more, over the other family" replay $(from6 101)
	done
}

captured_packets_are_dropped() {
	local opened got

	fresh aes256gcm 0
	opened=$(stat b in_opened)
	order hear left
	expect "datagrams" traffic a udp-send $B4 5003 20 100
	expect "datagrams" traffic a udp-send $B6 5003 20 1000
	await "they arrive" 5 stat_is b in_opened $((opened + 40))
	snapshot "$tmp/before"
	order again
	got=$answered
	at_least "captured" "$got" 40
	busywait 10 changes_are "in_drop_replay+$got in_seen+$got" ||
		fail "captured packets: got '$(changes)'"
}

# The bit that is flipped: SPI, sequence number, IV, ciphertext, ICV.
damaged_packets_are_dropped() {
	local cipher i=200

	for cipher in $CIPHERS; do
		fresh $cipher 100
		drops "SPI" unknown_spi $(from4 $((i++)) flip=1)
		drops "sequence number" auth $(from4 $((i++)) flip=7)
		drops "IV" auth $(from4 $((i++)) flip=15)
		drops "first byte of the ciphertext" auth $(from4 $((i++)) flip=16)
		drops "last byte of the ciphertext" auth $(from6 $((i++)) flip=-17)
		drops "ICV" auth $(from6 $((i++)) flip=-1)
		drops "far ahead" auth $(from4 1000000 flip=-1)
		moves "and the window did not move" "$OPENED" $(from4 $((i++)))
	done
}

short_and_long_packets_are_dropped() {
	fresh chacha20poly1305 100
	drops "nothing in it" malformed send src=$A4 dst=$B4 data=
	drops "three bytes" malformed send src=$A4 dst=$B4 data=000010
	drops "a header alone" malformed send src=$A4 dst=$B4 "data=$(printf '%08x' $SPI)00000065"
	drops "one byte less than the least" malformed send src=$A6 dst=$B6 "data=$(printf '%08x' $SPI)$(printf '%058d' 0)"
	drops "the least" auth send src=$A6 dst=$B6 "data=$(printf '%08x%08x' $SPI 105)$(printf '%052d' 0)"
	drops "UDP that claims more than there is" malformed $(from4 101 length=500)
	drops "cut behind UDP's back" malformed $(from4 102 cut=5)
	drops "UDP that claims less than its header" malformed $(from4 103 length=7)
	drops "a whole block less" auth $(from4 104 length=$((8 + 16 + 16 + 14)))
	drops "as large as can be" auth send src=$A4 dst=$B4 "data=$(printf '%08x%08x' $SPI 105)$(printf '%0120000d' 0)"
	moves "and a good one passes" "$OPENED" $(from4 106)
}

spis_that_are_nobodys_are_dropped() {
	local rest

	rest=$(printf '%0100d' 0)
	drops "SPI 0" malformed send src=$A4 dst=$B4 "data=00000000$rest"
	drops "SPI 1" malformed send src=$A4 dst=$B4 "data=00000001$rest"
	drops "SPI 255" malformed send src=$A6 dst=$B6 "data=000000ff$rest"
	drops "SPI 256" unknown_spi send src=$A4 dst=$B4 "data=00000100$rest"
	drops "the last SPI" unknown_spi send src=$A6 dst=$B6 "data=ffffffff$rest"
}

keepalives_and_dummies_end_here() {
	fresh aes256gcm 100
	moves "keepalive" "in_keepalive+1 in_seen+1" send src=$A4 dst=$B4 data=ff
	drops "one other byte" malformed send src=$A4 dst=$B4 data=fe
	moves "dummy" "in_dummy+1 in_seen+1" $(from4 101 nh=59)
	moves "dummy over IPv6" "in_dummy+1 in_seen+1" $(from6 102 nh=59 inner=0011223344)
	drops "the dummy again" replay $(from4 101 nh=59)
}

what_a_peer_may_not_put_in_is_dropped() {
	fresh chacha20poly1305 100
	drops "padding that does not count up" padding $(from4 101 pad=wrong)
	drops "padding longer than the packet" padding $(from4 102 pad=huge)
	drops "IPv6 hop-by-hop header inside" protocol $(from6 103 nh=0 inner=1100010400000000)
	drops "routing header inside" protocol $(from6 104 nh=43 inner=1100000000000000)
	drops "fragment header inside" protocol $(from6 105 nh=44 inner=1100000000000000)
}

# What is in front of UDP is the stack's to look at, and what was sealed comes behind that.
headers_outside_stay_in_front() {
	fresh chacha20poly1305 100
	moves "hop-by-hop options" "$OPENED" $(from6 101 ext=0:1100010400000000)
	moves "destination options" "$OPENED" $(from6 102 ext=60:1100010400000000)
	moves "a routing header at its end" "$OPENED" $(from6 103 ext=43:1100fd0000000000)
	moves "all of them" "$OPENED" \
		$(from6 104 ext=0:3c000104000000002b000104000000001100fd0000000000)
	moves "a timestamp" "$OPENED" $(from4 105 options=440c05000000000000000000)
}

# Nobody's ICV says that a source route is the sender's, and what follows it leaves again, opened.
source_routes_are_refused() {
	on b sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.accept_source_route=1 \
		net.ipv4.conf.wire.accept_source_route=1
	fresh chacha20poly1305 100
	capture routed r right "host 10.8.0.1"
	drops "loose" address $(from4 101 options=8307040a08000100)
	drops "strict, behind others" address $(from4 102 options=0101440405008907040a080001000000)
	drops "a routing header" address $(from6 103 "ext=43:11020201$(printf '%040d' 0)")
	drops "behind destination options" address \
		$(from6 104 "ext=60:2b0001040000000011020201$(printf '%040d' 0)")
	end_capture routed
	same "what left again" "$(frames routed)" 0
	on b sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.all.accept_source_route=0
	moves "and without" "$OPENED" $(from4 105)
}

# The key is right, the name is not: transport mode authenticates no addresses.
others_names_are_refused() {
	fresh chacha20poly1305 100
	drops "from another protected host" address $(from4 101) src=10.7.1.9
	drops "from an address that needs no protection" address $(from4 102) src=10.8.0.1
	drops "from another host over IPv6" address $(from6 103) src=fd07:1::9
	moves "and its own name passes" "$OPENED" $(from4 104)
	expect "b's other address" sotto b addr add 10.7.2.2
	fresh chacha20poly1305 100 local $B4
	drops "to an address that the SA does not have" address $(from4 101) dst=10.7.2.2
	expect "b's other address" sotto b addr del 10.7.2.2
}

# From behind a gateway for everything anybody may come, but nobody from inside us.
nobody_comes_from_within() {
	fresh chacha20poly1305 100 mode tunnel behind 0.0.0.0/0,::/0
	moves "anybody" "$OPENED" $(from4 101) from=10.99.0.1 to=$B4
	moves "anybody" "$OPENED" $(from4 102) from=fd99::1 to=$B6
	drops "from loopback" malformed $(from4 103) from=::1 to=$B6
	drops "from a group" malformed $(from4 104) from=ff02::1 to=$B6
	drops "from IPv4 in IPv6" malformed $(from4 105) from=::ffff:127.0.0.1 to=$B6
	expect "b is a gateway, too" sotto b addr add ::/0
	moves "to anybody" "in_opened+1 in_seen+1" $(from4 106) from=fd99::1 to=fd98::1
	drops "to loopback" malformed $(from4 107) from=fd99::1 to=::1
	expect "b is none" sotto b addr del ::/0
}

# 2048 packets; what is left of it counts as a number of the next 2^32, as in RFC 4303's
# appendix A2, and so does not authenticate.
window_has_its_edges() {
	fresh chacha20poly1305 0
	moves "newest" "$OPENED" $(from4 5001)
	moves "oldest in the window" "$OPENED" $(from4 2954)
	drops "the same again" replay $(from4 2954)
	drops "one left of it" auth $(from4 2953)
	moves "in the middle" "$OPENED" $(from4 4000)
	drops "the same again" replay $(from4 4000)
	moves "a window ahead" "$OPENED" $(from4 7049)
	drops "what the window left" auth $(from4 5001)
	moves "far ahead" "$OPENED" $(from4 1000000)
	drops "the window is new" auth $(from4 7049)
}

numbers_go_on_past_32_bits() {
	fresh aes256gcm 0xfffffff0
	moves "before the wrap" "$OPENED" $(from4 0xfffffff8)
	moves "behind it" "$OPENED" $(from4 0x100000001)
	drops "before it, again" replay $(from4 0xfffffff8)
	drops "behind it, again" replay $(from4 0x100000001)
	moves "late, of the older ones" "$OPENED" $(from4 0xfffffff9)
	drops "with the wrong high word" auth $(from4 0x200000002)
	moves "and the right one" "$OPENED" $(from4 0x100000002)
}

# Four flows under one key, sent and received by all processors there are, each packet doubled on
# its way, across the wrap of 32 bits: each number is taken once, and none is lost.
processors_share_a_window() {
	local i opened replays pids= n=1000

	# /sys is that of the namespace which mounted it.
	[ "$(nproc)" = 1 ] || expect "all receive" ip netns exec "$(ns_name b)" sh -c \
		"echo $(printf %x $(((1 << $(nproc)) - 1))) >/sys/class/net/wire/queues/rx-0/rps_cpus"
	on r tc qdisc add dev right root netem duplicate 100% limit 10000 2>/dev/null ||
		{ skip "the kernel has no netem"; return; }
	fresh aes256gcm 0xfffff800
	opened=$(stat b in_opened) replays=$(stat b in_drop_replay)
	for i in 0 1 2 3; do
		rm -f "$tmp/flow.$i"
		traffic b -t 20000 -b -o "$tmp/flow.$i" udp-recv $((5010 + i)) $n >/dev/null
	done
	for i in 0 1 2 3; do
		launch a taskset -c $((i % $(nproc))) "$TRAFFIC" -g 100 udp-send $B4 $((5010 + i)) $n 200 \
			>/dev/null
		pids+=" $!"
	done
	wait $pids
	for i in 0 1 2 3; do
		await "flow $i" 25 test -s "$tmp/flow.$i"
		same "flow $i" "$(cut -d' ' -f1-4 "$tmp/flow.$i")" "got $n twice 0"
	done
	await "each is opened once" 5 stat_is b in_opened $((opened + 4 * n))
	await "and refused once" 5 stat_is b in_drop_replay $((replays + 4 * n))
	on r tc qdisc del dev right root
}

# 2^60 packets, then the key is used up: no number is used twice.
numbers_run_out() {
	local opened refused

	opened=$(stat b in_opened) refused=$(stat a out_drop_seq_exhausted)
	fresh aes256gcm $(((1 << 60) - 2))
	expect "datagrams" traffic a udp-send $B4 5003 5 100
	await "the last two arrive" 5 stat_is b in_opened $((opened + 2))
	await "what comes after them is refused" 5 stat_is a out_drop_seq_exhausted $((refused + 3))
	expect "more datagrams" traffic a udp-send $B4 5003 2 100
	await "and stays so" 5 stat_is a out_drop_seq_exhausted $((refused + 5))
	same "opened" "$(stat b in_opened)" $((opened + 2))
}

expired_keys_open_nothing() {
	fresh chacha20poly1305 100 hard-packets 2
	moves "first" "$OPENED" $(from4 101)
	moves "second" "$OPENED" $(from4 102)
	drops "third" expired $(from4 103)
	drops "fourth, when the SA is gone" unknown_spi $(from4 104)
}

# From here on r's own sockets can be a's: the last to do so, for a is not to be reached then.
in_a_s_name() {
	expect "a's address" ip -n "$(ns_name r)" addr replace $A4/32 dev lo
	expect "a's address" ip -n "$(ns_name r)" addr replace $A6/128 dev lo
}

# A datagram can be made of a file's own pages (see basic.sh), and be authentic: were it decrypted
# where it lies, the file would have the plaintext. (6.1 copies: nothing to see.)
spliced_file_may_be_authentic() {
	local cipher file=$tmp/sealed opened

	in_a_s_name
	for cipher in $CIPHERS; do
		fresh $cipher 0
		opened=$(stat b in_opened)
		order $(from4 7) text=998*S save="$file"
		cp "$file" "$file.copy"
		expect "IPv4" traffic r -s $A4 udp-splice "$file" $B4 $DATA_PORT \
			"$(printf '%08x%08x%016x' $SPI 7 7)" 1
		await "it is opened" 5 stat_is b in_opened $((opened + 1))
		expect "the file is as it was" cmp "$file" "$file.copy"
	done
}

# A port that shows a monitor what comes in has a clone of it, made before the headers are pulled
# out of pages; which then are two packets', though neither is a clone any more.
mirrored_packets_stay_sealed() {
	local cipher mac opened

	connect b tap r tapped
	on b tc qdisc add dev wire clsact 2>/dev/null &&
		on b tc filter add dev wire ingress matchall action mirred egress mirror dev tap 2>/dev/null ||
		{ skip "the kernel has no mirred"; return; }
	ip -n "$(ns_name b)" link set wire mtu 9000
	ip -n "$(ns_name b)" link set tap mtu 9000
	ip -n "$(ns_name r)" link set right mtu 9000
	ip -n "$(ns_name r)" link set tapped mtu 9000
	mac=$(ip -n "$(ns_name b)" -j link show wire | jq -r '.[].address')
	capture mirrored r tapped $DEEP udp port $DATA_PORT
	for cipher in $CIPHERS; do
		fresh $cipher 0
		opened=$(stat b in_opened)
		order $(from4 1) text=1100*MARK pages=right:$mac
		order $(from6 2) text=1100*MARK pages=right:$mac
		order $(from4 3) text=1100*MARK pages=right:$mac
		await "they are opened" 5 stat_is b in_opened $((opened + 3))
	done
	end_capture mirrored
	same "what the monitor saw" "$(frames mirrored)" 6
	expect "is sealed" refuse_marker "$tmp/mirrored.pcap"
	on b tc qdisc del dev wire clsact
	ip -n "$(ns_name b)" link del tap
}

refuse_marker() {
	! grep -qa MARKMARK "$1"
}

nothing_else_was_harmed() {
	at_least "replays counted by the SAs" "$(sotto b sa show -j | jq 'map(.replays // 0) | add')" 5
	at_least "forgeries counted by the SAs" "$(sotto b sa show -j | jq 'map(.auth_failures // 0) | add')" 5
	check_sums a b
}

run_tests setup a_good_forger_gets_through replays_are_dropped captured_packets_are_dropped \
	damaged_packets_are_dropped short_and_long_packets_are_dropped \
	spis_that_are_nobodys_are_dropped keepalives_and_dummies_end_here \
	what_a_peer_may_not_put_in_is_dropped headers_outside_stay_in_front \
	source_routes_are_refused others_names_are_refused nobody_comes_from_within window_has_its_edges \
	numbers_go_on_past_32_bits processors_share_a_window numbers_run_out expired_keys_open_nothing \
	spliced_file_may_be_authentic mirrored_packets_stay_sealed \
	nothing_else_was_harmed
