#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Rubbish at every door: damaged packets on the wire, bursts of them, lying headers sealed by
# an honest host, and requests to the module that no program makes. The kernel does not
# complain (best asked of a kernel with KASAN), the counters add up, what is sent meanwhile
# leaves no plaintext, and afterwards all works as before.
#
# SOTTO_FUZZ_SECONDS for each of them (default 15), SOTTO_FUZZ_SEED to repeat a run.

. "$(dirname "$0")/lib.sh"
begin
need ping

SECONDS_EACH=${SOTTO_FUZZ_SECONDS:-15}
SEED=${SOTTO_FUZZ_SEED:-$(od -An -N 4 -tu4 /dev/urandom | tr -d ' ')}
FUZZPKT=$(program fuzzpkt) || skip_all "there is no program fuzzpkt; build selftests first"
spi=$((0x1000))

setup() {
	note "seed $SEED"
	make_routed
	# What the router forges must get to the shim.
	on r sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.left.rp_filter=0
	up a $A4 $A6
	up b $B4 $B6
	expect "policy" sotto a policy add 10.7.2.0/24 protect
	expect "policy" sotto a policy add fd07:2::/64 protect
	expect "policy" sotto b policy add 10.7.1.0/24 protect
	expect "policy" sotto b policy add fd07:1::/64 protect
	both_ways a $A4,$A6 b $B4,$B6 aes256gcm $spi
	expect "it works" works
}

works() {
	pings a $B4 && pings b $A6 && bulk a b $B4 1 && bulk b a $A6 1
}

# meanwhile COMMAND…: honest traffic of all kinds around it, and a watch on the wire.
meanwhile() {
	local pids=

	# Extension headers stay outside: no filter finds the port behind them. The router
	# complains in its own name.
	capture plain r left "$PLAINTEXT and not src host 10.7.1.254 and not src host fd07:1::fe and not
		(ip6 and (ip6[6] == 0 or ip6[6] == 43 or ip6[6] == 44 or ip6[6] == 60))"
	traffic b -t 3600000 -b tcp-recv 5011 >/dev/null
	launch a "$TRAFFIC" -t 3600000 tcp-send $B4 5011 </dev/zero >/dev/null 2>&1
	pids+=" $!"
	launch b "$TRAFFIC" -g 2000 udp-send $A6 5012 10000000 1000 >/dev/null 2>&1
	pids+=" $!"
	launch a "$TRAFFIC" -g 2000 udp-send $B6 5012 10000000 4000 >/dev/null 2>&1
	pids+=" $!"
	note "$("$@" 2>&1)"
	kill -KILL $pids 2>/dev/null
	wait $pids 2>/dev/null
	end_plain plain
	# Keys that saw a storm of numbers may have had theirs used up.
	spi=$((spi + 2))
	both_ways a $A4,$A6 b $B4,$B6 chacha20poly1305 $spi
	expect "all works" works
}

seen() {
	stat b in_seen
}

damaged_packets() {
	local mac before=$(seen)

	mac=$(ip -n "$(ns_name b)" -j link show wire | jq -r '.[].address')
	meanwhile on r "$FUZZPKT" wire left right "$mac" "$SECONDS_EACH" "$SEED"
	at_least "packets that b saw" $(($(seen) - before)) 1000
	note "dropped: $(stats b | awk '/^in_drop_/ && $2' | paste -sd ' ')"
}

bursts_of_rubbish() {
	local before=$(seen)

	meanwhile on r "$FUZZPKT" bursts $A4 $B4 $spi $((SECONDS_EACH / 2)) "$SEED"
	meanwhile on r "$FUZZPKT" bursts $A6 $B6 $spi $((SECONDS_EACH / 2)) "$SEED"
	at_least "packets that b saw" $(($(seen) - before)) 1000
}

lying_headers_inside() {
	local before=$(stat b in_opened)

	meanwhile on a "$FUZZPKT" inner $B4 $((SECONDS_EACH / 2)) "$SEED"
	meanwhile on a "$FUZZPKT" inner $B6 $((SECONDS_EACH / 2)) "$SEED"
	at_least "packets that b opened" $(($(stat b in_opened) - before)) 1000
}

odd_requests() {
	make_hosts c
	up c 10.9.0.1
	expect "requests" on c "$PYTHON" "$here/helpers/fuzz_netlink.py" "$SECONDS_EACH" "$SEED" || return
	expect "down" sotto c down
	expect "the others are untouched" works
}

counters_add_up() {
	check_sums a b
}

run_tests setup damaged_packets bursts_of_rubbish lying_headers_inside odd_requests counters_add_up
