#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# NAT between the ends, and Linux's xfrm (espinudp) in the place of either of them.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/natnet.sh"
begin
need ping nft conntrack

declare -A ALG=([aes256gcm]='rfc4106(gcm(aes))' [chacha20poly1305]='rfc7539esp(chacha20,poly1305)')

xfrm() {
	local h=$1
	shift

	on "$h" ip xfrm "$@"
}

# xfrm_state HOST FROM TO SPI MODE
xfrm_state() {
	expect "xfrm state $4 on $1" xfrm "$1" state add src "$2" dst "$3" proto esp spi "$4" \
		mode "$5" reqid 1 replay-window 2048 flag esn \
		aead "${ALG[chacha20poly1305]}" "$(cat "$(key "$4")")" 128 \
		encap espinudp $DATA_PORT $DATA_PORT 0.0.0.0
}

# xfrm_policy HOST FROM TO DIR TEMPLATE_FROM TEMPLATE_TO MODE: of inner flows alone.
xfrm_policy() {
	local proto

	for proto in "proto icmp" "proto tcp" "proto udp sport 5002" "proto udp dport 5002"; do
		expect "xfrm policy $4 on $1" xfrm "$1" policy add src "$2" dst "$3" $proto dir "$4" \
			tmpl src "$5" dst "$6" proto esp reqid 1 mode "$7" || return
	done
}

# xfrm_end HOST: it is xfrm's from now on.
xfrm_end() {
	expect "$1 without us" sotto "$1" down
	expect "xfrm's socket" traffic "$1" -b udp-encap $DATA_PORT
}

xfrm_behind_the_nat() {
	local mode to_b to_a

	masquerade
	xfrm_end b
	for mode in transport tunnel; do
		to_b=$SPI to_a=$((SPI + 1)) SPI=$((SPI + 2))
		sotto a tunnel flush
		xfrm b state flush
		xfrm b policy flush
		xfrm_state b $A4 $B4 $to_b $mode
		xfrm_state b $B4 $A4 $to_a $mode
		xfrm_policy b $B4 $A4 out $B4 $A4 $mode
		xfrm_policy b $A4 $B4 in $A4 $B4 $mode
		expect "a's inbound SA" sotto a sa add in spi $to_a peer $B4 mode $mode nat \
			cipher chacha20poly1305 key-file "$(key $to_a)"
		expect "a's outbound SA" sotto a sa add out spi $to_b peer $B4 mode $mode nat \
			cipher chacha20poly1305 key-file "$(key $to_b)" pair-spi $to_a
		exchange || return
		same "the endpoint" "$(endpoint)" $N4:$DATA_PORT
		swap $N4 $OTHER
		# It answers no challenge, so it has to show itself for longer.
		on b ping -n -q -c 5 -i 0.4 -W 1 $A4 >/dev/null
		same "the endpoint" "$(endpoint)" $OTHER:$DATA_PORT
		expect "ping from outside" pings a $B4
		swap $OTHER $N4
		on b ping -n -q -c 5 -i 0.4 -W 1 $A4 >/dev/null
	done
	xfrm b state flush
	xfrm b policy flush
}

# In transport mode xfrm knows the peer by what the NAT makes of it.
xfrm_outside() {
	local mode to_b to_a inner

	if pkill_encap b; then
		await "the end of xfrm's socket" 5 free_port b
		up b $B4
		expect "policy" sotto b policy add $A4/32 protect
	fi
	masquerade
	xfrm_end a
	for mode in tunnel transport; do
		inner=$B4
		[ $mode = tunnel ] || inner=$N4
		to_b=$SPI to_a=$((SPI + 1)) SPI=$((SPI + 2))
		sotto b tunnel flush
		xfrm a state flush
		xfrm a policy flush
		xfrm_state a $N4 $A4 $to_a $mode
		xfrm_state a $A4 $N4 $to_b $mode
		xfrm_policy a $A4 $inner out $A4 $N4 $mode
		xfrm_policy a $inner $A4 in $N4 $A4 $mode
		expect "b's inbound SA" sotto b sa add in spi $to_b peer $A4 mode $mode \
			cipher chacha20poly1305 key-file "$(key $to_b)"
		expect "b's outbound SA" sotto b sa add out spi $to_a peer $A4 mode $mode keepalive \
			cipher chacha20poly1305 key-file "$(key $to_a)" pair-spi $to_b
		expect "ping from inside" pings b $A4 &&
			expect "ping from outside" pings a $inner &&
			expect "datagrams" udp_sizes b a $A4 1 1400 200 &&
			expect "TCP from inside" bulk b a $A4 1 &&
			expect "TCP from outside" bulk a b $inner 1 || return
	done
	# Not every kernel counts them.
	[ ! -e /proc/net/xfrm_stat ] ||
		same "xfrm's input errors" "$(on a awk '/^XfrmIn/ && $2' /proc/net/xfrm_stat)" ""
}

free_port() {
	! on "$1" ss -lunH | grep -q ":$DATA_PORT "
}

# pkill_encap HOST: false if xfrm was not there.
pkill_encap() {
	local pid found=1

	for pid in $(ip netns pids "$(ns_name "$1")"); do
		grep -q udp-encap "/proc/$pid/cmdline" && kill "$pid" && found=0
	done
	return $found
}

counters_add_up() {
	check_sums a b
}

run_tests setup xfrm_behind_the_nat xfrm_outside counters_add_up
