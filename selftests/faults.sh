#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What everything else stands on gives way: memory, ciphers, devices, namespaces, and at last
# the module itself, each under load. Nothing leaks, nothing leaves in the clear, and what is
# left works on.
#
# Memory is made to fail by the kernel's fault injection, which only a debug kernel has.

. "$(dirname "$0")/lib.sh"
begin
need ping ss

ROUNDS=${SOTTO_STRESS:+100}
# Of devices and namespaces; the module goes five times at least.
ROUNDS=${ROUNDS:-${SOTTO_ROUNDS:-2}}
SLACK=400		# objects that may be somewhere on their way, in a slab's count
FAULTS=/sys/kernel/debug
spi=$((0x3000))
loads=

crypto_alg() {
	"$PYTHON" "$here/helpers/crypto_alg.py" "$@"
}

nth_fault() {
	on a "$PYTHON" "$here/helpers/nth_fault.py" "$@"
}

# keys_for CIPHER: fresh ones both ways.
keys_for() {
	spi=$((spi + 16))
	both_ways a $A4,$A6 b $B4,$B6 "$1" $spi
}

# policies ACTION: at both hosts, for each other.
policies() {
	local h prefix

	for h in a b; do
		for prefix in 10.7.1.0/24 fd07:1::/64; do
			expect "policy of $h" sotto $h policy add $prefix "$1"
		done
	done
}

# A wire with a delay, so that there is always something under way.
wire() {
	local h

	connect a wire b wire
	address a wire $A4/24 $A6/64
	address b wire $B4/24 $B6/64
	for h in a b; do
		on $h tc qdisc add dev wire root netem delay 3ms limit 1000 2>/dev/null
	done
}

# load: TCP and UDP, both ways and both families, until end_load.
load() {
	loads+=" $(traffic b -t 3600000 -b tcp-recv 5011)"
	loads+=" $(traffic a -t 3600000 -b tcp-recv 5011)"
	launch a "$TRAFFIC" -t 3600000 tcp-send $B4 5011 </dev/zero >/dev/null 2>&1
	loads+=" $!"
	launch b "$TRAFFIC" -t 3600000 tcp-send $A6 5011 </dev/zero >/dev/null 2>&1
	loads+=" $!"
	launch a "$TRAFFIC" -g 500 udp-send $B6 5012 10000000 1200 >/dev/null 2>&1
	loads+=" $!"
	launch b "$TRAFFIC" -g 500 udp-send $A4 5012 10000000 3000 >/dev/null 2>&1
	loads+=" $!"
}

end_load() {
	kill -KILL $loads 2>/dev/null
	wait $loads 2>/dev/null
	loads=
}

setup() {
	modprobe -aq crypto_user
	modprobe -q cryptd cryptd_max_cpu_qlen=8
	[ ! -e /sys/module/cryptomgr/parameters/notests ] ||
		echo 1 >/sys/module/cryptomgr/parameters/notests
	A4=10.7.1.1 A6=fd07:1::1 B4=10.7.1.2 B6=fd07:1::2
	make_hosts a b
	wire
	up a $A4 $A6
	up b $B4 $B6
	policies protect
	keys_for aes256gcm
	expect "it works" pings a $B4
	slabs_before=$(slabs)
}

# works: after whatever happened, as before.
works() {
	expect "ping" pings a $B4
	expect "ping over IPv6" pings b $A6
	expect "bulk" bulk a b $B4 1
	expect "bulk back, over IPv6" bulk b a $A6 1
}

# --- memory -------------------------------------------------------------------------------

can_fail() {
	[ -d $FAULTS/failslab ] || { skip "this kernel injects no faults"; return 1; }
}

# Silently, or each would look like a complaint of the kernel's.
prepare_to_fail() {
	local what

	for what in failslab fail_page_alloc fail_usercopy; do
		echo 0 >$FAULTS/$what/verbose
		echo 1 >$FAULTS/$what/interval
		echo -1 >$FAULTS/$what/times
		echo 0 >$FAULTS/$what/probability
	done
	echo 0 >$FAULTS/fail_page_alloc/min-order
	# Those that may sleep fail, too: only those of a marked task, or the guest could not go on.
	echo N >$FAULTS/failslab/ignore-gfp-wait
	echo N >$FAULTS/fail_page_alloc/ignore-gfp-wait
}

# of_tunnel NAME [ADDRESS]: what a's tunnel to b has counted.
of_tunnel() {
	sotto a tunnel show -j | jq --arg to "${2:-$B4}" ".[] | select(.destination == \$to) | .$1"
}

# taken_up: packets that a gave to the cipher.
taken_up() {
	echo $(($(stat a out_sealed) + $(stat a out_drop_crypto)))
}

# For want of memory: the cipher asks for some, too.
lost() {
	echo $(($(stat a out_drop_nomem) + $(stat a out_drop_crypto)))
}

each_allocation_of_sending_fails() {
	local taken lost packets drops

	can_fail || return
	prepare_to_fail
	taken=$(taken_up) packets=$(of_tunnel tx_packets)
	lost=$(lost) drops=$(of_tunnel drops)
	capture plain b wire "$PLAINTEXT"
	expect "over IPv4" nth_fault send $B4 5012
	expect "no bursts" sotto a set gso off
	expect "one by one" nth_fault cut $B4 5012
	expect "bursts" sotto a set gso on
	same "the tunnel's packets" $(($(of_tunnel tx_packets) - packets)) \
		$(($(taken_up) - taken))
	same "and those it lost" $(($(of_tunnel drops) - drops)) $(($(lost) - lost))
	expect "over IPv6" nth_fault send $B6 5012
	expect "to nobody known" nth_fault send 10.7.1.99 5012
	at_least "packets lost to it" "$(stat a out_drop_nomem)" 1
	await "nobody is forgotten" 30 tunnel_is a 10.7.1.99 ""
	end_plain plain
	works
}

# In tunnel mode over IPv6 a datagram is cut before it is sealed: some of it has left then.
each_allocation_of_cutting_fails() {
	local lost drops

	can_fail || return
	prepare_to_fail
	capture plain b wire "$PLAINTEXT"
	spi=$((spi + 16))
	expect "b's SA" sotto b sa add in spi $spi peer $A4,$A6 mode tunnel \
		cipher chacha20poly1305 key-file "$(key $spi)"
	expect "a's SA" sotto a sa add out spi $spi peer $B4,$B6 mode tunnel \
		cipher chacha20poly1305 key-file "$(key $spi)"
	lost=$(lost) drops=$(of_tunnel drops $B6)
	expect "fragments" nth_fault cut $B6 5012
	end_plain plain
	check_sums a b
	at_least "fragments and datagrams lost" $(($(lost) - lost)) 4
	same "those that the tunnel lost" $(($(of_tunnel drops $B6) - drops)) $(($(lost) - lost))
	keys_for aes256gcm
	works
}

each_allocation_of_a_command_fails() {
	local before

	can_fail || return
	prepare_to_fail
	make_hosts c
	up c 10.9.0.1
	expect "every command" on c "$PYTHON" "$here/helpers/nth_fault.py" netlink
	expect "flush" sotto c tunnel flush
	await "no SA is left" 5 keyless c
	same "policies" "$(sotto c policy show -j | jq length)" 0
	expect "an SA" sotto c sa add in spi 0x5000 peer 10.9.0.2 cipher aes256gcm key-file "$(key x)"
	expect "down" sotto c down
}

keyless() {
	[ "$(sotto "$1" -j status | jq .module.sas)" = 0 ]
}

# Those that may not sleep fail, one in ten, wherever they are.
allocations_fail_at_random() {
	local what lost

	can_fail || return
	prepare_to_fail
	capture plain b wire "$PLAINTEXT"
	lost=$(($(stat a out_drop_nomem) + $(stat b out_drop_nomem) +
		$(stat a in_drop_nomem) + $(stat b in_drop_nomem)))
	load
	for what in failslab fail_page_alloc; do
		echo Y >$FAULTS/$what/ignore-gfp-wait
		echo 10 >$FAULTS/$what/probability
	done
	sleep 4
	for what in failslab fail_page_alloc; do
		echo 0 >$FAULTS/$what/probability
	done
	end_load
	end_plain plain
	lost=$(($(stat a out_drop_nomem) + $(stat b out_drop_nomem) +
		$(stat a in_drop_nomem) + $(stat b in_drop_nomem) - lost))
	note "packets lost to it: $lost"
	at_least "packets lost to it" $lost 10
	works
}

# --- ciphers ------------------------------------------------------------------------------

# Packets that were lost on their way into a's tunnels, all of them.
lost_by_tunnels() {
	sotto a tunnel show -j | jq 'map(.drops) | add'
}

# A queue of eight requests refuses most.
ciphers_refuse() {
	local drops refused

	driver=$(crypto_alg wrap cryptd "gcm(aes)" 2>"$tmp/wrap") ||
		{ skip "no cryptd: $(<"$tmp/wrap")"; return; }
	keys_for aes256gcm
	drops=$(lost_by_tunnels) refused=$(stat a out_drop_crypto)
	capture plain b wire "$PLAINTEXT"
	load
	# As fast as they can, so that nothing empties the queue meanwhile.
	launch a "$TRAFFIC" udp-send $B4 5013 10000000 100 >/dev/null 2>&1
	loads+=" $!"
	launch b "$TRAFFIC" udp-send $A4 5013 10000000 100 >/dev/null 2>&1
	loads+=" $!"
	await "a's cipher refuses" 20 moved a out_drop_crypto 100
	await "b's refuses to open" 20 moved b in_drop_crypto 1
	end_load
	end_plain plain
	works
	same "what a's tunnels lost" $(($(lost_by_tunnels) - drops)) \
		$(($(stat a out_drop_crypto) - refused))
}

# moved HOST COUNTER BY: since nothing.
moved() {
	[ "$(stat "$1" "$2")" -ge "$3" ]
}

# --- devices and namespaces ---------------------------------------------------------------

# With requests in a cipher's queue, packets in the wire's, and keys that stay.
device_goes_away() {
	local i

	capture plain b any "$PLAINTEXT"
	for ((i = 0; i < ROUNDS; i++)); do
		load
		on a ping -n -q -c 1 -W 1 10.7.1.77 >/dev/null 2>&1 &
		sleep 0.5
		expect "wire cut" ip -n "$(ns_name a)" link del wire
		end_load
		wire
	done
	end_plain plain
	works
}

namespace_goes_away() {
	local i ns

	for ((i = 0; i < ROUNDS; i++)); do
		make_hosts d
		connect b other d wire
		address b other 10.7.3.1/24
		address d wire 10.7.3.2/24
		up d 10.7.3.2
		expect "b's address" sotto b addr add 10.7.3.1
		expect "policy" sotto b policy add 10.7.3.0/24 protect
		expect "policy" sotto d policy add 10.7.3.0/24 protect
		both_ways b 10.7.3.1 d 10.7.3.2 chacha20poly1305 $((0x9000 + 4 * i))
		launch b "$TRAFFIC" -g 200 udp-send 10.7.3.2 5012 10000000 1200 >/dev/null 2>&1
		loads=$!
		launch d "$TRAFFIC" udp-send 10.7.3.1 5012 10000000 1200 >/dev/null 2>&1
		ns=$!
		# Packets that wait for keys, in a namespace that will not see them come.
		on d ping -n -q -c 1 -W 1 10.7.3.77 >/dev/null 2>&1 &
		sleep 0.4
		kill -KILL $ns $!
		wait $ns $! 2>/dev/null
		expect "it goes" ip netns del "$(ns_name d)"
		hosts=("${hosts[@]/#d/}")
		await "its wire, too" 20 no_device b other
		kill -KILL $loads
		wait $loads 2>/dev/null
		loads=
		expect "policy" sotto b policy del 10.7.3.0/24
		expect "b's address" sotto b addr del 10.7.3.1
	done
	works
}

no_device() {
	! ip -n "$(ns_name "$1")" link show "$2" >/dev/null 2>&1
}

# --- the module ---------------------------------------------------------------------------

# What is protected stays so, whoever wants the module gone.
protection_holds_the_module() {
	load
	sleep 0.3
	refuse "unloading" rmmod sotto
	end_load
	works
}

# pay HOST: no socket owes memory for what it sent.
pays() {
	! on "$1" ss -Htuanm | grep -oE ',t[0-9]+' | grep -qv '^,t0$'
}

# Bulk goes on across it, in the clear, as the policy (prefer) has it.
module_goes_away() {
	local i h pid rounds=$((ROUNDS > 5 ? ROUNDS : 5))

	for ((i = 0; i < rounds; i++)); do
		for h in a b; do
			expect "no policy" sotto $h policy flush
		done
		policies prefer
		keys_for chacha20poly1305
		load
		bulk a b $B4 4 >"$tmp/bulk.out" 2>&1 &
		pid=$!
		sleep 0.4
		expect "rmmod" rmmod sotto
		end_load
		wait $pid || fail "round $i: bulk did not survive: $(<"$tmp/bulk.out")"
		expect "the module again" load_module
		up a $A4 $A6
		up b $B4 $B6
	done
	policies protect
	keys_for aes256gcm
	works
}

# --- afterwards ---------------------------------------------------------------------------

# slabs: how many packets there are, after each processor's hoard was given up.
slabs() {
	local name

	for name in skbuff_head_cache skbuff_fclone_cache; do
		echo 1 >/sys/kernel/slab/$name/shrink
	done 2>/dev/null
	awk '/^skbuff_(head|fclone)_cache/ { n += $2 } END { print n + 0 }' /proc/slabinfo
}

few_packets() {
	[ "$(slabs)" -le $((slabs_before + SLACK)) ]
}

# The module holds the ciphers that it found, wrapped ones too: it goes first.
nothing_is_left() {
	local h

	for h in a b; do
		await "socket memory of $h" 10 pays $h
	done
	note "packets before: $slabs_before, now: $(slabs)"
	await "as few packets as before" 10 few_packets
	check_sums a b
	for h in a b; do
		expect "no policy" sotto $h policy flush
	done
	expect "rmmod" rmmod sotto
	module_loaded=
	[ -z "${driver:-}" ] || await "nobody uses $driver" 10 crypto_alg unwrap "$driver"
}

run_tests setup each_allocation_of_sending_fails each_allocation_of_cutting_fails \
	each_allocation_of_a_command_fails allocations_fail_at_random ciphers_refuse \
	device_goes_away namespace_goes_away protection_holds_the_module module_goes_away nothing_is_left
