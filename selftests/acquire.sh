#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The first packet: it waits for its key, and is not lost; what waits is bounded and counted;
# no key is an error with a name. Agents are helpers/fake_agent.py, which is as slow and as
# rude as a test wants.

. "$(dirname "$0")/lib.sh"
begin
need ping nstat nft

SPI=0x100
LONG=60000	# ms

setup() {
	local h

	make_pair
	route a 10.8.0.0/16 via $B4
	up a $A4 $A6
	up b $B4 $B6
	for h in a b; do
		expect "policy" sotto $h policy add 10.7.1.0/24 protect
		expect "policy" sotto $h policy add fd07:1::/64 protect
	done
	expect "a time-out that is never over" sotto a set acquire-timeout $LONG
	# SYNs that come to b
	on b nft -f - <<-NFT || fail "nft"
		table inet test {
			counter syns { }
			chain in { type filter hook input priority 0; tcp flags & (syn | ack) == syn counter name syns; }
		}
	NFT
}

# agent WORDS…: on a; it says in $tmp/agent what it was asked, and ends by end_agent.
agent() {
	rm -f "$tmp/answer"
	launch a "$PYTHON" "$here/helpers/fake_agent.py" "$@" >"$tmp/agent" 2>&1
	agent_pid=$!
	await "agent" 20 grep -q '^registered' "$tmp/agent"
}

end_agent() {
	kill "$agent_pid"
	wait "$agent_pid" 2>/dev/null
}

# keyed_agent DELAY_MS [WORDS…]: gives a keys for b, whose own are there already.
keyed_agent() {
	local delay=$1 out=$SPI in=$((SPI + 1))
	shift

	SPI=$((SPI + 2))
	expect "b's inbound SA" sotto b sa add in spi $out peer $A4,$A6 cipher chacha20poly1305 \
		key-file "$(key $out)"
	expect "b's outbound SA" sotto b sa add out spi $in peer $A4,$A6 cipher chacha20poly1305 \
		key-file "$(key $in)"
	agent --delay "$delay" --peer $B4,$B6 --out $out "$(key $out)" --in $in "$(key $in)" "$@"
}

# patient_agent: one that gives keys when it is told to, by `answer`.
patient_agent() {
	keyed_agent 0 --when "$tmp/answer"
}

answer() {
	: >"$tmp/answer"
}

# questions ADDRESS: for there, however often they were repeated.
questions() {
	awk -v dst="$1" '/^acquire/ && $3 == dst { print $2 }' "$tmp/agent" | sort -u | wc -l
}

# Nothing of the test before stays.
forget() {
	end_agent
	expect "forget tunnels" sotto a tunnel flush
	expect "forget tunnels" sotto b tunnel flush
}

# first ADDRESS: the limit's number of datagrams, and one more, before there is a key.
first_datagrams() {
	local addr=$1 limit=64 dropped

	dropped=$(stat a out_drop_tunnel_queue)
	traffic b -t 20000 -b -o "$tmp/got" udp-recv 5003 $limit >/dev/null
	expect "send" traffic a udp-send "$addr" 5003 $((limit + 1)) 100
	same "the one too many, counted" "$(stat a out_drop_tunnel_queue)" $((dropped + 1))
	answer
	await "the rest" 20 test -s "$tmp/got"
	same "what came" "$(cat "$tmp/got")" \
		"got $limit twice 0 late 0 damaged 0 first 0 last $((limit - 1))"
}

queued_datagrams_arrive_once_and_in_order() {
	patient_agent
	first_datagrams $B4
	same "questions" "$(questions $B4)" 1
	forget
	patient_agent
	first_datagrams $B6
	forget
}

# syns_came: to b; syns_repeated: by a, which does that after a second.
syns_came() {
	on b nft list counter inet test syns | awk '/packets/ { print $2 }'
}

syns_repeated() {
	on a nstat -asz TcpExtTCPSynRetrans | awk '/TCPSynRetrans/ { print $2 }'
}

first_packets_are_not_lost() {
	local echo came repeated

	echo=$(traffic b -b udp-echo 5002)
	keyed_agent 300
	expect "first ping" on a ping -n -q -c 1 -W 15 $B4
	forget
	keyed_agent 300
	expect "first ping over IPv6" on a ping -n -q -c 1 -W 15 $B6
	forget
	keyed_agent 300
	expect "first datagram" traffic a udp-check $B4 5002 100 100 1
	forget
	keyed_agent 300
	expect "first datagram over IPv6, which fragments" traffic a udp-check $B6 5002 4000 4000 1
	forget
	came=$(syns_came) repeated=$(syns_repeated)
	keyed_agent 300
	expect "first connection" bulk a b $B4 1
	forget
	keyed_agent 300
	expect "first connection over IPv6" bulk a b $B6 1
	same "SYNs that came" $(($(syns_came) - came)) $((2 + $(syns_repeated) - repeated))
	forget
	kill "$echo"
}

one_session_serves_all_addresses() {
	keyed_agent 0
	expect "first ping" pings a $B4
	expect "then to the other address" pings a $B6
	same "acquires" "$(grep -c '^acquire' "$tmp/agent")" 1
	forget
}

without_an_agent_it_fails_with_a_name() {
	listen_in a
	expect "a shorter time-out" sotto a set acquire-timeout 400
	same "connect over IPv4" "$(traffic a tcp-try $B4 5001)" EHOSTUNREACH
	same "connect over IPv6" "$(traffic a tcp-try $B6 5001)" EHOSTUNREACH
	await "the reason" 5 refused_for a $B4 no_agent
	end_listening a
	expect "forget tunnels" sotto a tunnel flush
	same "datagram" "$(traffic a udp-try $B4 5002 100)" EHOSTUNREACH
	at_least "counted" "$(stat a out_drop_timeout)" 3
	expect "forget tunnels" sotto a tunnel flush
	same "ping is told" "$(on a ping -n -c 1 -W 15 $B4 | grep -c 'Destination Host Unreachable')" 1
	expect "forget tunnels" sotto a tunnel flush
}

silent_agent_is_asked_again() {
	local repeats

	repeats=$(stat a acquire_repeats)
	expect "a time-out between the second repeat and the third" sotto a set acquire-timeout 2900
	listen_in a
	agent --ignore
	same "connect" "$(traffic a -t 8000 tcp-try $B4 5001)" EHOSTUNREACH
	await "the reason" 5 refused_for a $B4 timeout
	end_listening a
	same "repeats" "$(stat a acquire_repeats)" $((repeats + 2))
	await "the third question" 5 asked 3
	same "acquires" "$(grep -c '^acquire' "$tmp/agent")" 3
	same "ids" "$(questions $B4)" 1
	forget
	expect "time-out" sotto a set acquire-timeout $LONG
}

# asked TIMES
asked() {
	[ "$(grep -c '^acquire' "$tmp/agent")" -ge "$1" ]
}

# A repeat after the agent was restarted reaches the new one.
new_agent_is_asked_what_the_old_one_was() {
	local echo check

	echo=$(traffic b -b udp-echo 5002)
	agent --ignore
	launch a "$TRAFFIC" -t $((LONG - 5000)) udp-check $B4 5002 100 100 1 >"$tmp/check"
	check=$!
	await "question" 5 grep -q '^acquire' "$tmp/agent"
	end_agent
	keyed_agent 0
	wait "$check"
	same "the datagram" "$(cat "$tmp/check")" "good 1 bad 0"
	forget
	kill "$echo"
}

refusal_is_remembered_for_its_time() {
	local refused

	refused=$(stat a out_drop_refused)
	agent --fail DENIED 60000
	same "connect" "$(traffic a tcp-try $B4 5001)" EHOSTUNREACH
	same "the tunnel" "$(tunnel_says a $B4)" "failed denied"
	same "datagram" "$(traffic a udp-try $B4 5002 100)" EHOSTUNREACH
	at_least "refused, counted" "$(stat a out_drop_refused)" $((refused + 2))
	same "questions" "$(grep -c '^acquire' "$tmp/agent")" 1
	expect "policy has news of it" sotto a policy add $B4/32 protect
	expect "it is forgotten" tunnel_is a $B4 ""
	same "datagram" "$(traffic a udp-try $B4 5002 100)" EHOSTUNREACH
	await "asked anew" 5 grep -qz 'acquire.*acquire' "$tmp/agent"
	expect "policy" sotto a policy del $B4/32
	forget
	agent --fail DENIED 500
	same "connect" "$(traffic a tcp-try $B4 5001)" EHOSTUNREACH
	await "the end of the hold time" 5 tunnel_is a $B4 ""
	same "datagram" "$(traffic a udp-try $B4 5002 100)" EHOSTUNREACH
	at_least "asked anew" "$(grep -c '^acquire' "$tmp/agent")" 2
	forget
}

prefer_goes_clear_for_a_stranger_only() {
	local echo passed

	echo=$(traffic b -b udp-echo 5002)
	expect "policy" sotto a policy add $B4/32 prefer
	expect "b takes it in the clear" sotto b policy add $A4/32 bypass
	agent --delay 200 --fail DENIED 60000
	capture denied b wire "host $B4 and not arp"
	same "refused" "$(traffic a udp-try $B4 5002 100)" EHOSTUNREACH
	end_capture denied
	same "what left" "$(frames denied)" 0
	forget
	agent --delay 200 --fail NOT_MEMBER 60000
	passed=$(stat a out_passed)
	expect "in the clear, nothing lost" traffic a udp-check $B4 5002 100 105 1
	at_least "passed" "$(stat a out_passed)" $((passed + 6))
	same "the tunnel" "$(tunnel_says a $B4)" "clear not_member"
	forget
	expect "b takes it sealed alone" sotto b policy del $A4/32
	keyed_agent 200
	capture member b wire "host $B4 and not arp"
	expect "to a member" traffic a udp-check $B4 5002 100 105 1
	end_capture member
	same "what left in the clear" "$(frames member "not udp port $DATA_PORT")" 0
	forget
	expect "policy" sotto a policy del $B4/32
	kill "$echo"
}

# The peer has left the realm meanwhile, and nothing is refused to the packet that finds out.
preferred_keys_that_end_are_asked_for_as_such() {
	local refused

	expect "policy" sotto a policy add $B4/32 prefer
	expect "keys for three packets" sotto a sa add out spi $SPI peer $B4 cipher chacha20poly1305 \
		key-file "$(key $SPI)" hard-packets 3
	SPI=$((SPI + 2))
	agent --fail NOT_MEMBER 60000
	refused=$(stat a out_drop_refused)
	capture ended b wire "udp and dst host $B4"
	expect "send" traffic a udp-send $B4 5003 5 100
	await "an answer" 10 tunnel_is a $B4 "clear not_member"
	end_capture ended
	same "sealed" "$(frames ended "port $DATA_PORT")" 3
	same "in the clear" "$(frames ended "port 5003")" 2
	same "refused" "$(stat a out_drop_refused)" "$refused"
	forget
	expect "policy" sotto a policy del $B4/32
}

# What waits goes as policy has it when it goes: what was to be protected meanwhile, or waits
# for the same gateway as what need not be, does not leave in the clear.
what_waits_goes_as_policy_says_then() {
	expect "policy" sotto a policy add $B4/32 prefer
	agent --when "$tmp/answer" --fail NOT_MEMBER 60000
	capture changed b wire "host $B4 and udp or net 10.8.0.0/16"
	expect "send" traffic a udp-send $B4 5003 5 100
	expect "protected from now on" sotto a policy del $B4/32
	expect "send" traffic a udp-send $B4 5003 5 100
	answer
	await "an answer" 20 tunnel_is a $B4 "clear not_member"
	forget
	expect "policy" sotto a policy add 10.8.1.0/24 prefer via $B4
	expect "policy" sotto a policy add 10.8.2.0/24 protect via $B4
	agent --when "$tmp/answer" --fail NOT_MEMBER 60000
	expect "send" traffic a udp-send 10.8.1.1 5003 5 100
	expect "send" traffic a udp-send 10.8.2.1 5003 5 100
	answer
	await "an answer" 20 tunnel_is a $B4 "clear not_member"
	end_capture changed
	same "protected meanwhile, and left in the clear" "$(frames changed "host $B4")" 0
	same "protected, with the same gateway" "$(frames changed "host 10.8.2.1")" 0
	same "preferred" "$(frames changed "host 10.8.1.1")" 5
	forget
	expect "policy" sotto a policy del 10.8.1.0/24
	expect "policy" sotto a policy del 10.8.2.0/24
}

# One gateway stands before what must be protected and what need not be. Its refusal is one for
# both, whoever asked: neither asks again while it is remembered, and each fares as policy says.
a_gateways_refusal_is_of_all_behind_it() {
	local first

	expect "policy" sotto a policy add 10.8.1.0/24 prefer via $B4
	expect "policy" sotto a policy add 10.8.2.0/24 protect via $B4
	for first in 1 2; do
		agent --when "$tmp/answer" --fail NOT_MEMBER 60000
		capture gateway b wire "net 10.8.0.0/16"
		expect "send" traffic a udp-send 10.8.$first.1 5003 5 100
		expect "send" traffic a udp-send 10.8.$((3 - first)).1 5003 5 100
		answer
		await "an answer" 20 stat_is a out_queued 0
		behind_the_gateway_fares pass_clear ETIMEDOUT
		end_capture gateway
		same "preferred, waiting and later" "$(frames gateway "host 10.8.1.1")" 8
		same "protected" "$(frames gateway "host 10.8.2.1")" 0
		same "questions" "$(questions $B4)" 1
		forget
	done
	agent --fail DENIED 60000
	behind_the_gateway_fares drop_failed EHOSTUNREACH
	same "questions" "$(questions $B4)" 1
	forget
	expect "policy" sotto a policy del 10.8.1.0/24
	expect "policy" sotto a policy del 10.8.2.0/24
}

# behind_the_gateway_fares VERDICT ERROR: what is preferred so, and what is protected is refused.
behind_the_gateway_fares() {
	local n

	for n in 1 2 3; do
		same "preferred" "$(traffic a -t 100 udp-try 10.8.1.1 5003 100)" "$2"
		same "protected" "$(traffic a udp-try 10.8.2.1 5003 100)" EHOSTUNREACH
	done
	same "trace of the preferred" "$(verdict a 10.8.1.1)" "$1"
	same "trace of the protected" "$(verdict a 10.8.2.1)" drop_failed
}

# What waits for a gateway that policy does not name any more is not for that one to read.
what_waits_goes_by_the_gateway_of_then() {
	local new=10.7.1.3

	address b wire $new/24
	expect "policy" sotto a policy add 10.8.1.0/24 protect via $B4
	agent --ignore
	capture moved b wire "udp port $DATA_PORT or net 10.8.0.0/16"
	expect "send" traffic a udp-send 10.8.1.1 5003 5 100
	await "they wait" 5 stat_is a out_queued 5
	expect "by another gateway from now on" sotto a policy replace 10.8.1.0/24 protect via $new
	gateway_has_keys $B4
	await "they wait for that one" 5 tunnel_is a $new acquiring
	same "waiting" "$(stat a out_queued)" 5
	gateway_has_keys $new
	await "they go" 5 stat_is a out_queued 0
	end_capture moved
	same "to the old one" "$(frames moved "dst host $B4")" 0
	same "to the new one" "$(frames moved "dst host $new")" 5
	forget
	expect "policy" sotto a policy del 10.8.1.0/24
	ip -n "$(ns_name b)" addr del $new/24 dev wire
}

# gateway_has_keys ADDRESS: a may send there, in tunnel mode.
gateway_has_keys() {
	expect "keys for $1" sotto a sa add out spi $SPI peer "$1" mode tunnel \
		cipher chacha20poly1305 key-file "$(key $SPI)"
	SPI=$((SPI + 2))
}

# Packets that wait know their connections, for which a namespace that goes would wait in turn. They
# are forwarded ones: those of a socket hold the namespace itself, as long as they wait.
namespace_goes_though_packets_wait() {
	local users=/sys/module/sotto/refcnt before

	before=$(<$users)
	make_hosts d
	connect b other d wire
	address d wire 10.7.3.2/24
	up d 10.7.3.0/24
	on d sysctl -qw net.ipv4.ip_forward=1
	address b other 10.7.3.1/24
	route d 10.9.9.9 via 10.7.3.1
	route b 10.9.9.9 via 10.7.3.2
	expect "a long time-out" sotto d set acquire-timeout 600000
	expect "policy" sotto d policy add 10.9.9.9/32 protect
	expect "conntrack" on d nft "add table inet t; add chain inet t c { type filter hook output priority 0; };
		add rule inet t c ct state new accept"
	expect "send" traffic b udp-send 10.9.9.9 5003 1 100
	await "it is queued" 5 stat_is d out_queued 1
	expect "it goes" ip netns del "$(ns_name d)"
	hosts=("${hosts[@]/#d/}")
	await "what it had of the module" 20 same_users $users "$before"
}

same_users() {
	[ "$(<"$1")" = "$2" ]
}

# limit SETTING VALUE COUNTER FIRST LAST: datagrams to many destinations.
limit() {
	local before i

	before=$(stat a "$3")
	expect "$1" sotto a set "$1" "$2"
	for ((i = $4; i <= $5; i++)); do
		traffic a -t 1 udp-try "10.7.1.$i" 9 100 >/dev/null
	done
	over=$(($(stat a "$3") - before))
}

limits_hold_and_are_counted() {
	local over

	route a 10.7.1.128/25 via $B4
	agent --ignore
	limit max-acquires 4 out_drop_max_acquires 130 139
	same "past max-acquires" $over 6
	expect "a limit's end" sotto a set max-acquires 1024
	expect "forget tunnels" sotto a tunnel flush
	limit max-tunnels 4 out_drop_max_tunnels 130 139
	same "past max-tunnels" $over 6
	same "trace" "$(verdict a 10.7.1.200)" drop_limit
	expect "a limit's end" sotto a set max-tunnels 1048576
	expect "forget tunnels" sotto a tunnel flush
	limit max-ns-queue-packets 4 out_drop_ns_queue 130 139
	same "past max-ns-queue-packets" $over 6
	same "queued" "$(stat a out_queued)" 4
	check_sums a
	expect "a limit's end" sotto a set max-ns-queue-packets 4096
	expect "forget tunnels" sotto a tunnel flush
	same "queued" "$(stat a out_queued)" 0
	expect "one packet at most" sotto a set max-queue-bytes 1
	limit max-queue-bytes 1 out_drop_tunnel_queue 130 131
	same "past max-queue-bytes" $over 2
	expect "a limit's end" sotto a set max-queue-bytes 1048576
	forget
}

# sends_by HOST ADDRESS SPI, for await: what goes there has this SPI.
sends_by() {
	[ "$(sotto "$1" -j tunnel show | jq -r --arg dst "$2" \
		'.[] | select(.destination == $dst) | .spi_out')" = "$(printf '0x%08x' "$3")" ]
}

# b has new keys and a not yet, as when a server has just introduced them: b goes on with the old
# ones until a has shown that it has the new ones. a shows it unasked, and is answered.
new_keys_are_used_when_the_other_end_shows_them() {
	local old=$SPI there=$((SPI + 2)) back=$((SPI + 3)) words="cipher chacha20poly1305 key-file"
	local dummies_a dummies_b

	SPI=$((SPI + 4))
	both_ways a $A4,$A6 b $B4,$B6 aes256gcm "$old"
	expect "b's new inbound SA" sotto b sa add in spi $there peer $A4,$A6 $words "$(key $there)" \
		confirm-seconds 60
	expect "b's new outbound SA" sotto b sa add out spi $back peer $A4,$A6 $words "$(key $back)" \
		pair-spi $there confirm
	expect "b still sends by the old one" sends_by b $A4 $((old + 1))
	expect "so a hears it" pings b $A4
	dummies_a=$(stat a in_dummy) dummies_b=$(stat b in_dummy)
	expect "a's new inbound SA" sotto a sa add in spi $back peer $B4,$B6 $words "$(key $back)"
	expect "a's new outbound SA" sotto a sa add out spi $there peer $B4,$B6 $words "$(key $there)" \
		pair-spi $back probe
	await "b sends by the new one" 5 sends_by b $A4 $back
	await "b's dummy was opened by a" 5 grown a in_dummy "$dummies_a"
	at_least "and a's by b" "$(stat b in_dummy)" $((dummies_b + 1))
	expect "by the new ones" pings b $A4
	expect "b forgets" sotto b tunnel flush
	expect "a forgets" sotto a tunnel flush
}

# grown HOST COUNTER NUMBER, for await
grown() {
	[ "$(stat "$1" "$2")" -gt "$3" ]
}

has_sa() {
	sotto "$1" -j sa show | jq -e --arg spi "$(printf '0x%08x' "$2")" \
		'any(.[]; .dir == "in" and .spi == $spi)'
}

no_sa() {
	! has_sa "$@"
}

# One that was there before, and one that was used, are there when the last one has ended.
keys_that_nobody_shows_end() {
	local spi=$SPI words="peer $A4,$A6 cipher chacha20poly1305 key-file"

	SPI=$((SPI + 3))
	expect "b's SA, which waits long" sotto b sa add in spi "$spi" $words "$(key "$spi")" confirm-seconds 600
	expect "a's SA" sotto a sa add out spi $((spi + 1)) peer $B4,$B6 cipher chacha20poly1305 \
		key-file "$(key $((spi + 1)))"
	key $((spi + 2)) >/dev/null	# nothing but what must takes of the seconds
	expect "b's SA, which is used" sotto b sa add in spi $((spi + 1)) $words "$(key $((spi + 1)))" confirm-seconds 5
	expect "a datagram" traffic a udp-send $B4 5003 1 100
	expect "b's SA, which is not" sotto b sa add in spi $((spi + 2)) $words "$(key $((spi + 2)))" confirm-seconds 5
	expect "it is there" has_sa b $((spi + 2))
	await "its end" 10 no_sa b $((spi + 2))
	expect "who waits is there" has_sa b "$spi"
	expect "who was used is there" has_sa b $((spi + 1))
	expect "b forgets" sotto b tunnel flush
	expect "a forgets" sotto a tunnel flush
}

counters_add_up() {
	check_sums a b
}

run_tests setup queued_datagrams_arrive_once_and_in_order first_packets_are_not_lost \
	one_session_serves_all_addresses without_an_agent_it_fails_with_a_name \
	silent_agent_is_asked_again new_agent_is_asked_what_the_old_one_was \
	refusal_is_remembered_for_its_time prefer_goes_clear_for_a_stranger_only \
	preferred_keys_that_end_are_asked_for_as_such \
	new_keys_are_used_when_the_other_end_shows_them keys_that_nobody_shows_end \
	what_waits_goes_as_policy_says_then a_gateways_refusal_is_of_all_behind_it \
	what_waits_goes_by_the_gateway_of_then namespace_goes_though_packets_wait \
	limits_hold_and_are_counted counters_add_up
