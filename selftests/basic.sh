#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Ordinary traffic between two hosts that were keyed by hand: it works as it does without
# the shim, and nothing of it is readable on the wire.

. "$(dirname "$0")/lib.sh"
begin
need ping nft ethtool

# Counts what filters must not see (sealed packets, flows that conntrack does not know) and
# what they must (inner flows).
track() {
	on "$1" nft -f - <<-EOF2 || return
		table inet test {
			counter sealed {}
			counter invalid {}
			counter known {}
			chain in {
				type filter hook input priority 0;
				udp dport $DATA_PORT counter name sealed
				ct state invalid counter name invalid
				ct state established counter name known
			}
			chain out {
				type filter hook output priority 0;
				udp dport $DATA_PORT counter name sealed
				ct state invalid counter name invalid
			}
			chain post {
				type filter hook postrouting priority 200;
				udp dport $DATA_PORT counter name sealed
			}
		}
	EOF2
	# A slow machine shall find them all at the end.
	on "$1" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=900 \
		net.netfilter.nf_conntrack_tcp_timeout_time_wait=900
}

counted() {
	on "$1" nft list counter inet test "$2" | awk '$1 == "packets" { print $2 }'
}

setup() {
	local h

	make_pair
	expect "conntrack before the shim" track a
	up a $A4 $A6
	up b $B4 $B6
	for h in a b; do
		expect "policy of $h" sotto $h policy add 10.7.1.0/24 protect
		expect "policy of $h" sotto $h policy add fd07:1::/64 protect
	done
	both_ways a $A4,$A6 b $B4,$B6 aes256gcm 0x1000
}

# All of it, sealed with what is installed.
ordinary_traffic() {
	capture wire b wire
	expect "ping over IPv4" pings a $B4
	expect "ping over IPv6" pings b $A6
	expect "big pings" pings a $B4 -s 4000
	expect "big pings over IPv6" pings a $B6 -s 4000
	expect "UDP over IPv4" udp_sizes a b $B4 1 1472 29
	expect "UDP over IPv6" udp_sizes b a $A6 1 1452 29
	expect "TCP over IPv4" bulk a b $B4 4
	expect "TCP over IPv6" bulk b a $A6 4
	end_capture wire
	only_sealed wire 300		# a burst is one frame there
}

aes_carries_ordinary_traffic() {
	ordinary_traffic
}

chacha_carries_ordinary_traffic() {
	both_ways a $A4,$A6 b $B4,$B6 chacha20poly1305 0x2000
	ordinary_traffic
}

# Without the device's help, so that what is in the capture is what is on a wire.
outer_headers_are_whole() {
	local verbose=$tmp/verbose ports i

	expect "no checksum offload" on a ethtool -K wire tx off
	expect "no checksum offload" on b ethtool -K wire tx off
	capture headers b wire $DEEP
	for i in 1 2 3 4 5 6; do
		expect "UDP over IPv4" udp_sizes a b $B4 $i 1000 333
		expect "UDP over IPv6" udp_sizes b a $A6 $i 1000 333
	done
	end_capture headers
	expect "checksum offload again" on a ethtool -K wire tx on
	expect "checksum offload again" on b ethtool -K wire tx on
	only_sealed headers 48
	tcpdump -nvvr "$tmp/headers.pcap" "udp port $DATA_PORT" 2>/dev/null >"$verbose"
	at_least "right UDP checksums" "$(grep -c 'udp sum ok' "$verbose")" 48
	same "wrong or missing UDP checksums" "$(grep -cE 'no cksum|bad udp cksum' "$verbose")" 0
	same "wrong IPv4 checksums" "$(grep -c 'bad cksum' "$verbose")" 0
	ports=$(sed -nE "s/.*\.([0-9]+) > [0-9a-f.:]+\.$DATA_PORT: .*/\1/p" "$verbose" | sort -nu)
	at_least "source ports, which carry the flow's hash" "$(wc -l <<<"$ports")" 4
	at_least "lowest source port" "$(head -n 1 <<<"$ports")" 49152
}

bulk_tcp_never_fragments() {
	local clamped

	clamped=$(stat a mss_clamped)
	capture fragments b wire "ip[6:2] & 0x3fff != 0 or ip6[6] == 44"
	expect "TCP over IPv4" bulk a b $B4 16
	expect "TCP over IPv6" bulk a b $B6 16
	end_capture fragments
	same "fragments" "$(frames fragments)" 0
	at_least "SYNs whose MSS was clamped" "$(stat a mss_clamped)" $((clamped + 2))
}

large_udp_is_fragmented_outside() {
	local too_big

	capture large b wire
	expect "over IPv4" udp_sizes a b $B4 1473 65000 7001
	expect "over IPv6" udp_sizes a b $B6 1453 65000 7001
	expect "the largest over IPv4" udp_sizes a b $B4 65462 65462 1
	expect "the largest over IPv6" udp_sizes a b $B6 65482 65482 1
	end_capture large
	only_sealed large 20
	at_least "fragments" "$(frames large "ip[6:2] & 0x1fff != 0 or ip6[6] == 44")" 100
	too_big=$(stat a out_drop_too_big)
	traffic a -t 200 udp-try $B4 5003 65463 >/dev/null
	same "too big, counted" "$(stat a out_drop_too_big)" $((too_big + 1))
}

# The shim leaves 1500 - 20 - 8 - 16 - 2 - 16 bytes, rounded down to ESP's four: 1438 and
# the header behind IPv4; IPv6's is larger, and what is behind it smaller.
df_udp_learns_the_path_mtu() {
	local pid

	pid=$(traffic b -b udp-echo 5004)
	same "path MTU over IPv4" "$(traffic a udp-pmtu $B4 5004 1472 2>&1)" 1458
	same "path MTU over IPv6" "$(traffic a udp-pmtu $B6 5004 1452 2>&1)" 1458
	kill "$pid"
}

neighbours_are_found_when_all_is_protected() {
	local h

	for h in a b; do
		expect "policy" sotto $h policy add ::/0 protect
		expect "policy" sotto $h policy add 0.0.0.0/0 protect
		ip -n "$(ns_name $h)" neigh flush dev wire
	done
	capture neighbours b wire
	expect "ping over IPv6" pings a $B6
	expect "ping over IPv4" pings a $B4
	end_capture neighbours
	at_least "neighbour solicitations" "$(frames neighbours "icmp6 and ip6[40] == 135")" 1
	only_sealed neighbours 12
	for h in a b; do
		expect "policy" sotto $h policy del ::/0
		expect "policy" sotto $h policy del 0.0.0.0/0
	done
}

# On a conntrack was there before the shim, on b it comes after.
conntrack_sees_inner_flows_only() {
	local h

	expect "conntrack after the shim" track b
	expect "ping" pings a $B4
	expect "UDP" udp_sizes a b $B4 1 1000 99
	expect "UDP over IPv6" udp_sizes b a $A6 1 1000 99
	expect "TCP" bulk a b $B4 4
	expect "TCP over IPv6" bulk b a $A6 4
	for h in a b; do
		same "sealed packets in filters of $h" "$(counted $h sealed)" 0
		same "packets unknown to conntrack of $h" "$(counted $h invalid)" 0
		at_least "packets of known flows of $h" "$(counted $h known)" 100
	done
	command -v conntrack >/dev/null || return 0
	for h in a b; do
		on $h conntrack -L -f ipv4 2>/dev/null >"$tmp/flows"
		on $h conntrack -L -f ipv6 2>/dev/null >>"$tmp/flows"
		at_least "confirmed inner flows of $h" "$(grep -cE 'dport=500[12]' "$tmp/flows")" 4
		same "confirmed outer flows of $h" "$(grep -c "dport=$DATA_PORT" "$tmp/flows")" 0
	done
}

# It ends at once where the kernel cannot queue.
queue_has_begun() {
	grep -q ready "$tmp/queue" || gone "$1"
}

# A program sees the sealed packets as they come in and the inner ones as they leave, and has
# them go on: not where the stack's receive path would.
verdicts_come_from_a_process() {
	local pid

	launch b "$PYTHON" "$here/helpers/nfqueue.py" 7 >"$tmp/queue"
	pid=$!
	await "the program behind the queue" 10 queue_has_begun $pid
	gone $pid && { skip "no NFQUEUE"; return; }
	on b nft -f - <<-EOF2 || { skip "nftables cannot queue"; kill $pid; return; }
		table inet queued {
			chain early { type filter hook prerouting priority -450; queue num 7; }
			chain late { type filter hook postrouting priority 100; queue num 7; }
		}
	EOF2
	expect "ping" pings a $B4
	expect "ping over IPv6" pings a $B6
	expect "TCP" bulk a b $B4 2
	expect "TCP back, over IPv6" bulk b a $A6 2
	kill $pid
	wait $pid
	on b nft delete table inet queued
	at_least "packets that were handed back" "$(tail -n 1 "$tmp/queue")" 50
}

# c stands on the other side of b, and says that it is a.
make_forger() {
	make_hosts c
	connect c wire b side
	address c wire 10.7.8.1/24 fd07:8::1/64
	address b side 10.7.8.2/24 fd07:8::2/64
	address c lo $A4/32 $A6/128
	route c $B4 via 10.7.8.2
	route c $B6 via fd07:8::2
}

# A datagram can be made of a file's own pages, and veth hands them over as they are:
# whoever decrypts where the packet lies would write into the file. An odd number of them,
# since every other one would undo what the one before did. (6.1 copies: nothing to see there.)
spliced_file_stays_intact() {
	local cipher spi=$((0x4000)) file=$tmp/spliced before

	make_forger
	head -c 4096 /dev/zero | tr '\0' S >"$file"
	cp "$file" "$file.copy"
	for cipher in $CIPHERS; do
		spi=$((spi + 1))
		expect "b's SA" sotto b sa add in spi $spi peer $A4,$A6 cipher $cipher key-file "$(key $spi)"
		before=$(stat b in_drop_auth)
		expect "IPv4" traffic c -s $A4 udp-splice "$file" $B4 $DATA_PORT \
			"$(printf '%08x%08x%016x' $spi 7 7)" 21
		expect "IPv6" traffic c -s $A6 udp-splice "$file" $B6 $DATA_PORT \
			"$(printf '%08x%08x%016x' $spi 8 8)" 21
		await "all were refused" 5 stat_is b in_drop_auth $((before + 42))
		expect "the file is as it was" cmp "$file" "$file.copy"
	done
}

counters_add_up() {
	check_sums a b
	same "packets of b that a could not open" "$(stat a in_drop_auth)" 0
	same "replays at b" "$(stat b in_drop_replay)" 0
}

module_is_busy_while_policy_protects() {
	[ -n "$module_loaded" ] || { skip "the module was loaded by somebody else"; return; }
	refuse "rmmod" rmmod sotto
	expect "the module is still there" module_present
	expect "traffic" pings a $B4
	refuse "taking the shim down by itself" sotto a set up 0
}

module_goes_under_traffic() {
	local ping4 ping6

	[ -n "$module_loaded" ] || { skip "the module was loaded by somebody else"; return; }
	launch a ping -n -q -i 0.01 $B4 >/dev/null
	ping4=$!
	launch b ping -n -q -i 0.01 -s 3000 $A6 >/dev/null
	ping6=$!
	expect "down" sotto a down
	expect "down" sotto b down
	expect "rmmod" rmmod sotto
	refuse "the module is gone" module_present
	expect "in the clear from now on" pings a $B4
	kill $ping4 $ping6
	wait $ping4 $ping6
	expect "and loaded anew" load_module
}

run_tests setup aes_carries_ordinary_traffic chacha_carries_ordinary_traffic \
	outer_headers_are_whole bulk_tcp_never_fragments large_udp_is_fragmented_outside \
	df_udp_learns_the_path_mtu neighbours_are_found_when_all_is_protected \
	conntrack_sees_inner_flows_only verdicts_come_from_a_process spliced_file_stays_intact \
	counters_add_up module_is_busy_while_policy_protects module_goes_under_traffic
