#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Bursts on their way in: many sealed packets in one skb, as a sender's GSO, a device or the
# stack's own GRO make them. What belongs together goes up as one; what does not is opened all
# the same, and one bad packet spoils no other.
#
# a and b are hosts, and h one behind b; r, the router between a and b, is the attacker, and a
# peer that makes mistakes. What goes up is counted by nftables in front of conntrack: an inner burst is one.

. "$(dirname "$0")/lib.sh"
begin
need ping ethtool nft tcpdump

SPI=$((0x2000))		# what b receives
H4=10.8.0.2
HEAD4=40 HEAD6=60	# of IP and TCP, in bytes

setup() {
	modprobe -q algif_aead
	make_routed
	on r sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.left.rp_filter=0
	make_hosts h
	connect b back h wire
	address b back 10.8.0.1/24
	address h wire $H4/24
	on b ethtool -K back tso off gso off
	on b sysctl -qw net.ipv4.ip_forward=1
	up a $A4 $A6
	up b $B4 $B6 10.8.0.0/24
	expect "policy" sotto a policy add 10.7.2.0/24 protect
	expect "policy" sotto a policy add fd07:2::/64 protect
	expect "policy" sotto b policy add 10.7.1.0/24 protect
	expect "policy" sotto b policy add fd07:1::/64 protect
	expect "counters" on b nft -f - <<-END
		table inet seen {
			counter n_tcp {}
			counter n_udp {}
			counter n_icmp {}
			counter n_ce {}
			chain in {
				type filter hook prerouting priority -250
				meta l4proto tcp counter name n_tcp
				udp dport 5003-5004 counter name n_udp
				ip saddr $A4 meta l4proto icmp counter name n_icmp
				meta l4proto tcp ip ecn ce counter name n_ce
				meta l4proto tcp ip6 ecn ce counter name n_ce
				meta l4proto tcp tcp dport 6000-6009 drop
			}
		}
	END
	coproc FORGER { on r "$PYTHON" "$here/helpers/forge.py"; } 2>"$tmp/forger"
	read -r -t 60 -u "${FORGER[0]}" answered || fail "the forger does not start"
	collect $B4 5003
}

# collect ADDRESS PORT [--gro]: datagrams that reach b, into $tmp/got.PORT.
collect() {
	local out=$tmp/collect.$2

	launch b "$PYTHON" "$here/helpers/collect.py" ${3:-} "$1" "$2" "$tmp/got.$2" >"$out"
	await "b listens" 10 grep -q ready "$out"
}

# texts FILE: what is in it, as it was sent; what is no text is shown.
texts() {
	"$PYTHON" -c 'import sys
print(bytes.fromhex(open(sys.argv[1]).read()).decode(errors="backslashreplace"))' "$1"
}

order() {
	local answer

	echo "$*" >&"${FORGER[1]}"
	read -r -t 60 -u "${FORGER[0]}" answer
	[[ $answer == ok* ]] || fail "forging '$*': $answer"
}

# fresh CIPHER [WORDS FOR b's SA]: keys from a to b, and nothing seen yet.
fresh() {
	SPI=$((SPI + 1)) CIPHER=$1 NUMBER=0
	KEY=$(key $SPI)
	expect "b's SA" sotto b sa add in spi $SPI peer $A4,$A6 cipher "$1" key-file "$KEY" \
		"${@:2}"
	expect "a's SA" sotto a sa add out spi $SPI peer $B4,$B6 cipher "$1" key-file "$KEY"
}

# add4 WORDS…, add6: a segment of the next burst, with the next number unless WORDS say another.
add4() {
	NUMBER=$((NUMBER + 1))
	order add src=$A4 dst=$B4 spi=$SPI key="$KEY" cipher=$CIPHER seq=$NUMBER "$@"
}

add6() {
	NUMBER=$((NUMBER + 1))
	order add src=$A6 dst=$B6 spi=$SPI key="$KEY" cipher=$CIPHER seq=$NUMBER "$@"
}

# snapshot FILE: of b's counters. The router's neighbours may speak meanwhile, in the clear: those
# packets are left out.
snapshot() {
	{ on b nft list counters; sotto b stats -j; } 2>/dev/null | awk -v RS='[{},\n]' '
		$1 == "counter" { name = substr($2, 3) }
		$1 == "packets" { print name, $2; print name "_bytes", $4 }
		/"in_/ && split($0, f, /[": ]+/) && f[2] != "in_passed" && f[2] != "in_seen" { print f[2], f[3] }
		' >"$1"
}

# burst4 WHAT CHANGES [WORDS…], burst6: what was added goes out, with exactly these effects.
burst4() {
	local what=$1 want=$2
	shift 2

	snapshot "$tmp/before"
	order burst src=$A4 dst=$B4 "$@"
	busywait 10 changes_are "$want" || fail "$what: got '$(changes)', wanted '$want'"
}

burst6() {
	local what=$1 want=$2
	shift 2

	snapshot "$tmp/before"
	order burst src=$A6 dst=$B6 "$@"
	busywait 10 changes_are "$want" || fail "$what: got '$(changes)', wanted '$want'"
}

# What is merged ---------------------------------------------------------------------------

tcp_of_one_flow_goes_up_as_one() {
	local cipher i

	for cipher in $CIPHERS; do
		fresh $cipher
		for i in 0 1 2 3 4; do
			add4 tcp=4000:6000:$((1000 + 8 * i)):7:0x10 text=payload$i
		done
		burst4 "IPv4, $cipher" "tcp+1 tcp_bytes+$((HEAD4 + 40)) in_opened+5 in_bursts+1"
		for i in 0 1 2; do
			add6 tcp=4000:6000:$((1000 + 8 * i)):7:0x10 text=payload$i
		done
		add6 tcp=4000:6000:1024:7:0x18 text=end
		burst6 "IPv6, the last is shorter, $cipher" \
			"tcp+1 tcp_bytes+$((HEAD6 + 27)) in_opened+4 in_bursts+1"
	done
}

# Those that tcp_gro_receive() would not merge.
tcp_that_differs_is_not_merged() {
	fresh chacha20poly1305
	add4 tcp=4000:6000:1000:7:0x10 text=payload0
	add4 tcp=4000:6000:1008:8:0x10 text=payload1
	burst4 "another ack" "tcp+2 tcp_bytes+$((2 * HEAD4 + 16)) in_opened+2"
	add4 tcp=4000:6000:1000:7:0x10 text=payload0
	add4 tcp=4000:6000:1009:7:0x10 text=payload1
	burst4 "a hole" "tcp+2 tcp_bytes+$((2 * HEAD4 + 16)) in_opened+2"
	add4 tcp=4000:6000:1000:7:0x10 text=payload0
	add4 tcp=4000:6000:1008:7:0x10:600 text=payload1
	burst4 "another window" "tcp+2 tcp_bytes+$((2 * HEAD4 + 16)) in_opened+2"
	add4 tcp=4000:6000:1000:7:0x18 text=payload0
	add4 tcp=4000:6000:1008:7:0x10 text=payload1
	add4 tcp=4000:6000:1016:7:0x10 text=payload2
	burst4 "behind a push" "tcp+2 tcp_bytes+$((2 * HEAD4 + 24)) in_opened+3 in_bursts+1"
	add4 tcp=4000:6000:1000:7:0x10 text=payload0
	add4 tcp=4000:6000:1008:7:0x11 text=payload1
	add4 tcp=4000:6000:1017:7:0x10 text=payload2
	burst4 "the end of a stream" "tcp+2 tcp_bytes+$((2 * HEAD4 + 24)) in_opened+3 in_bursts+1"
	add4 tcp=4000:6000:1000:7:0x10 text=payload0
	add4 tcp=4000:6000:1008:7:0x14 text=payload1
	burst4 "a reset" "tcp+2 tcp_bytes+$((2 * HEAD4 + 16)) in_opened+2"
	add4 tcp=4000:6000:1000:7:0x10 text=payload0
	add4 tcp=4000:6000:1008:7:0x90 text=payload1
	burst4 "a reduced window" "tcp+2 tcp_bytes+$((2 * HEAD4 + 16)) in_opened+2"
	add4 tcp=4000:6000:1000:7:0x10 text=payload0
	add4 tcp=4000:6000:1008:7:0x10 text=
	burst4 "a bare ack" "tcp+2 tcp_bytes+$((2 * HEAD4 + 8)) in_opened+2"
}

flows_are_kept_apart() {
	fresh aes256gcm
	add4 tcp=4000:6000:1000:7:0x10 text=payload0
	add4 tcp=4001:6000:1000:7:0x10 text=payload0
	add4 tcp=4000:6000:1008:7:0x10 text=payload1
	add4 tcp=4000:6000:1016:7:0x10 text=payload2
	add4 tcp=4001:6000:1008:7:0x10 text=payload1
	burst4 "two TCP flows" "tcp+4 tcp_bytes+$((4 * HEAD4 + 40)) in_opened+5 in_bursts+1"
	add4 tcp=4000:6000:1000:7:0x10 text=payload0
	add4 udp=5003 text=a-datagram-of-20byte
	add4 tcp=4000:6000:1008:7:0x10 text=payload1
	add4 udp=5003 text=another--of-20-bytes
	add4 udp=5003 text=and-one-of-twenty-by
	add4 nh=1 inner=080000000000000000000000000000000000000000000000000000000000
	burst4 "TCP, UDP and ICMP" "icmp+1 icmp_bytes+50 tcp+2 tcp_bytes+$((2 * HEAD4 + 16)) \
udp+2 udp_bytes+$((48 + 68)) in_opened+6 in_bursts+1"
}

udp_goes_up_as_one_and_arrives_as_many() {
	local i want

	collect $B4 5004 --gro
	fresh chacha20poly1305
	: >"$tmp/got.5003"
	for i in 0 1 2 3 4 5; do
		add4 udp=5003 text=datagram-$i
	done
	add4 udp=5003 text=short
	burst4 "to a plain socket" "udp+1 udp_bytes+$((28 + 6 * 10 + 5)) in_opened+7 in_bursts+1"
	want=$(for i in 0 1 2 3 4 5; do printf 'datagram-%d' $i | od -An -v -tx1 | tr -d ' '; done
		printf short | od -An -v -tx1 | tr -d ' \n')
	await "all arrived" 5 grep -q 73686f7274 "$tmp/got.5003"
	same "datagrams, in order" "$(paste -sd ' ' "$tmp/got.5003")" "$(paste -sd ' ' <<<"$want")"
	for i in 0 1 2 3; do
		add4 udp=5004 text=datagram-$i
	done
	burst4 "to one that takes bursts" "udp+1 udp_bytes+$((28 + 40)) in_opened+4 in_bursts+1"
	await "it arrived" 5 grep -q . "$tmp/got.5004"
	same "as it was sent" "$(paste -sd ' ' "$tmp/got.5004")" 40/10
}

# One bad one spoils no other -----------------------------------------------------------------

forged_segment_drops_alone() {
	local i bad

	# GCM writes what it decrypts before it knows that it is forged.
	for bad in 0 2 4; do
		fresh aes256gcm
		: >"$tmp/got.5003"
		for i in 0 1 2 3 4; do
			add4 udp=5003 text=datagram-$i $([ $i != $bad ] || echo flip=-1)
		done
		burst4 "forged is $bad" "udp+1 udp_bytes+68 in_opened+4 in_drop_auth+1 in_bursts+1"
		await "the others arrived" 5 test "$(wc -l <"$tmp/got.5003")" = 4
		same "they are intact" "$(texts "$tmp/got.5003")" \
			"$(printf 'datagram-%d' $(seq 0 4 | grep -v $bad))"
		add4 udp=5003 text=datagram-$bad seq=$((bad + 1))
		burst4 "its number is free" "udp+1 udp_bytes+38 in_opened+1"
	done
	fresh aes256gcm
	for i in 0 1 2 3; do
		add6 tcp=4000:6000:$((1000 + 8 * i)):7:0x10 text=payload$i $([ $i != 1 ] || echo flip=20)
	done
	burst6 "in the middle of TCP" \
		"tcp+2 tcp_bytes+$((2 * HEAD6 + 24)) in_opened+3 in_drop_auth+1 in_bursts+1"
	for i in 0 1 2 3; do
		add4 udp=5003 text=datagram-$i flip=-1
	done
	burst4 "all of them" "in_drop_auth+4"
}

replayed_segment_drops_alone() {
	fresh chacha20poly1305
	add4 udp=5003 text=datagram-0
	add4 udp=5003 text=datagram-1
	add4 udp=5003 text=datagram-1 seq=2
	add4 udp=5003 text=datagram-3 seq=1
	add4 udp=5003 text=datagram-4
	burst4 "twice in one burst" "udp+1 udp_bytes+58 in_opened+3 in_drop_replay+2 in_bursts+1"
	add4 udp=5003 text=datagram-6
	add4 udp=5003 text=datagram-0 seq=1
	add4 udp=5003 text=datagram-8
	burst4 "of one before" "udp+1 udp_bytes+48 in_opened+2 in_drop_replay+1 in_bursts+1"
	add4 udp=5003 text=datagram-9 flip=-1
	add4 udp=5003 text=datagram-9 seq=9
	add4 udp=5003 text=datagram-x seq=12
	burst4 "a forged one took its number" \
		"udp+1 udp_bytes+48 in_opened+2 in_drop_auth+1 in_bursts+1"
	add4 udp=5003 text=datagram-a seq=5000
	add4 udp=5003 text=datagram-b seq=2953
	add4 udp=5003 text=datagram-c seq=2952
	burst4 "the window's edge moves with them" \
		"udp+1 udp_bytes+48 in_opened+2 in_drop_replay+1 in_bursts+1"
}

odd_ones_drop_alone() {
	fresh chacha20poly1305
	add4 udp=5003 text=datagram-0
	add4 inner=00000000000000000000000000000000 nh=59
	add4 udp=5003 text=datagram-2
	burst4 "a dummy" "udp+1 udp_bytes+48 in_opened+2 in_dummy+1 in_bursts+1"
	add4 udp=5003 text=datagram-3
	add4 udp=5003 text=datagr pad=wrong
	add4 udp=5003 text=datagram-5 pad=huge
	burst4 "padding" "udp+1 udp_bytes+38 in_opened+1 in_drop_padding+2"
	add6 udp=5003 text=datagram-6
	add6 nh=44 inner=110000000000000000000000000000000000
	add6 udp=5003 text=datagram-8
	burst6 "a fragment inside" \
		"udp+1 udp_bytes+$((48 + 20)) in_opened+2 in_drop_protocol+1 in_bursts+1"
	add4 udp=5003 text=datagram-9
	order add src=$A4 dst=$B4 data=0011
	burst4 "the last is too short to be ESP" "udp+1 udp_bytes+38 in_opened+1 in_drop_malformed+1"
	add4 udp=5003 text=datagram-a
	add4 udp=5003 text=datagram-b spi=$((SPI + 999))
	burst4 "two SAs" "udp+1 udp_bytes+38 in_opened+1 in_drop_unknown_spi+1"
	add4 udp=5003 text=datagram-a spi=$((SPI + 999))
	add4 udp=5003 text=datagram-b spi=$((SPI + 999))
	burst4 "an unknown SA" "in_drop_unknown_spi+2"
	order add src=$A4 dst=$B4 data=ff
	order add src=$A4 dst=$B4 data=ff
	burst4 "keepalives" "in_keepalive+2"
}

# GRO takes a probe of the path, which is shorter, for the end of what came before it.
a_probe_is_answered_wherever_it_is() {
	local dummies

	fresh chacha20poly1305
	expect "b's way back" sotto b sa add out spi $((SPI + 0x10000)) peer $A4,$A6 \
		cipher chacha20poly1305 key-file "$(key $((SPI + 0x10000)))" nat pair-spi $SPI
	dummies=$(stat b out_dummy)
	add4 nh=59 inner=506174680102030405060708
	burst4 "by itself" in_dummy+1
	await "an answer" 5 stat_is b out_dummy $((dummies + 1))
	add4 udp=5003 text=datagram-0
	add4 udp=5003 text=datagram-1
	add4 nh=59 inner=506174680102030405060708
	burst4 "behind others" "udp+1 udp_bytes+48 in_opened+2 in_dummy+1 in_bursts+1"
	await "another answer" 5 stat_is b out_dummy $((dummies + 2))
	add4 nh=59 inner=000000000102030405060708
	add4 udp=5003 text=four
	burst4 "none at all" "udp+1 udp_bytes+32 in_opened+1 in_dummy+1"
	same "answers" "$(stat b out_dummy)" $((dummies + 2))
}

# Tunnel mode ---------------------------------------------------------------------------------

# in4 ID SEQ TEXT [WORDS…]: a TCP segment from behind a, in IPv4; in6 SEQ TEXT the same in IPv6.
in4() {
	"$OUTSIDE" from=10.9.0.1 to=$B4 id="$1" tcp=4000:6000:"$2":7:0x10 text="$3" "${@:4}"
}

in6() {
	"$OUTSIDE" from=fd09::1 to=$B6 tcp=4000:6000:"$1":7:0x10 text="$2" "${@:3}"
}

whole_packets_go_up_as_one() {
	local cipher family

	for cipher in $CIPHERS; do
		for family in 4 6; do
			fresh $cipher mode tunnel behind 10.9.0.0/16,fd09::/64
			OUTSIDE=add$family
			in4 7 1000 payload0; in4 8 1008 payload1; in4 9 1016 payload2; in4 10 1024 end
			burst$family "IPv4 in IPv$family, $cipher" \
				"tcp+1 tcp_bytes+$((HEAD4 + 27)) in_opened+4 in_bursts+1"
			in6 1000 payload0; in6 1008 payload1; in6 1016 payload2; in6 1024 end
			burst$family "IPv6 in IPv$family, $cipher" \
				"tcp+1 tcp_bytes+$((HEAD6 + 27)) in_opened+4 in_bursts+1"
		done
	done
	in4 65535 1000 payload0; in4 0 1008 payload1
	burst6 "IPv4's identification begins anew" \
		"tcp+1 tcp_bytes+$((HEAD4 + 16)) in_opened+2 in_bursts+1"
	: >"$tmp/got.5003"
	for i in 0 1 2; do
		add6 from=10.9.0.1 to=$B4 id=$i udp=5003 text=datagram-$i
	done
	burst6 "datagrams" "udp+1 udp_bytes+58 in_opened+3 in_bursts+1"
	await "all arrived" 5 grep -q "$(printf datagram-2 | od -An -v -tx1 | tr -d ' ')" "$tmp/got.5003"
	same "they are intact" "$(texts "$tmp/got.5003")" "$(printf 'datagram-%d' 0 1 2)"
}

# apart WHAT BYTES [CHANGES]: two that were added are not merged.
apart() {
	burst4 "$1" "tcp+2 tcp_bytes+$2 in_opened+2${3:+ $3}"
}

whole_packets_that_differ_are_not_merged() {
	fresh chacha20poly1305 mode tunnel behind 10.9.0.0/16,fd09::/64
	OUTSIDE=add4
	in4 7 1000 payload0; in4 9 1008 payload1
	apart "a hole in the identifications" $((2 * HEAD4 + 16))
	in4 7 1000 payload0 tos=2; in4 8 1008 payload1 tos=3
	apart "congestion on the way, in IPv4" $((2 * HEAD4 + 16)) "ce+1 ce_bytes+$((HEAD4 + 8))"
	in6 1000 payload0 tos=2; in6 1008 payload1 tos=3
	apart "congestion on the way, in IPv6" $((2 * HEAD6 + 16)) "ce+1 ce_bytes+$((HEAD6 + 8))"
	in4 7 1000 payload0; in4 8 1008 payload1 tos=0x20
	apart "another class" $((2 * HEAD4 + 16))
	in4 7 1000 payload0; in4 8 1008 payload1 ttl=63
	apart "another hop, in IPv4" $((2 * HEAD4 + 16))
	in6 1000 payload0; in6 1008 payload1 ttl=63
	apart "another hop, in IPv6" $((2 * HEAD6 + 16))
	in4 7 1000 payload0; in4 8 1008 payload1 frag=0
	apart "one of them may be fragmented" $((2 * HEAD4 + 16))
	in6 1000 payload0; in6 1008 payload1 label=5
	apart "another flow label" $((2 * HEAD6 + 16))
	in4 7 1000 payload0; add4 from=10.9.0.2 to=$B4 id=8 tcp=4000:6000:1008:7:0x10 text=payload1
	apart "another host, in IPv4" $((2 * HEAD4 + 16))
	in6 1000 payload0; add4 from=fd09::2 to=$B6 tcp=4000:6000:1008:7:0x10 text=payload1
	apart "another host, in IPv6" $((2 * HEAD6 + 16))
	in4 7 1000 payload0; in4 8 1008 payload1 to=10.7.2.99
	burst4 "to another host, in IPv4" \
		"tcp+1 tcp_bytes+$((HEAD4 + 8)) in_opened+1 in_drop_address+1"
	in6 1000 payload0; in6 1008 payload1 to=fd07:2::99
	burst4 "to another host, in IPv6" \
		"tcp+1 tcp_bytes+$((HEAD6 + 8)) in_opened+1 in_drop_address+1"
	in4 7 1000 "7*four"; in6 1028 payload1
	apart "another family" $((HEAD4 + HEAD6 + 36))
	in4 7 1000 payload0; in4 8 1009 payload1
	apart "a hole in TCP" $((2 * HEAD4 + 16))
	in4 7 1000 payload0; in4 8 1008 payload1 broken=1
	apart "damaged before it was sealed, the second" $((2 * HEAD4 + 16))
	in6 1000 payload0 broken=1; in6 1008 payload1
	apart "damaged before it was sealed, the first" $((2 * HEAD6 + 16))
	# The two ends themselves had no wire between them that could damage it: nobody looks.
	add4 from=$A4 to=$B4 id=7 tcp=4000:6000:1000:7:0x10 text=payload0 broken=1
	add4 from=$A4 to=$B4 id=8 tcp=4000:6000:1008:7:0x10 text=payload1 broken=1
	burst4 "of the peer itself" "tcp+1 tcp_bytes+$((HEAD4 + 16)) in_opened+2 in_bursts+1"
	# As a whole, they are in another's name, each one.
	add4 from=10.10.0.1 to=$B4 id=7 tcp=4000:6000:1000:7:0x10 text=payload0
	add4 from=10.10.0.1 to=$B4 id=8 tcp=4000:6000:1008:7:0x10 text=payload1
	burst4 "in another's name" "in_drop_address+2 in_bursts+1"
}

# idents NAME: of what was captured.
idents() {
	tcpdump -nvr "$tmp/$1.pcap" 2>/dev/null | grep -o ' id [0-9]*,' | tr -dc '0-9\n' | paste -sd ' '
}

# RFC 6864: of what may not be fragmented it says nothing, and some senders have one for all. GRO
# merges that where it is TCP, which can be cut again to be as it was.
one_identification_for_all_stays() {
	fresh chacha20poly1305 mode tunnel behind 10.9.0.0/16,fd09::/64
	OUTSIDE=add4
	in4 7 1000 payload0; in4 7 1008 payload1; in4 7 1016 end
	burst4 "TCP" "tcp+1 tcp_bytes+$((HEAD4 + 19)) in_opened+3 in_bursts+1"
	in4 7 1000 payload0; in4 7 1008 payload1; in4 8 1016 payload2
	burst4 "not for the third" "tcp+2 tcp_bytes+$((2 * HEAD4 + 24)) in_opened+3 in_bursts+1"
	in4 7 1000 payload0; in4 8 1008 payload1; in4 7 1016 payload2
	burst4 "only for the third" "tcp+2 tcp_bytes+$((2 * HEAD4 + 24)) in_opened+3 in_bursts+1"
	in4 7 1000 payload0 frag=0; in4 7 1008 payload1 frag=0
	apart "they may be fragmented" $((2 * HEAD4 + 16))
	add4 from=10.9.0.1 to=$B4 id=7 udp=5003 text=datagram-0
	add4 from=10.9.0.1 to=$B4 id=7 udp=5003 text=datagram-1
	burst4 "datagrams" "udp+2 udp_bytes+76 in_opened+2"
	capture cut b back tcp
	in4 7 1000 payload0 to=$H4 tcp=4000:7000:1000:7:0x10
	in4 7 1008 payload1 to=$H4 tcp=4000:7000:1008:7:0x10
	burst4 "one for all, forwarded" "tcp+1 tcp_bytes+$((HEAD4 + 16)) in_opened+2 in_bursts+1"
	in4 7 1016 payload2 to=$H4 tcp=4000:7000:1016:7:0x10
	in4 8 1024 payload3 to=$H4 tcp=4000:7000:1024:7:0x10
	burst4 "forwarded" "tcp+1 tcp_bytes+$((HEAD4 + 16)) in_opened+2 in_bursts+1"
	end_capture cut
	same "identifications behind us" "$(idents cut)" "7 7 7 8"
}

# What is out of the ordinary goes up as it came.
odd_whole_packets_are_not_merged() {
	fresh chacha20poly1305 mode tunnel behind 10.9.0.0/16,fd09::/64
	OUTSIDE=add4
	in4 7 1000 payload0 within=01010101; in4 8 1008 payload1 within=01010101
	apart "options" $((2 * HEAD4 + 8 + 16))
	in4 7 1000 payload0 frag=0x2000; in4 8 1008 payload1 frag=0x2000
	burst4 "fragments, which wait for the rest" in_opened+2
	in4 7 1000 payload0; in4 8 1008 payload1 broken=ip
	burst4 "the second's header is damaged" \
		"tcp+1 tcp_bytes+$((HEAD4 + 8)) in_opened+1 in_drop_malformed+1"
	in4 7 1000 payload0 broken=ip; in4 8 1008 payload1
	burst4 "the first's header is damaged" \
		"tcp+1 tcp_bytes+$((HEAD4 + 8)) in_opened+1 in_drop_malformed+1"
	# RFC 4303 section 2.7; the numbers go on as if what hides the length were text. Of what the
	# peer itself sends no checksum would tell.
	in4 7 1000 payload0 from=$A4 more=4; in4 8 1012 payload1 from=$A4
	apart "the length is hidden, in IPv4" $((2 * HEAD4 + 16))
	in6 1000 payload0 from=$A6 more=4; in6 1012 payload1 from=$A6
	apart "the length is hidden, in IPv6" $((2 * HEAD6 + 16))
}

# What was on the way between the ends marks all that comes marked.
congestion_outside_marks_all_inside() {
	fresh aes256gcm mode tunnel behind 10.9.0.0/16,fd09::/64
	OUTSIDE=add4
	in4 7 1000 payload0 tos=2; in4 8 1008 payload1 tos=2
	burst4 "IPv4 inside" "tcp+1 tcp_bytes+$((HEAD4 + 16)) ce+1 ce_bytes+$((HEAD4 + 16)) \
in_opened+2 in_bursts+1" tos=3
	in6 1000 payload0 tos=1; in6 1008 payload1 tos=1
	burst4 "IPv6 inside" "tcp+1 tcp_bytes+$((HEAD6 + 16)) ce+1 ce_bytes+$((HEAD6 + 16)) \
in_opened+2 in_bursts+1" tos=3
	in4 7 1000 payload0; in4 8 1008 payload1
	burst4 "nobody inside knows of ECN" "in_drop_ecn+2 in_bursts+1" tos=3
}

others_names_are_refused() {
	fresh chacha20poly1305
	add4 udp=5003 text=datagram-0
	add4 udp=5003 text=datagram-1
	snapshot "$tmp/before"
	order burst src=10.7.1.9 dst=$B4
	busywait 10 changes_are in_drop_address+2 || fail "another host's name: got '$(changes)'"
}

# Real streams ----------------------------------------------------------------------------------

# streams WHAT: whole and in order, both families, both ciphers.
streams() {
	local cipher

	for cipher in $CIPHERS; do
		fresh $cipher
		one_way b $B4,$B6 a $A4,$A6 $cipher $((SPI + 0x10000))
		snapshot "$tmp/before"
		expect "$1, $cipher over IPv4" bulk a b $B4 8
		expect "$1, $cipher over IPv6" bulk a b $B6 8
		expect "$1, datagrams" udp_sizes a b $B4 1 1400 200
		at_least "$1: inner bursts" "$(changes | grep -o 'in_bursts+[0-9]*' | tr -dc 0-9)" 50
		same "$1: refused" "$(changes | grep -o in_drop.*)" ""
	done
}

whole_bursts_come_through() {
	on a ethtool -K wire tso on gso on
	streams "as they were sent"
}

# The sender cuts its bursts, as a wire would have it; the stack on our side merges.
cut_and_merged_bursts_come_through() {
	on a ethtool -K wire tso off gso on tx-udp-segmentation off
	on r ethtool -K right tso off gso on tx-udp-segmentation off
	expect "GRO on b's wire" on b ethtool -K wire gro on
	streams "merged by GRO"
	on r ethtool -K right tso on
	on a ethtool -K wire tso on
}

single_packets_come_through() {
	local opened bursts

	expect "no GRO" on b ethtool -K wire gro off
	on a ethtool -K wire tso off gso off tx-udp-segmentation off
	on r ethtool -K right tso off gso off tx-udp-segmentation off
	on r ethtool -K left gro off
	bursts=$(stat b in_bursts) opened=$(stat b in_opened)
	expect "one by one" bulk a b $B4 4
	same "inner bursts" "$(stat b in_bursts)" "$bursts"
	at_least "packets" "$(stat b in_opened)" $((opened + 2000))
}

nothing_was_lost_count_of() {
	check_sums a b
}

run_tests setup tcp_of_one_flow_goes_up_as_one tcp_that_differs_is_not_merged \
	flows_are_kept_apart udp_goes_up_as_one_and_arrives_as_many forged_segment_drops_alone \
	replayed_segment_drops_alone odd_ones_drop_alone a_probe_is_answered_wherever_it_is \
	whole_packets_go_up_as_one whole_packets_that_differ_are_not_merged \
	one_identification_for_all_stays odd_whole_packets_are_not_merged \
	congestion_outside_marks_all_inside others_names_are_refused whole_bursts_come_through \
	cut_and_merged_bursts_come_through single_packets_come_through \
	nothing_was_lost_count_of
