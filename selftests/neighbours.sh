#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Who else handles packets on a host: nftables and conntrack, NAT, policy routing, several
# interfaces, bound sockets, tc, xfrm and WireGuard. None of them breaks, none takes ciphertext
# for a flow, and nothing protected leaves in the clear. (Devices stacked upon devices, bridges
# and containers: stacked.sh.)

. "$(dirname "$0")/lib.sh"
begin
need ping nft conntrack socat

setup() {
	make_pair
	members_by_hand
}

# rules HOST: from standard input, in place of the table that was there.
rules() {
	expect "rules of $1" on "$1" nft -f - < <(echo "table inet test"; echo "delete table inet test"; cat)
}

no_rules() {
	on "$1" nft delete table inet test
}

# nft_count HOST COUNTER
nft_count() {
	on "$1" nft list counter inet test "$2" | awk '/packets/ { print $2 }'
}

# Filters and counters know inner flows only, at both ends.
nftables_counts_and_filters_inner_flows() {
	local h

	for h in a b; do
		rules $h <<-RULES
			table inet test {
				counter pings_in { }
				counter pings_out { }
				counter sealed { }
				counter tracked { }
				chain prerouting {
					type filter hook prerouting priority -300
					udp dport $DATA_PORT counter name sealed
				}
				chain input {
					type filter hook input priority 0
					icmp type echo-request counter name pings_in
					icmpv6 type echo-request counter name pings_in
					udp dport $DATA_PORT counter name sealed
				}
				chain output {
					type filter hook output priority 0
					icmp type echo-reply counter name pings_out
					icmpv6 type echo-reply counter name pings_out
					ct state new,established counter name tracked
				}
				chain postrouting {
					type filter hook postrouting priority 400
					udp dport $DATA_PORT counter name sealed
				}
			}
		RULES
	done
	expect "ping over IPv4" pings a $B4
	expect "ping over IPv6" pings a $B6
	same "requests that b's filter saw" "$(nft_count b pings_in)" 6
	same "answers that b's filter saw" "$(nft_count b pings_out)" 6
	same "sealed packets that a's saw" "$(nft_count a sealed)" 0
	same "sealed packets that b's saw" "$(nft_count b sealed)" 0
	at_least "tracked at a" "$(nft_count a tracked)" 6
	rules b <<-RULES
		table inet test {
			chain input { type filter hook input priority 0; icmp type echo-request drop; }
		}
	RULES
	refuse "a ping that b filters" on a ping -n -q -c 1 -W 1 $B4
	expect "one that b does not" pings a $B6
	rules a <<-RULES
		table inet test {
			chain output { type filter hook output priority 0; ip6 daddr $B6 icmpv6 type echo-request reject; }
		}
	RULES
	refuse "a ping that a filters" on a ping -n -q -c 1 -W 1 $B6
	no_rules a
	no_rules b
}

# flows HOST: what conntrack there knows.
flows() {
	on "$1" conntrack -L 2>/dev/null
	on "$1" conntrack -L -f ipv6 2>/dev/null
}

conntrack_sees_inner_flows_only() {
	local h

	# A rule with ct is what makes conntrack look.
	for h in a b; do
		rules $h <<-RULES
			table inet test {
				chain input { type filter hook input priority 0; ct state invalid counter drop; }
				chain output { type filter hook output priority 0; ct state invalid counter drop; }
			}
		RULES
		on $h conntrack -F 2>/dev/null
	done
	expect "TCP" bulk a b $B4 1
	expect "UDP" udp_sizes a b $B6 1 1001 500
	for h in a b; do
		at_least "TCP flows at $h" "$(flows $h | grep -c "^tcp.* dport=5001 .*ASSURED")" 1
		at_least "UDP flows at $h" "$(flows $h | grep -c "^udp.* dport=5002 ")" 1
		same "outer flows at $h" "$(flows $h | grep -c "port=$DATA_PORT")" 0
	done
	no_rules a
	no_rules b
}

# The addresses that a packet leaves with are what policy and peer see.
nat_is_before_us() {
	local pid

	rules a <<-RULES
		table inet test {
			chain to_b { type nat hook output priority -100; ip daddr 192.0.2.9 dnat ip to $B4; }
			chain from_a { type nat hook postrouting priority 100; ip saddr 10.99.0.1 snat ip to $A4; }
		}
	RULES
	rules b <<-RULES
		table inet test {
			chain port { type nat hook prerouting priority -100; udp dport 5099 dnat ip to $B4:5002; }
		}
	RULES
	address a lo 10.99.0.1/32
	route a 192.0.2.9 via $B4
	capture nat b wire
	expect "DNAT" pings a 192.0.2.9
	expect "SNAT" pings a $B4 -I 10.99.0.1
	pid=$(traffic b -b udp-echo 5002)
	expect "UDP through DNAT" traffic a udp-check 192.0.2.9 5002 1 1000 333
	expect "UDP to a port that b translates" traffic a udp-check $B4 5099 1 1000 333
	kill "$pid"
	end_capture nat
	only_sealed nat 12
	no_rules a
	no_rules b
}

# Whoever chooses the route, by mark, user or source: the packet is sealed.
policy_routing() {
	connect a second b second
	address a second 10.7.3.1/24
	address b second 10.7.3.2/24
	on a sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.second.rp_filter=0 net.ipv4.conf.wire.rp_filter=0
	on a ip route add $B4 via 10.7.3.2 src $A4 table 70
	capture marked b second
	expect "fwmark" on a ip rule add fwmark 7 table 70
	expect "ping with a mark" pings a $B4 -m 7
	rules a <<-RULES
		table inet test {
			chain output { type route hook output priority -150; ip daddr $B4 udp dport 5002 meta mark set 7; }
		}
	RULES
	expect "UDP that nftables marks" udp_sizes a b $B4 100 400 100
	no_rules a
	on a ip rule del fwmark 7
	end_capture marked
	only_sealed marked 7

	capture ruled b second
	expect "uidrange" on a ip rule add uidrange 4711-4711 table 70
	expect "ping of that user" on a setpriv --reuid 4711 --clear-groups ping -n -q -c 3 -i 0.2 $B4
	on a ip rule del uidrange 4711-4711
	expect "from" on a ip rule add from $A4 table 70
	expect "ping from that address" pings a $B4 -I $A4
	on a ip rule del from $A4
	end_capture ruled
	only_sealed ruled 6
	on a ip rule add fwmark 8 blackhole
	refuse "a ping that has no route" on a ping -n -q -c 1 -W 1 -m 8 $B4
	on a ip rule del fwmark 8
	expect "and one that has" pings a $B4
}

# What leaves by one comes back by the other; reverse-path filters judge inner packets.
asymmetric_routes() {
	local h before

	for h in a b; do
		on $h sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.second.rp_filter=0 \
			net.ipv4.conf.wire.rp_filter=0
	done
	route b $A4/32 via 10.7.3.1 src $B4
	capture first b wire
	capture second b second
	expect "ping" pings a $B4
	expect "TCP" bulk a b $B4 2
	expect "UDP" udp_sizes a b $B4 1 3001 500
	end_capture first
	end_capture second
	only_sealed first 10
	only_sealed second 10
	on a sysctl -qw net.ipv4.conf.all.rp_filter=2
	expect "loose filter" pings a $B4
	on a sysctl -qw net.ipv4.conf.all.rp_filter=1
	before=$(stat a in_opened)
	refuse "strict filter" on a ping -n -q -c 1 -W 1 $B4
	at_least "opened before it" "$(stat a in_opened)" $((before + 1))
	on a sysctl -qw net.ipv4.conf.all.rp_filter=0
	on b ip route del $A4/32
	expect "without the second way" pings a $B4
}

bound_sockets() {
	local got=$tmp/bound file

	file=$(random_file 1)
	capture bound b wire
	expect "ping bound to a device" pings a $B4 -I wire
	expect "ping bound to an address" pings a $B4 -I $A4
	expect "ping bound to both ends' IPv6" pings a $B6 -I $A6
	traffic b -t 60000 -b -o "$got" tcp-recv 5001 >/dev/null
	expect "TCP bound to a device" on a timeout 60 socat -u "OPEN:$file" "TCP:$B4:5001,so-bindtodevice=wire"
	await "all of it" 10 cmp -s "$file" "$got"
	end_capture bound
	only_sealed bound 12
	# There is another way to b's wire, with another source: not a way around policy.
	capture other b second
	refuse "ping bound to the other device" on a ping -n -q -c 1 -W 1 -I second $B4
	end_capture other
	same "frames for it" "$(frames other "ip host $B4")" 0
	no_plaintext other
	ip -n "$(ns_name a)" link del second
}

# class_packets CLASS: that a's HTB has sent.
class_packets() {
	on a tc -s class show dev wire classid "$1" | awk '/Sent/ { print $4 }'
}

# Queues and filters at egress see sealed packets; marks and priorities are inner packets'.
tc_at_egress() {
	modprobe -qa sch_htb sch_fq_codel cls_u32 cls_fw
	on a tc qdisc add dev wire root handle 1: htb default 10 2>/dev/null ||
		{ skip "there is no HTB here"; return; }
	expect "class" on a tc class add dev wire parent 1: classid 1:10 htb rate 500mbit
	expect "class" on a tc class add dev wire parent 1: classid 1:20 htb rate 500mbit
	expect "class" on a tc class add dev wire parent 1: classid 1:30 htb rate 500mbit
	expect "fq_codel" on a tc qdisc add dev wire parent 1:20 handle 20: fq_codel
	expect "mark" on a tc filter add dev wire parent 1: prio 1 protocol ip handle 9 fw classid 1:30
	expect "u32" on a tc filter add dev wire parent 1: prio 2 protocol ip u32 \
		match ip protocol 17 0xff match ip dport $DATA_PORT 0xffff classid 1:20
	capture tc b wire
	expect "ping with a mark" pings a $B4 -m 9
	same "packets in the class of that mark" "$(class_packets 1:30)" 3
	expect "TCP" bulk a b $B4 2
	at_least "packets in the class of sealed ones" "$(class_packets 1:20)" 20
	on a tc qdisc del dev wire root
	end_capture tc
	only_sealed tc 50
}

# Delayed, doubled and out of order, it is still what was sent.
netem_at_egress() {
	on a tc qdisc add dev wire root netem delay 2ms 1ms duplicate 5% reorder 20% ||
		{ skip "there is no netem here"; return; }
	capture netem b wire
	expect "ping" on a ping -n -q -c 20 -i 0.02 -W 5 $B4
	expect "UDP" udp_sizes a b $B6 1 1200 100
	expect "TCP" bulk a b $B4 1
	on a tc qdisc del dev wire root
	end_capture netem
	only_sealed netem 50
}

# An xfrm policy for the same peer protects first; what it makes is sealed as any packet is.
xfrm_on_the_same_host() {
	local h secret

	secret=$(cat "$(key 0x900)")
	for h in a b; do
		expect "state" on $h ip xfrm state add src $A4 dst $B4 proto esp spi 0x900 reqid 9 \
			mode transport aead 'rfc4106(gcm(aes))' "$secret" 128
	done
	expect "policy" on a ip xfrm policy add src $A4 dst $B4 proto udp dport 5004 dir out \
		tmpl proto esp reqid 9 mode transport
	expect "policy" on b ip xfrm policy add src $A4 dst $B4 proto udp dport 5004 dir in \
		tmpl proto esp reqid 9 mode transport
	capture xfrm b wire
	traffic b -t 10000 -b -o "$tmp/got" udp-recv 5004 5 >/dev/null
	expect "five through both" traffic a udp-send $B4 5004 5 300
	await "they come" 10 grep -q "got 5 " "$tmp/got"
	same "what xfrm had protected" "$(on b ip -s xfrm state list spi 0x900 | awk '/bytes.*, .*packets/ { gsub(/[^0-9 ]/, " "); print $2 }' | head -n 1)" 5
	expect "ping through us alone" pings a $B4
	end_capture xfrm
	only_sealed xfrm 8
	for h in a b; do
		on $h ip xfrm policy flush
		on $h ip xfrm state flush
	done
}

# With that, xfrm encrypts below us: what it has not encrypted yet is not sealed as if it had.
xfrm_leaves_it_to_the_device() {
	local h before

	modprobe -q esp4_offload && grep -q '^esp4_offload ' /proc/modules ||
		{ skip "the kernel has no esp4_offload module"; return; }
	for h in a b; do
		expect "state" on $h ip xfrm state add src $A4 dst $B4 proto esp spi 0x900 reqid 9 \
			mode transport aead 'rfc4106(gcm(aes))' "$(cat "$(key 0x900)")" 128
	done
	expect "policy" on a ip xfrm policy add src $A4 dst $B4 proto udp dport 5004 dir out \
		tmpl proto esp reqid 9 mode transport
	before=$(stat b in_opened)
	expect "five" traffic a udp-send $B4 5004 5 300
	await "all are refused" 5 stat_is a out_drop_offload 5
	same "opened at b" "$(stat b in_opened)" "$before"
	expect "ping, which is not xfrm's" pings a $B4
	for h in a b; do
		on $h ip xfrm policy flush
		on $h ip xfrm state flush
	done
	rmmod esp4_offload
}

# tunnel_state HOST SRC DST SPI: xfrm's tunnel from SRC to DST.
tunnel_state() {
	expect "state" on "$1" ip xfrm state add src "$2" dst "$3" proto esp spi "$4" reqid 8 \
		mode tunnel aead 'rfc4106(gcm(aes))' "$(cat "$(key "$4")")" 128
}

# Sealed packets within xfrm's tunnel between addresses that no policy of ours knows.
us_within_xfrm() {
	local h sealed opened got seen lost

	address a wire 10.7.1.11/24
	address b wire 10.7.1.12/24
	address a lo 10.7.9.1/32
	address b lo 10.7.9.2/32
	route a 10.7.9.2 dev wire src 10.7.9.1
	route b 10.7.9.1 dev wire src 10.7.9.2
	for h in a b; do
		tunnel_state $h 10.7.1.11 10.7.1.12 0x901
		tunnel_state $h 10.7.1.12 10.7.1.11 0x902
	done
	tunnel_policy a 10.7.9.1 10.7.9.2 10.7.1.11 10.7.1.12
	tunnel_policy b 10.7.9.2 10.7.9.1 10.7.1.12 10.7.1.11
	expect "ping through xfrm" pings a 10.7.9.2
	expect "address" sotto a addr add 10.7.9.1
	expect "address" sotto b addr add 10.7.9.2
	expect "policy" sotto a policy add 10.7.9.2/32 protect
	expect "policy" sotto b policy add 10.7.9.1/32 protect
	refuse "ping without keys" on a ping -n -q -c 1 -W 1 10.7.9.2
	both_ways a 10.7.9.1 b 10.7.9.2 chacha20poly1305 0x400
	sealed=$(stat a out_sealed)
	opened=$(stat a in_opened)
	# Taps see also what xfrm has opened, as if it had come by the wire.
	capture xfrm a wire -Q out
	expect "ping" pings a 10.7.9.2
	expect "UDP" udp_sizes a b 10.7.9.2 1 3001 500
	expect "TCP" bulk a b 10.7.9.2 1
	stop_capture xfrm tally
	same "frames that the capture lost" "$lost" 0	# what came in counts as seen, too
	at_least "sealed within it" $(($(stat a out_sealed) - sealed)) 20
	at_least "opened within it" $(($(stat a in_opened) - opened)) 20
	at_least "frames of the tunnel" "$(frames xfrm "ip proto 50")" 20
	same "other frames" "$(frames xfrm "not ip proto 50 and not (ip[6:2] & 0x1fff != 0) and not ($INNOCENT)")" 0
	for h in a b; do
		on $h ip xfrm policy flush
		on $h ip xfrm state flush
	done
}

# tunnel_policy HOST FROM TO OUTER_FROM OUTER_TO: both ways.
tunnel_policy() {
	expect "policy out" on "$1" ip xfrm policy add src "$2" dst "$3" dir out \
		tmpl src "$4" dst "$5" proto esp reqid 8 mode tunnel
	expect "policy in" on "$1" ip xfrm policy add src "$3" dst "$2" dir in \
		tmpl src "$5" dst "$4" proto esp reqid 8 mode tunnel
}

# wg0 between a and b, over B4 and A4.
make_wireguard() {
	local h

	for h in a b; do
		ip -n "$(ns_name $h)" link add wg0 type wireguard 2>/dev/null || return
		(umask 077; wg genkey >"$tmp/wg.$h")
	done
	on a wg set wg0 listen-port 5182 private-key "$tmp/wg.a" peer "$(wg pubkey <"$tmp/wg.b")" \
		endpoint $B4:5182 allowed-ips 10.7.7.0/24
	on b wg set wg0 listen-port 5182 private-key "$tmp/wg.b" peer "$(wg pubkey <"$tmp/wg.a")" \
		endpoint $A4:5182 allowed-ips 10.7.7.0/24
	for h in a b; do ip -n "$(ns_name $h)" link set wg0 up; done
	address a wg0 10.7.7.1/24
	address b wg0 10.7.7.2/24
}

wireguard_over_us() {
	if ! command -v wg >/dev/null || ! make_wireguard; then
		skip "there is no WireGuard here"
		return
	fi
	capture wg b wire
	expect "ping" pings a 10.7.7.2
	expect "TCP" bulk a b 10.7.7.2 1
	end_capture wg
	only_sealed wg 50
}

# Sealed traffic within WireGuard's tunnel, and WireGuard's sealed in turn.
us_within_wireguard() {
	[ -e "$tmp/wg.a" ] || { skip "there is no WireGuard here"; return; }
	expect "address" sotto a addr add 10.7.7.1
	expect "address" sotto b addr add 10.7.7.2
	expect "policy" sotto a policy add 10.7.7.2/32 protect
	expect "policy" sotto b policy add 10.7.7.1/32 protect
	both_ways a 10.7.7.1 b 10.7.7.2 chacha20poly1305 0x300
	capture inside b wg0
	capture wg b wire
	expect "ping" pings a 10.7.7.2
	expect "TCP" bulk a b 10.7.7.2 1
	expect "UDP" udp_sizes a b 10.7.7.2 1 3001 500
	end_capture inside
	end_capture wg
	only_sealed inside 50
	only_sealed wg 50
	ip -n "$(ns_name a)" link del wg0
	ip -n "$(ns_name b)" link del wg0
}

loopback_is_left_alone() {
	local sealed

	sealed=$(stat a out_sealed)
	expect "policy for everything" sotto a policy add 127.0.0.0/8 block
	expect "policy for ourselves" sotto a policy add $A4/32 protect
	expect "ping of oneself" pings a $A4
	expect "ping of oneself over IPv6" pings a $A6
	expect "ping of loopback" pings a 127.0.0.1
	expect "TCP with oneself" bulk a a $A4 1
	same "sealed for it" "$(stat a out_sealed)" "$sealed"
	expect "policy" sotto a policy del 127.0.0.0/8
	expect "policy" sotto a policy del $A4/32
}

# A control group's program sees what a service sends as it sends it, and once: sealed or not.
control_groups() {
	local group=$tmp/groups/none-$$ before echo

	echo=$(traffic b -b udp-echo 5002)
	mkdir -p "$tmp/groups"
	mount -t cgroup2 none "$tmp/groups" 2>/dev/null ||
		{ kill "$echo"; skip "there are no control groups"; return; }
	mkdir "$group"
	if "$PYTHON" "$here/helpers/cgroup_deny.py" "$group" >"$tmp/deny"; then
		before=$(stat a out_drop_filtered)
		for to in $B4 $B6; do
			same "a service that may send nothing, to $to" \
				"$(in_group "$group" "$TRAFFIC" udp-try $to 5002 100)" EPERM
			same "another one, to $to" "$(traffic a udp-try $to 5002 100)" ok
		done
		same "counted" "$(stat a out_drop_filtered)" $((before + 2))
	else
		skip "this kernel's control groups have no programs: $(<"$tmp/deny")"
	fi
	kill "$echo"
	rmdir "$group"
	umount "$tmp/groups"
}

# in_group DIRECTORY COMMAND…: on a.
in_group() {
	on a sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$@"
}

counters_add_up() {
	check_sums a b
}

run_tests setup nftables_counts_and_filters_inner_flows conntrack_sees_inner_flows_only \
	nat_is_before_us policy_routing asymmetric_routes bound_sockets tc_at_egress \
	netem_at_egress xfrm_on_the_same_host xfrm_leaves_it_to_the_device us_within_xfrm \
	wireguard_over_us us_within_wireguard loopback_is_left_alone control_groups counters_add_up
