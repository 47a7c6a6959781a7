#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What policy says happens: to packets that leave and to those that come, by the longest
# prefix, with the few exemptions there are and not one more; and `sotto trace` says so, too.
#
# a has the shim; b has not, but for the test that says so. r between them routes.

. "$(dirname "$0")/lib.sh"
begin
need ping nft

setup() {
	local n

	make_routed
	# Many addresses of b, so that each test has a destination that nothing was asked for.
	for n in 2 3 4 5 6 7 8 9; do
		address b wire 10.7.2.$n/24 fd07:2::$n/64
	done
	up a $A4 $A6
	expect "short queues" sotto a set acquire-timeout 300
	expect "echo" traffic b -b udp-echo 5002
	expect "echo of a" traffic a -b udp-echo 5002
}

policy() {
	expect "policy $*" sotto a policy "$@"
}

# nothing_leaves WHAT COMMAND…: of a's, while COMMAND runs; and what it sent was seen.
nothing_leaves() {
	local what=$1 seen
	shift

	seen=$(stat a out_seen)
	capture wire r left "src net (10.7.1.0/24 or fd07:1::/64) and not ($INNOCENT)"
	"$@" >/dev/null 2>&1
	end_capture wire
	same "$what: frames on the wire" "$(frames wire)" 0
	at_least "$what: packets seen" "$(stat a out_seen)" $((seen + 1))
}

answered() {
	traffic a -t "${2:-250}" udp-check "$1" 5002 64 64 1 >/dev/null 2>&1
}

# agree ADDRESS VERDICT: the trace says so, and a datagram fares so.
agree() {
	local addr=$1 want=$2 before after name

	same "trace of $addr" "$(verdict a "$addr")" "$want"
	case $want in
	pass_*) name=out_passed ;;
	seal) name=out_sealed ;;
	queue) name=acquires ;;
	drop_block) name=out_drop_block ;;
	drop_source) name=out_drop_source ;;
	drop_failed) name=out_drop_refused ;;
	esac
	before=$(stat a $name)
	if [[ $want == pass_* ]]; then
		answered "$addr" 5000 || fail "nothing came back from $addr"
	else
		answered "$addr" && fail "an answer came from $addr"
	fi
	after=$(stat a $name)
	at_least "$name for $addr" "$after" $((before + 1))
}

without_policy_all_passes() {
	agree $B4 pass_bypass
	agree $B6 pass_bypass
}

the_longest_prefix_decides() {
	policy add 0.0.0.0/0 bypass
	policy add 10.7.0.0/16 protect
	policy add 10.7.2.0/24 block
	policy add 10.7.2.2/31 protect
	policy add 10.7.2.3/32 bypass
	policy add ::/0 protect
	policy add fd07:2::/64 bypass
	policy add fd07:2::2/128 block
	agree 10.7.2.1 drop_block
	agree 10.7.2.2 queue
	agree 10.7.2.3 pass_bypass
	agree 10.7.2.4 drop_block
	agree fd07:2::1 pass_bypass
	agree fd07:2::2 drop_block
	policy del 10.7.2.3/32
	agree 10.7.2.3 queue
	policy del 10.7.2.2/31
	agree 10.7.2.3 drop_block
	policy replace 10.7.2.0/24 bypass
	agree 10.7.2.3 pass_bypass
	policy del fd07:2::/64
	agree fd07:2::4 queue
	policy flush
	agree 10.7.2.4 pass_bypass
}

# A prefix that comes where two longer ones were told apart already is shown as it was given: what
# is kept on disk or put back by a reload would be refused otherwise.
prefix_that_comes_after_longer_ones() {
	policy add 10.7.3.253/32 bypass
	policy add 10.7.3.1/32 bypass
	policy add 10.7.3.0/24 protect
	policy add fd07:3::ff/128 bypass
	policy add fd07:3::1/128 bypass
	policy add fd07:3::/120 protect
	same "prefixes" "$(sotto a policy show -j | jq -r '.[] | select(.action == "protect") | .prefix' | sort | xargs)" \
		"10.7.3.0/24 fd07:3::/120"
	same "traced" "$(sotto a trace -j 10.7.3.7 | jq -r .policy.prefix)" 10.7.3.0/24
	expect "save" sotto a policy save
	policy flush
	expect "restore" sotto a policy restore
	same "after it" "$(sotto a policy show -j | jq length)" 6
	policy flush
	expect "save" sotto a policy save
}

# restored_of_a WHAT: what is kept of it is in force, and what is not costs it nothing but the exit status.
restored_of_a() {
	expect "down" sotto a down
	refuse "restore of $1" sotto a policy restore
	same "up with $1" "$(sotto a status -j | jq .module.up)" true
}

action_of() {
	sotto a policy show -j | jq -r --arg p "$1" '.[] | select(.prefix == $p) | .action'
}

# Before the agent is there, what is on disk is all there is: what is good of it protects.
damaged_policy_protects_what_it_can() {
	local file=$tmp/a/state/agent/policy.json good=$tmp/policy.good

	policy add 10.7.2.0/24 protect
	policy add 10.7.4.0/24 block
	policy add 10.7.5.0/24 protect
	policy add 10.7.6.0/24 bypass
	policy add fd07:2::/64 protect
	expect "save" sotto a policy save
	cp "$file" "$good"
	sed -i 's|10.7.5.0/24|10.7.5.1/24|; s|"block"|"blok"|; s|"bypass"|"bypas"|' "$file"
	restored_of_a "bad entries"
	same "policies" "$(sotto a policy show -j | jq length)" 4
	same "one beside" "$(action_of 10.7.2.0/24) $(action_of fd07:2::/64)" "protect protect"
	same "actions that cannot be read" "$(action_of 10.7.4.0/24) $(action_of 10.7.6.0/24)" "protect protect"
	same "named" "$(sotto a policy restore 2>&1 | grep -c "$file:[0-9]*: ")" 3
	nothing_leaves "protected" traffic a udp-send $B4 5002 5 100
	nothing_leaves "protected over IPv6" traffic a udp-send $B6 5002 5 100
	head -c $(($(wc -c <"$good") / 2)) "$good" >"$file"
	restored_of_a "half of it"
	at_least "some of half of it" "$(sotto a policy show -j | jq length)" 1
	head -c 100000 /dev/urandom >"$file"
	restored_of_a "rubbish"
	: >"$file"
	restored_of_a "an empty file"
	same "policies of an empty file" "$(sotto a policy show -j | jq length)" 0
	cp "$good" "$file"
	expect "down" sotto a down
	expect "restore of a good one" sotto a policy restore
	same "policies of a good one" "$(sotto a policy show -j | jq length)" 5
	policy flush
	expect "save" sotto a policy save
}

refusals_of_policy_say_why() {
	policy add 10.7.2.0/24 protect
	refuse "twice" sotto a policy add 10.7.2.0/24 block
	refuse "bits past the length" sotto a policy add 10.7.2.1/24 block
	refuse "a length that no address has" sotto a policy add 10.7.2.0/33 block
	refuse "what is not there" sotto a policy del 10.7.3.0/24
	same "policies" "$(sotto a policy show -j | jq length)" 1
	policy flush
}

block_is_silent_on_the_wire_and_loud_at_home() {
	policy add 10.7.2.0/24 block
	policy add fd07:2::/64 block
	same "TCP" "$(traffic a tcp-try $B4 5001)" EHOSTUNREACH
	same "TCP over IPv6" "$(traffic a tcp-try $B6 5001)" EACCES
	nothing_leaves "blocked" traffic a udp-send $B4 5002 5 100
	same "from b, too" "$(traffic b -t 200 udp-try $A4 5002 64)" ETIMEDOUT
	at_least "counted" "$(stat a in_drop_block)" 1
	policy flush
}

plaintext_from_a_protected_source_is_dropped() {
	local before

	policy add 10.7.2.0/24 protect
	policy add fd07:2::/64 protect
	before=$(stat a in_drop_plaintext)
	refuse "echo over IPv4" traffic b -t 200 udp-check $A4 5002 64 64 1
	refuse "echo over IPv6" traffic b -t 200 udp-check $A6 5002 64 64 1
	refuse "ping" on b ping -n -c 1 -W 1 $A4
	refuse "fragments" traffic b -t 200 udp-check $A4 5002 4000 4000 1
	at_least "counted" "$(stat a in_drop_plaintext)" $((before + 4))
	policy flush
	expect "and not without policy" traffic b udp-check $A4 5002 64 64 1
}

prefer_takes_plaintext_until_there_is_a_key() {
	local before

	policy add 10.7.2.0/24 prefer
	traffic a -t 20000 -b -o "$tmp/got" udp-recv 5003 3 >/dev/null
	expect "three datagrams" traffic b -s 10.7.2.8 udp-send $A4 5003 3 64
	await "they come" 5 grep -q "got 3 " "$tmp/got"
	one_way_out 10.7.2.9
	before=$(stat a in_drop_plaintext)
	expect "three from a peer that has keys" traffic b -s 10.7.2.9 udp-send $A4 5003 3 64
	await "they are dropped" 5 stat_is a in_drop_plaintext $((before + 3))
	policy flush
	expect "forget" sotto a tunnel flush
}

# one_way_out ADDRESS: a key that only a has.
one_way_out() {
	expect "outbound SA" sotto a sa add out spi 0x900 peer "$1" \
		cipher chacha20poly1305 key-file "$(key 0x900)"
}

other_sources_are_refused() {
	address a wire 10.7.1.77/24 fd07:1::77/64
	route r 10.7.1.77/32 dev left
	policy add 10.7.2.0/24 protect
	policy add fd07:2::/64 protect
	same "from an address that is not ours" "$(traffic a -s 10.7.1.77 udp-try $B4 5002 64)" EHOSTUNREACH
	same "over IPv6" "$(traffic a -s fd07:1::77 udp-try $B6 5002 64)" EACCES
	same "trace" "$(verdict a $B4 from 10.7.1.77)" drop_source
	at_least "counted" "$(stat a out_drop_source)" 2
	nothing_leaves "another source" traffic a -s 10.7.1.77 udp-send $B4 5002 3 64
	policy flush
}

groups_and_neighbours_are_exempt() {
	local before

	policy add 0.0.0.0/0 protect
	policy add ::/0 protect
	ip -n "$(ns_name a)" neigh flush dev wire
	ip -n "$(ns_name a)" route add 224.0.0.0/4 dev wire
	before=$(stat a out_passed)
	capture groups r left
	on a ping -n -c 1 -W 1 -b 10.7.1.255 >/dev/null 2>&1
	on a ping -n -c 1 -W 1 224.0.0.1 >/dev/null 2>&1
	on a ping -n -c 1 -W 1 ff02::1%wire >/dev/null 2>&1
	traffic a -p 68 -s $A4 udp-send 10.7.1.254 67 1 300 >/dev/null
	traffic a -p 546 -s $A6 udp-send fd07:1::fe 547 1 300 >/dev/null
	traffic a -p 67 -s $A4 udp-send 10.7.1.254 69 1 300 >/dev/null
	end_capture groups
	at_least "broadcast" "$(frames groups "icmp and dst host 10.7.1.255")" 1
	at_least "multicast" "$(frames groups "icmp and dst host 224.0.0.1")" 1
	at_least "multicast over IPv6" "$(frames groups "icmp6 and ip6[40] == 128 and dst host ff02::1")" 1
	same "DHCP" "$(frames groups "udp src port 68 and udp dst port 67")" 1
	same "DHCPv6" "$(frames groups "udp src port 546 and udp dst port 547")" 1
	at_least "neighbours" "$(frames groups "icmp6 and ip6[40] == 135")" 1
	same "what is not quite DHCP" "$(frames groups "udp dst port 69")" 0
	at_least "passed, counted" "$(stat a out_passed)" $((before + 5))
	same "trace" "$(verdict a 224.0.0.1)" pass_exempt
	policy flush
	expect "forget" sotto a tunnel flush
}

# icmp6 HOST ADDRESS TYPE HOPS [SOURCE]
icmp6() {
	on "$1" "$PYTHON" -c 'import socket, sys
with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as s:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, int(sys.argv[3]))
    if len(sys.argv) > 4:
        s.bind((sys.argv[4], 0))
    s.sendto(bytes([int(sys.argv[2])]) + bytes(23), (sys.argv[1], 0))' "${@:2}"
}

# What looks like neighbour discovery, or like MLD, and was to be routed.
neighbours_are_on_the_link() {
	local type dropped passed

	policy add ::/0 protect
	capture link r left icmp6
	for type in 131 133 135 136; do
		icmp6 a fd07:1::fe $type 64 $A6
	done
	icmp6 a fd07:1::fe 133 255 $A6
	icmp6 a fd07:1::fe 133 254 $A6
	icmp6 a fd07:1::fe 131 1 $A6
	icmp6 a fd07:1::fe 131 255 $A6
	await "they leave" 10 resolved a fd07:1::fe
	end_capture link
	same "not the link's own" "$(frames link "src $A6 and (ip6[7] == 64 or ip6[7] == 254)")" 0
	same "MLD that has a way to go" "$(frames link "src $A6 and ip6[40] == 131 and ip6[7] == 255")" 0
	same "router discovery" "$(frames link "src $A6 and ip6[40] == 133 and ip6[7] == 255")" 1
	same "MLD" "$(frames link "src $A6 and ip6[40] == 131 and ip6[7] == 1")" 1

	dropped=$(stat a in_drop_plaintext) passed=$(stat a in_passed)
	for type in 131 133 136; do
		icmp6 r $A6 $type 64
	done
	await "what was routed is dropped" 5 stat_is a in_drop_plaintext $((dropped + 3))
	icmp6 r $A6 133 255
	icmp6 r $A6 131 1
	await "the link's own passes" 5 passed_since a "$passed" 2
	same "and is not dropped" "$(stat a in_drop_plaintext)" $((dropped + 3))
	policy flush
	expect "forget" sotto a tunnel flush
}

# resolved HOST ADDRESS: what waited for the neighbour's link address has left.
resolved() {
	on "$1" ip -6 neighbour show "$2" | grep -q lladdr
}

# passed_since HOST BEFORE COUNT: or more, for neighbours speak when they like.
passed_since() {
	[ "$(stat "$1" in_passed)" -ge $(($2 + $3)) ]
}

# The five-tuple of the agent's socket, and each of its fields a little off.
control_flow_is_exempt_to_the_letter() {
	local agent

	policy add 10.7.2.0/24 protect
	expect "server" traffic b -b udp-echo 7688
	expect "server's neighbour" traffic b -b udp-echo 7687
	launch a "$PYTHON" "$here/helpers/fake_agent.py" --ignore --flow $A4 40000 $B4 7688 >"$tmp/agent" 2>&1
	agent=$!
	await "agent" 20 grep -q registered "$tmp/agent"
	expect "the flow" traffic a -s $A4 -p 40000 udp-check $B4 7688 64 64 1
	capture near r left "udp and not port $DATA_PORT"
	refuse "source port" traffic a -t 100 -s $A4 -p 40001 udp-check $B4 7688 64 64 1
	refuse "destination port" traffic a -t 100 -s $A4 -p 40000 udp-check $B4 7687 64 64 1
	refuse "destination" traffic a -t 100 -s $A4 -p 40000 udp-check 10.7.2.2 7688 64 64 1
	refuse "source" traffic a -t 100 -s 10.7.1.77 -p 40000 udp-check $B4 7688 64 64 1
	refuse "inbound, from another port" traffic b -t 100 -s $B4 -p 7687 udp-check $A4 5002 64 64 1
	end_capture near
	same "on the wire from a" "$(frames near "src net 10.7.1.0/24")" 0
	kill $agent
	wait $agent 2>/dev/null
	refuse "when the agent is gone" traffic a -t 100 -s $A4 -p 40000 udp-check $B4 7688 64 64 1
	policy flush
	expect "forget" sotto a tunnel flush
}

# A packet to a protected peer's data port that we did not make is no exception.
data_port_is_no_loophole() {
	policy add 10.7.2.0/24 protect
	nothing_leaves "to the data port" traffic a udp-send $B4 $DATA_PORT 3 64
	policy flush
	expect "forget" sotto a tunnel flush
}

# a sees the translated destination: policy is asked after NAT.
policy_is_asked_after_nat() {
	expect "NAT" on a nft -f - <<-EOF2
		table ip nat {
			chain out { type nat hook output priority -100; ip daddr 192.0.2.1 dnat to $B4; }
		}
	EOF2
	policy add $B4/32 block
	nothing_leaves "to an address that becomes $B4" traffic a udp-send 192.0.2.1 5002 3 64
	policy flush
	policy add 192.0.2.0/24 block
	expect "policy for the address that nobody sees" traffic a udp-check 192.0.2.1 5002 64 64 1
	policy flush
	on a nft delete table ip nat
}

# With an agent whose refusal lasts: the time-out's second may be over before trace is asked.
failed_and_sealed_are_traced() {
	local agent

	launch a "$PYTHON" "$here/helpers/fake_agent.py" --fail DENIED 60000 >"$tmp/agent" 2>&1
	agent=$!
	await "agent" 20 grep -q '^registered' "$tmp/agent"
	policy add 10.7.2.0/24 protect
	answered 10.7.2.5
	await "the refusal" 5 tunnel_is a 10.7.2.5 "failed denied"
	same "trace while it is remembered" "$(verdict a 10.7.2.5)" drop_failed
	kill $agent && wait $agent 2>/dev/null
	one_way_out 10.7.2.6
	agree 10.7.2.6 seal
	same "no route" "$(ip -n "$(ns_name a)" route add unreachable 10.9.0.0/16 && verdict a 10.9.0.1)" no_route
	policy flush
	expect "forget" sotto a tunnel flush
}

monitor_says_what_changed() {
	launch a "$SOTTO" monitor >"$tmp/a.events"
	monitors[a]=$!
	await "the monitor" 10 event_seen a
	policy add 10.9.0.0/16 prefer
	policy replace 10.9.0.0/16 block
	policy del 10.9.0.0/16
	policy flush
	expect "forget" sotto a tunnel flush
	await "all of it" 10 says "$tmp/a.events" "sa_deleted"
	end_listening a
	same "what it said" "$(grep -v 192.0.2.1 "$tmp/a.events" | cut -d ' ' -f 2- | paste -sd ';')" \
		"policy 10.9.0.0/16 prefer;policy 10.9.0.0/16 block;policy 10.9.0.0/16 removed;sa_deleted all"
}

namespaces_know_nothing_of_one_another() {
	up b 10.7.2.1
	expect "policy of b" sotto b policy add 10.99.0.0/16 protect
	same "policies of a" "$(sotto a policy show -j | jq length)" 0
	same "addresses of b" "$(sotto b addr show -j | jq -r '.[].address')" 10.7.2.1
	expect "SA of b" sotto b sa add in spi 0x900 peer 10.99.0.1 cipher aes256gcm key-file "$(key 0x900)"
	same "SAs of a" "$(sotto a sa show -j | jq length)" 0
	expect "traffic of a" answered $B4 5000
	check_sums b
	expect "b down" sotto b down
	same "trace at b" "$(verdict b 10.99.0.1)" pass_down
}

counters_add_up() {
	check_sums a
}

run_tests setup without_policy_all_passes the_longest_prefix_decides \
	prefix_that_comes_after_longer_ones damaged_policy_protects_what_it_can refusals_of_policy_say_why \
	block_is_silent_on_the_wire_and_loud_at_home plaintext_from_a_protected_source_is_dropped \
	prefer_takes_plaintext_until_there_is_a_key other_sources_are_refused \
	groups_and_neighbours_are_exempt neighbours_are_on_the_link \
	control_flow_is_exempt_to_the_letter data_port_is_no_loophole policy_is_asked_after_nat \
	failed_and_sealed_are_traced monitor_says_what_changed namespaces_know_nothing_of_one_another counters_add_up
