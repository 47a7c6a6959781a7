#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tunnel mode: a member, a gateway and a host behind that; IPv4 and IPv6, each inside the
# other, both ciphers; against ourselves and against the kernel's own xfrm. Fragments are
# forwarded, DSCP and ECN cross, MTUs hold, and nobody speaks in another's name.
#
# a is the member, b the gateway, h the host behind it.

. "$(dirname "$0")/lib.sh"
begin keylog=1
need ping nft ethtool

SPI=0x7000		# the next pair of SPIs
H4=10.8.0.2 H6=fd08::2 BACK4=10.8.0.0/24 BACK6=fd08::/64
MEGABYTES=1		# of TCP in each direction

declare -A ALG=([aes256gcm]='rfc4106(gcm(aes))' [chacha20poly1305]='rfc7539esp(chacha20,poly1305)')

xfrm() {
	on b ip xfrm "$@"
}

setup() {
	make_pair
	make_hosts h
	connect b back h wire
	address b back 10.8.0.1/24 fd08::1/64
	address h wire $H4/24 $H6/64
	route h default via 10.8.0.1
	route h default via fd08::1
	route a $BACK4 via $B4
	route a $BACK6 via $B6
	on b sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	up a $A4 $A6
	up b $B4 $B6 $BACK4 $BACK6
	expect "policy" sotto a policy add $B4/32 protect
	expect "policy" sotto a policy add $B6/128 protect
	expect "policy of the gateway" sotto b policy add $A4/32 protect
	expect "policy of the gateway" sotto b policy add $A6/128 protect
}

# via GATEWAY4 GATEWAY6: where a's packets to what is behind b go, by family; and b's to a.
via() {
	expect "policy" sotto a policy replace $BACK4 protect via "$1"
	expect "policy" sotto a policy replace $BACK6 protect via "$2"
	expect "policy" sotto b policy replace $A4/32 protect via "${1/$B4/$A4}"
	expect "policy" sotto b policy replace $A6/128 protect via "${2/$B6/$A6}"
	[[ $1 == *:* ]] || return 0
	expect "policy" sotto b policy replace $A4/32 protect via $A6
	expect "policy" sotto b policy replace $A6/128 protect via $A4
}

# keyed CIPHER [WORDS FOR a's inbound SA]: both directions, for both families outside. With $REACH
# these are the networks that a may reach.
keyed() {
	local cipher=$1 out=$SPI in=$((SPI + 1))
	shift

	SPI=$((SPI + 2))
	[ $# -gt 0 ] || set -- behind "$BACK4,$BACK6"
	expect "b's inbound SA" sotto b sa add in spi "$out" peer $A4,$A6 mode tunnel \
		cipher "$cipher" key-file "$(key "$out")" ${REACH:+reach "$REACH"} &&
	expect "a's inbound SA" sotto a sa add in spi "$in" peer $B4,$B6 mode tunnel \
		cipher "$cipher" key-file "$(key "$in")" "$@" &&
	expect "a's outbound SA" sotto a sa add out spi "$out" peer $B4,$B6 mode tunnel \
		cipher "$cipher" key-file "$(key "$out")" &&
	expect "b's outbound SA" sotto b sa add out spi "$in" peer $A4,$A6 mode tunnel \
		cipher "$cipher" key-file "$(key "$in")"
}

# talk NAME MINIMUM: everything, through a capture that must show nothing plain; at a, for
# xfrm shows what it has opened to captures. Of TCP only
# what is not a sealed packet is captured: a plain one, or a fragment that has no ports.
talk() {
	# What h sends as fragments must fit once they are sealed: it learns that first.
	on h ping -n -q -c 1 -W 1 -s 1440 $A6 >/dev/null
	capture "$1" a wire
	expect "ping over IPv4" pings a $H4
	expect "ping over IPv6" pings a $H6
	expect "ping back over IPv4" pings h $A4
	expect "ping back over IPv6" pings h $A6
	expect "sizes over IPv4" udp_sizes a h $H4 1 1400 131
	expect "sizes over IPv6" udp_sizes h a $A6 1 1360 131
	expect "fragments over IPv4" udp_sizes a h $H4 1473 20000 9001
	expect "fragments over IPv6" udp_sizes a h $H6 1453 20000 9001
	expect "fragments back over IPv4" udp_sizes h a $A4 1473 20000 9001
	expect "fragments back over IPv6" udp_sizes h a $A6 1453 20000 9001
	end_capture "$1"
	only_sealed "$1" "$2"
	capture "$1-tcp" a wire not udp port $DATA_PORT
	expect "TCP over IPv4" bulk a h $H4 $MEGABYTES
	expect "TCP over IPv6" bulk a h $H6 $MEGABYTES
	expect "TCP back over IPv4" bulk h a $A4 $MEGABYTES
	expect "TCP back over IPv6" bulk h a $A6 $MEGABYTES
	end_capture "$1-tcp"
	same "plain or fragmented frames of TCP" "$(frames "$1-tcp" "not ($INNOCENT)")" 0
}

same_family_inside() {
	via $B4 $B6
	keyed aes256gcm
	talk same 80
}

other_family_inside() {
	via $B6 $B4
	keyed chacha20poly1305
	talk other 80
}

# grown FILE HOST NAME: how much a counter has grown since `stats HOST >FILE`.
grown() {
	echo $(($(stat "$2" "$3") - $(awk -v n="$3" '$1 == n { print $2 }' "$1")))
}

# whole WHAT FROM TO ADDRESS SEALS OPENS: TCP goes through the tunnel in bursts, and is opened
# to bursts.
whole() {
	local bursts

	stats "$5" >"$tmp/before.out"
	stats "$6" >"$tmp/before.in"
	expect "$1" bulk "$2" "$3" "$4" 4
	bursts=$(grown "$tmp/before.out" "$5" out_bursts)
	at_least "$1: bursts sealed" "$bursts" 10
	at_least "$1: packets in $bursts bursts" "$(grown "$tmp/before.out" "$5" out_sealed)" \
		$((bursts * 8))
	bursts=$(grown "$tmp/before.in" "$6" in_bursts)
	at_least "$1: bursts opened" "$bursts" 10
	at_least "$1: packets in $bursts bursts opened" \
		"$(grown "$tmp/before.in" "$6" in_opened)" $((bursts * 8))
}

# A GSO packet of a's goes as one, and the gateway forwards it as one; and so does what comes
# from h, which never was in a socket of b's.
bursts_stay_whole() {
	local outside

	for h in a h; do	# as for burst.sh: however slow the machine is
		on $h sysctl -qw net.ipv4.tcp_min_tso_segs=32
	done
	for outside in "same $B4 $B6 aes256gcm" "other $B6 $B4 chacha20poly1305"; do
		set -- $outside
		via "$2" "$3"
		keyed "$4"
		capture "burst-$1" b wire greater 20000
		whole "IPv4, $1 family outside" a h $H4 a b
		whole "IPv6, $1 family outside" a h $H6 a b
		whole "IPv4 back, $1 family outside" h a $A4 b a
		whole "IPv6 back, $1 family outside" h a $A6 b a
		end_capture "burst-$1"
		at_least "long frames on the wire" "$(frames "burst-$1" "udp port $DATA_PORT")" 60
	done
}

# What GRO has merged of packets that came to the gateway one by one.
merged_packets_leave_as_bursts() {
	on h ethtool -K back tso off gso off 2>/dev/null
	on h ethtool -K wire tso off gso off tx-udp-segmentation off
	expect "GRO at the gateway" on b ethtool -K back gro on
	stats b >"$tmp/before"
	expect "TCP back" bulk h a $A4 4
	at_least "bursts sealed" "$(grown "$tmp/before" b out_bursts)" 10
	on h ethtool -K wire tso on gso on
}

# datagrams SIZE EACH BURSTS: 240 of UDP_SEGMENT from a to h, all there and whole.
datagrams() {
	stats a >"$tmp/before"
	traffic h -t 20000 -b -o "$tmp/numbered" udp-recv 5004 240 >/dev/null
	expect "240 of $1 bytes, $2 each" traffic a -g 300 udp-burst $H4 5004 240 "$1" "$2"
	await "datagrams of $1 bytes" 10 grep -q got "$tmp/numbered"
	same "datagrams of $1 bytes, $2 in one" "$(cut -d' ' -f1-8 "$tmp/numbered")" \
		"got 240 twice 0 late 0 damaged 0"
	same "packets" "$(grown "$tmp/before" a out_sealed)" 240
	same "bursts" "$(grown "$tmp/before" a out_bursts)" "$3"
}

datagrams_leave_in_bursts() {
	via $B4 $B6
	keyed aes256gcm
	datagrams 1200 10 24
	datagrams 700 2 120
	datagrams 8 60 4
}

# A virtual machine behind the gateway does not say of how many segments its bursts are. Where the
# datagrams outside may be fragmented, no two in a row have one identification.
identifications_are_each_ones_own() {
	local idents

	modprobe -q tun
	[ -c /dev/net/tun ] || { skip "there is no tun here"; return; }
	via $B4 $B6
	keyed chacha20poly1305
	expect "a tun device" on b ip tuntap add vm mode tun vnet_hdr
	expect "it is up" on b ip link set vm up
	route b 10.8.0.200 dev vm
	expect "no segmentation" on b ethtool -K wire tx-udp-segmentation off
	stats b >"$tmp/before"
	capture idents b wire "src host $B4 and udp port $DATA_PORT"
	expect "bursts" on b "$PYTHON" "$here/helpers/tun_burst.py" vm 10.8.0.200 $A4 10 12
	end_capture idents
	same "bursts sealed" "$(grown "$tmp/before" b out_bursts)" 10
	idents=$(tcpdump -nvr "$tmp/idents.pcap" 2>/dev/null | grep -o ' id [0-9]*,')
	at_least "datagrams" "$(wc -l <<<"$idents")" 120
	same "identifications that two have" "$(sort <<<"$idents" | uniq -d | wc -l)" 0
	on b ethtool -K wire tx-udp-segmentation on
	on b ip link del vm
}

bursts_can_be_switched_off() {
	expect "gso off" sotto a set gso off
	stats a >"$tmp/before"
	capture off b wire greater 1515
	expect "TCP" bulk a h $H4 2
	end_capture off
	same "bursts when off" "$(grown "$tmp/before" a out_bursts)" 0
	same "frames past the MTU" "$(frames off)" 0
	expect "gso on" sotto a set gso on
}

# The device segments nothing: what is in the capture is what is on a wire, and each packet in
# there is looked at by itself.
each_packet_inside_is_right() {
	"$PYTHON" -c 'import scapy, cryptography' 2>/dev/null ||
		{ skip "there is no python3-scapy or python3-cryptography"; return; }
	expect "no segmentation" on a ethtool -K wire tx-udp-segmentation off
	keyed chacha20poly1305
	expect "IPv6 in IPv4" sotto a policy replace $BACK6 protect via $B4
	capture inside b wire $DEEP "src host $A4 and udp port $DATA_PORT"
	expect "TCP over IPv4" bulk a h $H4 1
	expect "TCP over IPv6" bulk a h $H6 1
	datagrams 1003 20 12
	end_capture inside
	via $B4 $B6
	expect "segmentation" on a ethtool -K wire tx-udp-segmentation on
	sotto a keylog all >"$tmp/keys"
	expect "packets inside" "$PYTHON" "$here/helpers/check_inner.py" "$tmp/inside.pcap" \
		"$tmp/keys" 1600
}

# The gateway's own packets go in the same tunnels.
gateway_itself() {
	local opened

	opened=$(stat a in_opened)
	expect "ping from the gateway" pings b $A4
	at_least "packets opened" $(($(stat a in_opened) - opened)) 3
}

# What b seals must come from its own networks; what a opens must come from b's.
nobody_speaks_in_anothers_name() {
	local dropped

	dropped=$(stat a in_drop_address)
	keyed aes256gcm behind 10.9.0.0/16
	via $B4 $B6
	refuse "ping" on a ping -n -q -c 2 -i 0.1 -W 1 $H4
	same "refused by a" $(($(stat a in_drop_address) - dropped)) 2
	expect "ping of the gateway's own address" pings b $A4

	dropped=$(stat b out_drop_source)
	address h wire 10.10.0.1/24
	refuse "ping from a foreign network" on h ping -n -q -c 2 -i 0.1 -W 1 -I 10.10.0.1 $A4
	same "refused by b" $(($(stat b out_drop_source) - dropped)) 2

	dropped=$(stat b in_drop_address)
	route a 10.11.0.0/16 via $B4
	expect "policy" sotto a policy add 10.11.0.0/16 protect via $B4
	refuse "ping to what is not behind b" on a ping -n -q -c 2 -i 0.1 -W 1 10.11.0.1
	same "refused by b" $(($(stat b in_drop_address) - dropped)) 2
	keyed aes256gcm
	expect "ping" pings a $H4
}

# What a part of the networks is permitted for does not lead to the others.
peer_reaches_what_its_keys_are_for() {
	local dropped

	via $B4 $B6
	REACH=$BACK6 keyed aes256gcm
	dropped=$(stat b in_drop_address)
	refuse "ping to another one" on a ping -n -q -c 2 -i 0.1 -W 1 $H4
	same "refused by b" $(($(stat b in_drop_address) - dropped)) 2
	expect "ping to that one" pings a $H6
	expect "ping of the gateway itself" pings a $B4
	same "shown" "$(sotto b -j sa show | jq -r '[.[].local_prefixes // empty] | flatten | unique | .[]')" $BACK6
	keyed aes256gcm
	expect "ping to all" pings a $H4
}

# The other end's keys are for transport mode: nothing goes that way.
transport_keys_carry_no_tunnel() {
	local dropped

	dropped=$(stat a out_drop_mode)
	expect "outbound SA" sotto a sa add out spi 0x7f00 peer $B4 cipher aes256gcm \
		key-file "$(key 0x7f00)"
	refuse "ping" on a ping -n -q -c 2 -i 0.1 -W 1 $H4
	same "dropped for the mode" $(($(stat a out_drop_mode) - dropped)) 2
	keyed aes256gcm
	expect "ping" pings a $H4
}

# marks HOST RULE…: before everybody else.
marks() {
	local h=$1
	shift

	on "$h" nft -f - <<-RULES
		table inet marks {
			chain early { type filter hook prerouting priority -500; $*; }
		}
	RULES
}

counted() {
	on h nft list counter inet seen "$1" | awk '/packets/ { print $2 }'
}

dscp_and_ecn_cross() {
	local dropped

	via $B4 $B6
	on h nft -f - <<-RULES
		table inet seen {
			counter ce { }
			counter ef { }
			chain in {
				type filter hook input priority 0;
				ip ecn ce counter name ce
				ip dscp ef counter name ef
			}
		}
	RULES
	capture dscp b wire udp port $DATA_PORT
	expect "ping with EF and ECT(0)" pings a $H4 -Q 0xba
	end_capture dscp
	same "outer packets with both" "$(frames dscp "src $A4 and ip[1] == 0xba")" 3
	same "inner packets with EF" "$(counted ef)" 3
	same "inner packets with CE" "$(counted ce)" 0

	expect "congestion on the way" marks b "udp dport $DATA_PORT ip saddr $A4 ip ecn set ce"
	expect "ping with ECT(0)" pings a $H4 -Q 0x02
	same "inner packets with CE" "$(counted ce)" 3
	dropped=$(stat b in_drop_ecn)
	refuse "ping without ECT" on a ping -n -q -c 2 -i 0.1 -W 1 $H4
	same "dropped for CE" $(($(stat b in_drop_ecn) - dropped)) 2
	on b nft delete table inet marks
	on h nft delete table inet seen
}

# DF packets that do not fit are refused to their sender, local or forwarded.
too_big_is_told() {
	refuse "1500 bytes from a" on a ping -n -q -c 1 -W 1 -M do -s 1472 $H4
	refuse "1500 bytes from h" on h ping -n -q -c 1 -W 1 -M do -s 1472 $A4
	at_least "a's path MTU" "$(on a ip route get $H4 | grep -o 'mtu [0-9]*' | cut -d' ' -f2)" 1400
	at_least "h's path MTU" "$(on h ip route get $A4 | grep -o 'mtu [0-9]*' | cut -d' ' -f2)" 1400
	expect "what fits from a" pings a $H4 -M do -s 1400
	expect "what fits from h" pings h $A4 -M do -s 1400
	expect "what fits over IPv6" pings h $A6 -M do -s 1370
	on a ip route flush cache
	on h ip route flush cache
}

# Policy knows no gateway until keys are asked for.
waiting_packets_are_rerouted() {
	local ping

	sotto a tunnel flush
	expect "time to wait" sotto a set acquire-timeout 60000
	keyed aes256gcm
	expect "policy" sotto a policy replace $BACK4 protect
	launch a ping -n -q -c 1 -W 50 $H4 >"$tmp/reroute"
	ping=$!
	await "the tunnel" 20 tunnel_is a $H4 "acquiring no_agent"
	expect "policy" sotto a policy replace $BACK4 protect via $B4
	expect "reroute" on a "$PYTHON" - "$here" $H4 <<-'PY'
		import sys
		sys.path.insert(0, sys.argv[1])
		from sotto_nl import Sock, V, obj
		with Sock() as s:
		    s.do("AGENT_REGISTER", obj("AGENT"))
		    a = s.acquire()
		    s.do("ACQUIRE_FAIL", obj("ACQUIRE", ID=a["ID"], DST=sys.argv[2],
		                             REASON=V["SOTTO_REASON_REROUTE"]))
	PY
	wait $ping || fail "the packet that waited was lost: $(cat "$tmp/reroute")"
	same "the tunnel of the destination" "$(tunnel_says a $H4)" ""
}

xfrm_state() {
	local from=$1 to=$2 spi=$3 cipher=$4

	expect "xfrm state $spi" xfrm state add src "$from" dst "$to" proto esp spi "$spi" \
		mode tunnel reqid 1 replay-window 2048 flag esn af-unspec \
		aead "${ALG[$cipher]}" "$(cat "$(key "$spi")")" 128 \
		encap espinudp $DATA_PORT $DATA_PORT 0.0.0.0
}

# xfrm_policies A B NETWORK A_INNER: outer addresses, then inner ones.
xfrm_policies() {
	local dir

	expect "xfrm policy out" xfrm policy add src "$3" dst "$4" dir out \
		tmpl src "$2" dst "$1" proto esp reqid 1 mode tunnel
	for dir in in fwd; do
		expect "xfrm policy $dir" xfrm policy add src "$4" dst "$3" dir $dir \
			tmpl src "$1" dst "$2" proto esp reqid 1 mode tunnel
	done
}

# xfrm_talk CIPHER A B: a against xfrm on b, outer addresses A and B.
xfrm_talk() {
	local cipher=$1 a=$2 b=$3 out=$SPI in=$((SPI + 1))

	SPI=$((SPI + 2))
	xfrm state flush
	xfrm policy flush
	xfrm_state "$a" "$b" $out "$cipher" || return
	xfrm_state "$b" "$a" $in "$cipher" || return
	xfrm_policies "$a" "$b" $BACK4 $A4/32
	xfrm_policies "$a" "$b" $BACK6 $A6/128
	expect "policy" sotto a policy replace $BACK4 protect via "$b"
	expect "policy" sotto a policy replace $BACK6 protect via "$b"
	expect "inbound SA" sotto a sa add in spi $in peer "$b" mode tunnel \
		cipher "$cipher" key-file "$(key $in)" behind "$BACK4,$BACK6"
	expect "outbound SA" sotto a sa add out spi $out peer "$b" mode tunnel \
		cipher "$cipher" key-file "$(key $out)" sport $DATA_PORT
	talk "xfrm-$cipher" 80
}

xfrm_at_the_gateway() {
	sotto b tunnel flush
	expect "b without us" sotto b down
	expect "xfrm's socket" traffic b -b udp-encap $DATA_PORT
	xfrm_talk aes256gcm $A4 $B4
	xfrm_talk chacha20poly1305 $A6 $B6
	[ ! -e /proc/net/xfrm_stat ] ||
		same "xfrm's errors" "$(on b awk '/^Xfrm(In|Out)/ && $2' /proc/net/xfrm_stat)" ""
}

counters_add_up() {
	check_sums a
}

gateway_counters_add_up() {
	check_sums a b
}

run_tests setup same_family_inside other_family_inside bursts_stay_whole \
	merged_packets_leave_as_bursts datagrams_leave_in_bursts identifications_are_each_ones_own \
	bursts_can_be_switched_off \
	each_packet_inside_is_right gateway_itself nobody_speaks_in_anothers_name \
	peer_reaches_what_its_keys_are_for transport_keys_carry_no_tunnel dscp_and_ecn_cross \
	too_big_is_told waiting_packets_are_rerouted gateway_counters_add_up \
	xfrm_at_the_gateway counters_add_up
