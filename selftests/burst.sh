#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Bursts on their way out: a GSO packet of TCP or UDP leaves as one of UDP, with equal ESP
# segments; it arrives intact, each packet inside is right by itself, the sender's socket pays
# until it has left, and the counters count packets.
#
# a sends, b receives. What leaves whole is seen as a long frame on the wire between them.

. "$(dirname "$0")/lib.sh"
begin keylog=1
need ping ethtool tc ss

MSS=1406		# TCP's payload in 1500 bytes, sealed over IPv4: 1438 - 32

setup() {
	make_pair
	# However slow this machine is: TCP takes the time of a round trip, too, for a measure of
	# how much to send at once.
	on a sysctl -qw net.ipv4.tcp_min_tso_segs=32
	up a $A4 $A6
	up b $B4 $B6
	for net in 10.7.0.0/16 fd07::/16; do
		expect "policy" sotto a policy add $net protect
		expect "policy" sotto b policy add $net protect
	done
	both_ways a $A4,$A6 b $B4,$B6 chacha20poly1305 0x2000
}

# grown FILE NAME: how much a counter of a has grown since `stats a >FILE`.
grown() {
	echo $(($(stat a "$2") - $(awk -v n="$2" '$1 == n { print $2 }' "$1")))
}

# hand_over ADDRESS MEGABYTES: of TCP from a to b; every packet is counted once, on both sides.
hand_over() {
	local opened

	stats a >"$tmp/before"
	opened=$(stat b in_opened)
	expect "TCP to $1" bulk a b "$1" "$2"
	busywait 10 all_opened "$tmp/before" "$opened" ||
		fail "sealed $(grown "$tmp/before" out_sealed), opened $(($(stat b in_opened) - opened))"
}

all_opened() {
	[ "$(grown "$1" out_sealed)" = $(($(stat b in_opened) - $2)) ]
}

# per_burst MINIMUM: so many packets are in a burst, on the average.
per_burst() {
	local bursts

	bursts=$(grown "$tmp/before" out_bursts)
	at_least "bursts" "$bursts" 10
	at_least "packets in $bursts bursts" "$(grown "$tmp/before" out_sealed)" $((bursts * $1))
}

tcp_leaves_in_bursts() {
	local to halves

	for to in $B4 $B6; do
		capture whole b wire greater 20000
		hand_over "$to" 4
		end_capture whole
		per_burst 8
		at_least "packets" "$(grown "$tmp/before" out_sealed)" $((4 * 1024 * 1024 / MSS))
		at_least "long frames on the wire" "$(frames whole "udp port $DATA_PORT")" 30
		# Two with one IP ID were one of TCP's, which it soon makes as long as fits.
		halves=$(tcpdump -nvr "$tmp/whole.pcap" ip and greater 20000 2>/dev/null |
			grep -o ' id [0-9]*' | sort | uniq -d | wc -l)
		[ "$halves" -le 3 ] || fail "$halves bursts were cut in two"
		no_plaintext whole
	done
}

aes_leaves_in_bursts() {
	both_ways a $A4,$A6 b $B4,$B6 aes256gcm 0x3000
	hand_over $B6 4
	per_burst 8
	both_ways a $A4,$A6 b $B4,$B6 chacha20poly1305 0x4000
}

# With segments of every size from the smallest to several pages.
tcp_of_any_size() {
	local mtu

	for mtu in 1280 3000 9000 65535 576; do
		expect "MTU" ip -n "$(ns_name a)" link set wire mtu $mtu
		expect "MTU" ip -n "$(ns_name b)" link set wire mtu $mtu
		hand_over $B4 1
		[ $mtu -lt 1280 ] || hand_over $B6 1
	done
	expect "MTU" ip -n "$(ns_name a)" link set wire mtu 1500
	expect "MTU" ip -n "$(ns_name b)" link set wire mtu 1500
	# IPv6 goes with an MTU below its own.
	address a wire $A6/64
	address b wire $B6/64
}

# device_takes BYTES SEGMENTS: and a burst has no more, link header included. TCP heeds that by
# itself; UDP does not, and the stack would take apart what has more: into single packets, of
# which the rest of a burst may be one.
device_takes() {
	local most=$(($2 * 1500 < $1 ? $2 * 1500 : $1)) single

	expect "limits $1 $2" on a ip link set wire gso_max_size "$1" gso_max_segs "$2"
	capture limit b wire "udp port $DATA_PORT and greater 1200"
	hand_over $B4 2
	datagrams $B4 120 1200 10
	end_capture limit
	single=$(frames limit "greater 1200 and less 1300")
	[ "$single" -le 30 ] || fail "$single of 120 datagrams went by themselves"
	same "frames past $1 bytes, $2 segments" "$(frames limit greater $((most + 1)))" 0
	at_least "frames with more than one segment" "$(frames limit greater 3000)" 20
}

# Past them the stack would take the bursts apart.
device_limits_are_kept() {
	device_takes 65536 4
	device_takes 16384 65535
	device_takes 8192 3
	expect "limits" on a ip link set wire gso_max_size 65536 gso_max_segs 65535
	hand_over $B4 2
	per_burst 8
}

# datagrams ADDRESS COUNT SIZE EACH: of UDP_SEGMENT, every one of them there and whole.
datagrams() {
	stats a >"$tmp/before"
	traffic b -t 20000 -b -o "$tmp/numbered" udp-recv 5004 "$2" >/dev/null
	expect "$2 of $3 bytes, $4 each" traffic a -g 300 udp-burst "$1" 5004 "$2" "$3" "$4"
	await "datagrams of $3 bytes" 10 grep -q got "$tmp/numbered"
	same "datagrams of $3 bytes, $4 in one" "$(cut -d' ' -f1-8 "$tmp/numbered")" \
		"got $2 twice 0 late 0 damaged 0"
	same "packets" "$(grown "$tmp/before" out_sealed)" "$2"
}

# Up to what one system call takes: 64 datagrams, 65507 bytes. Sealed, those are two bursts.
udp_leaves_in_bursts() {
	local to

	for to in $B4 $B6; do
		datagrams $to 600 1200 10
		same "bursts" "$(grown "$tmp/before" out_bursts)" 60
		datagrams $to 256 1000 64
		same "bursts of 64 that had to be split" "$(grown "$tmp/before" out_bursts)" 8
		datagrams $to 250 1404 46
		same "bursts of 46, and a last one of 20" "$(grown "$tmp/before" out_bursts)" 11
		datagrams $to 640 8 64
		same "bursts of small ones" "$(grown "$tmp/before" out_bursts)" 10
		datagrams $to 7 700 2
		same "bursts of two" "$(grown "$tmp/before" out_bursts)" 3
		datagrams $to 5 700 1
		same "bursts of one" "$(grown "$tmp/before" out_bursts)" 0
	done
}

# The device segments nothing: what is in the capture is what is on a wire.
each_packet_inside_is_right() {
	expect "no segmentation" on a ethtool -K wire tx-udp-segmentation off
	capture ident b wire "src host $A4 and udp port $DATA_PORT"
	hand_over $B4 1
	end_capture ident
	at_least "packets" "$(frames ident)" 700
	same "IPv4's identifications that came twice" "$(tcpdump -vnr "$tmp/ident.pcap" 2>/dev/null |
		grep -o ' id [0-9]*,' | sort | uniq -d | wc -l)" 0
	capture inside b wire $DEEP "udp port $DATA_PORT"
	for to in $B4 $B6; do
		hand_over $to 1
		datagrams $to 100 1003 20
	done
	end_capture inside
	same "frames past the MTU" "$(frames inside greater 1515)" 0
	expect "segmentation" on a ethtool -K wire tx-udp-segmentation on
	"$PYTHON" -c 'import scapy, cryptography' 2>/dev/null ||
		{ skip "there is no python3-scapy or python3-cryptography"; return; }
	for h in a b; do sotto $h keylog all; done >"$tmp/keys"
	expect "packets inside" "$PYTHON" "$here/helpers/check_inner.py" "$tmp/inside.pcap" \
		"$tmp/keys" $((2 * 1024 * 1024 / MSS))
}

# TCP without segmentation offload of its own, and a device without that of UDP.
devices_without_segmentation() {
	expect "tso off" on a ethtool -K wire tso off
	hand_over $B4 2
	per_burst 8
	expect "UDP segmentation off" on a ethtool -K wire tx-udp-segmentation off
	capture single b wire greater 1515
	hand_over $B4 2
	per_burst 8
	hand_over $B6 2
	datagrams $B4 600 1200 10
	end_capture single
	same "frames past the MTU" "$(frames single)" 0
	expect "gso off" on a ethtool -K wire gso off	# TCP makes bursts all the same
	hand_over $B4 2
	per_burst 8
	expect "all on" on a ethtool -K wire gso on tso on tx-udp-segmentation on
	hand_over $B4 2
	per_burst 8
}

# `sotto set gso off`: for a device whose segmentation is at fault.
bursts_can_be_switched_off() {
	expect "gso off" sotto a set gso off
	capture off b wire greater 1515
	hand_over $B4 2
	hand_over $B6 2
	datagrams $B4 600 1200 10
	end_capture off
	same "bursts when off" "$(grown "$tmp/before" out_bursts)" 0
	same "frames past the MTU" "$(frames off)" 0
	expect "gso on" sotto a set gso on
	hand_over $B4 2
	per_burst 8
}

# A virtual machine whose addresses are ours outside leaves it to the device to cut a datagram into
# fragments. None of those could be sealed: it is sealed whole.
datagrams_to_be_fragmented_are_sealed_whole() {
	local pid

	modprobe -q tun
	[ -c /dev/net/tun ] || { skip "there is no tun here"; return; }
	expect "a tun device" on a ip tuntap add vm mode tun vnet_hdr
	expect "it is up" on a ip link set vm up
	on a sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	route a 10.9.0.2 dev vm
	route a fd09::2 dev vm
	expect "NAT" on a nft "add table inet vm; add chain inet vm out { type nat hook postrouting priority 100; };
		add rule inet vm out oifname wire masquerade"
	launch b "$PYTHON" -c 'import socket
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
u.bind(("::", 5031))
print("there", flush=True)
while True:
    print(len(u.recv(65536)), flush=True)' >"$tmp/lengths"
	pid=$!
	await "b listens" 10 says "$tmp/lengths" there
	stats a >"$tmp/before"
	expect "over IPv4" from_vm 10.9.0.2 $B4 4000
	await "it comes" 5 says "$tmp/lengths" 4000
	expect "over IPv6" from_vm fd09::2 $B6 5000
	await "it comes" 5 says "$tmp/lengths" 5000
	same "packets sealed" "$(grown "$tmp/before" out_sealed)" 2
	kill $pid
	on a nft delete table inet vm
	on a ip link del vm
}

from_vm() {
	on a "$PYTHON" "$here/helpers/tun_burst.py" vm "$1" "$2" datagram 5031 "$3"
}

backlog() {
	on a tc -s qdisc show dev wire | sed -n 's/.*backlog \([0-9]*\)\([KM]\?\)b .*/\1\2/p' |
		sed 's/K/000/; s/M/000000/'
}

# A slow device (an emulated processor seals 70 Mbit/s) queues what the device above it had
# segmented in software: TCP must see that it is not gone, or it fills the queue with all that
# its window has.
the_sender_waits_for_a_slow_device() {
	local pid most=0 now i before again

	on a modprobe -q 8021q 2>/dev/null
	on a ip link add link wire name slow type vlan id 5 2>/dev/null ||
		{ skip "the kernel has no VLANs"; return; }
	on b ip link add link wire name slow type vlan id 5
	address a slow 10.7.5.1/24
	address b slow 10.7.5.2/24
	expect "up" on a ip link set slow up
	expect "up" on b ip link set slow up
	expect "addresses" sotto a addr add 10.7.5.1
	expect "addresses" sotto b addr add 10.7.5.2
	both_ways a 10.7.5.1 b 10.7.5.2 chacha20poly1305 0x5000
	expect "no UDP segmentation" on a ethtool -K slow tx-udp-segmentation off
	on a tc qdisc add dev wire root tbf rate 20mbit burst 32kb limit 20mb ||
		{ skip "the kernel has no tbf"; return; }

	before=$(on a nstat -asz TcpRetransSegs | awk '/Retrans/ { print $2 }')
	stats a >"$tmp/before"
	bulk a b 10.7.5.2 8 &
	pid=$!
	for ((i = 0; i < 60; i++)); do
		now=$(backlog)
		[ "${now:-0}" -le $most ] || most=$now
		kill -0 $pid 2>/dev/null || break
		sleep 0.02
	done
	wait $pid || fail "what came is not what was sent"
	per_burst 5
	note "backlog of $most bytes at most"
	at_least "backlog" "$most" 1500
	[ "$most" -le 1000000 ] || fail "a backlog of $most bytes: TCP was told too early that it had left"
	# The timer may expire while the machine itself stands still for a moment.
	again=$(($(on a nstat -asz TcpRetransSegs | awk '/Retrans/ { print $2 }') - before))
	[ $again -le 20 ] || fail "$again segments were sent again"
	on a tc qdisc del dev wire root
}

# stamps HOW ADDRESS PORT: what timestamps it gets, in one line.
stamps() {
	on a timeout 40 "$PYTHON" "$here/helpers/stamps.py" "$@" | sort | paste -sd ' '
}

# A program that asks when its packet left is told when the sealed one did: of TCP's bursts the
# one with the last byte, of others the first.
timestamps_are_of_what_left() {
	local to gso

	launch b "$PYTHON" -c 'import socket
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
u.bind(("::", 5021))
s = socket.create_server(("::", 5020), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    c = s.accept()[0]
    while c.recv(65536):
        pass'
	await "b listens" 10 tcp_listens 5020
	for gso in on off; do
		expect "bursts $gso" sotto a set gso $gso
		for to in $B4 $B6; do
			same "a datagram to $to, bursts $gso" "$(stamps udp $to 5021)" "sched 0 sent 0"
			same "many to $to, bursts $gso" "$(stamps burst $to 5021)" "sched 0 sent 0"
			same "TCP to $to, bursts $gso" "$(stamps tcp $to 5020)" \
				"sched 19999 sent 19999"
		done
	done
	expect "bursts" sotto a set gso on
}

tcp_listens() {
	[ -n "$(on b ss -Hltn "sport = :$1")" ]
}

counters_add_up() {
	check_sums a b
}

run_tests setup tcp_leaves_in_bursts aes_leaves_in_bursts tcp_of_any_size device_limits_are_kept \
	datagrams_to_be_fragmented_are_sealed_whole \
	udp_leaves_in_bursts each_packet_inside_is_right devices_without_segmentation \
	bursts_can_be_switched_off the_sender_waits_for_a_slow_device timestamps_are_of_what_left \
	counters_add_up
