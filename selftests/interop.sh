#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Peers that are not ours: the kernel's own xfrm (ESP in UDP, transport mode, extended
# sequence numbers) talks with the shim both ways, and tshark and scapy open what it sent.
#
# a is the shim's host, b is xfrm's.

. "$(dirname "$0")/lib.sh"
begin keylog=1
need ping socat

SPI=0x5000		# the next pair of SPIs
BULK=${BULK:-100}		# megabytes of TCP in each direction, with each cipher
FEW=4			# and where it was done already, over the other family
STEP=1			# between the sizes of datagrams
[ -z "${SOTTO_SMOKE:-}" ] || BULK=$FEW STEP=7

xfrm() {
	on b ip xfrm "$@"
}

# xfrm's names: the key file has key and salt, as ip-xfrm(8) takes them.
declare -A ALG=([aes256gcm]='rfc4106(gcm(aes))' [chacha20poly1305]='rfc7539esp(chacha20,poly1305)')

# xfrm_state FROM TO SPI CIPHER SEQUENCE…
xfrm_state() {
	local from=$1 to=$2 spi=$3 cipher=$4
	shift 4

	expect "xfrm state $spi" xfrm state add src "$from" dst "$to" proto esp spi "$spi" \
		mode transport reqid 1 replay-window 2048 flag esn "$@" \
		aead "${ALG[$cipher]}" "$(cat "$(key "$spi")")" 128 \
		encap espinudp $DATA_PORT $DATA_PORT 0.0.0.0
}

# What is to be protected, by xfrm's selectors. They name inner flows, not all of UDP: a
# receiving socket checks policy for the packet outside, too. ND stays outside.
xfrm_policy() {
	local from=$1 to=$2 dir=$3 proto
	local -a flows=("proto tcp" "proto udp sport 5002" "proto udp dport 5002")

	if [[ $from == *:* ]]; then
		flows+=("proto ipv6-icmp type 128" "proto ipv6-icmp type 129")
	else
		flows+=("proto icmp")
	fi
	for proto in "${flows[@]}"; do
		expect "xfrm policy $dir $proto" xfrm policy add src "$from" dst "$to" $proto \
			dir "$dir" tmpl src "$from" dst "$to" proto esp reqid 1 mode transport || return
	done
}

setup() {
	make_pair
	up a $A4 $A6
	expect "policy" sotto a policy add $B4/32 protect
	expect "policy" sotto a policy add $B6/128 protect
	expect "xfrm's socket" traffic b -b udp-encap $DATA_PORT
	xfrm_policy $B4 $A4 out
	xfrm_policy $A4 $B4 in
	xfrm_policy $B6 $A6 out
	xfrm_policy $A6 $B6 in
}

# keyed A_ADDRESS B_ADDRESS CIPHER: both ends, both ways. The low words of the sequence
# numbers are about to wrap, and the high ones are not zero and differ.
keyed() {
	local a=$1 b=$2 cipher=$3 out=$SPI in=$((SPI + 1)) low=0xfffffc00

	SPI=$((SPI + 2))
	xfrm state deleteall
	xfrm_state "$a" "$b" "$out" "$cipher" replay-seq $low replay-seq-hi 8 || return
	xfrm_state "$b" "$a" "$in" "$cipher" replay-oseq $low replay-oseq-hi 5 || return
	expect "outbound SA" sotto a sa add out spi "$out" peer "$b" cipher "$cipher" \
		key-file "$(key "$out")" sport $DATA_PORT seq $(((8 << 32) + low)) || return
	expect "inbound SA" sotto a sa add in spi "$in" peer "$b" cipher "$cipher" \
		key-file "$(key "$in")" seq $(((5 << 32) + low))
}

# talk A_ADDRESS B_ADDRESS CIPHER MEGABYTES: everything there is, then how much it was.
talk() {
	local a=$1 b=$2 cipher=$3 size=$4 sealed opened

	keyed "$a" "$b" "$cipher" || return
	sealed=$(stat a out_sealed)
	opened=$(stat a in_opened)
	expect "ping from the shim" pings a "$b"
	expect "ping from xfrm" pings b "$a"
	expect "every size up to what fits, and past it" udp_sizes a b "$b" 1 1500 $STEP
	expect "sizes from xfrm" udp_sizes b a "$a" 1 1500 49
	expect "sizes that fragment" udp_sizes a b "$b" 1501 65000 7001
	expect "sizes that fragment, from xfrm" udp_sizes b a "$a" 1501 65000 9001
	expect "TCP from the shim" bulk a b "$b" "$size"
	expect "TCP from xfrm" bulk b a "$a" "$size"
	[ "$size" -lt 100 ] && return
	at_least "packets to xfrm" $(($(stat a out_sealed) - sealed)) 10000
	at_least "packets from xfrm" $(($(stat a in_opened) - opened)) 10000
}

aes_over_ipv4() {
	talk $A4 $B4 aes256gcm $BULK
}

chacha_over_ipv4() {
	talk $A4 $B4 chacha20poly1305 $FEW
}

aes_over_ipv6() {
	talk $A6 $B6 aes256gcm $FEW
}

chacha_over_ipv6() {
	talk $A6 $B6 chacha20poly1305 $BULK
}

# Of 65535 bytes that an IP packet has, ESP in UDP takes 42 and padding.
the_largest_that_fits() {
	local dropped

	keyed $A4 $B4 chacha20poly1305
	expect "over IPv4" udp_sizes a b $B4 65462 65462 1
	keyed $A6 $B6 aes256gcm
	expect "over IPv6" udp_sizes a b $B6 65482 65482 1
	dropped=$(stat a out_drop_too_big)
	traffic a -t 200 udp-try $B6 5002 65483 >/dev/null
	same "one byte past it, counted" "$(stat a out_drop_too_big)" $((dropped + 1))
}

no_errors_were_counted() {
	local bad

	same "the shim's drops" "$(stats a | awk '/_drop_/ && !/too_big/ && $2')" ""
	[ -e /proc/net/xfrm_stat ] || { skip "this kernel does not count xfrm's errors"; return; }
	bad=$(on b awk '/^XfrmIn/ && $2' /proc/net/xfrm_stat)
	same "xfrm's input errors" "$bad" ""
	at_least "XfrmIn counters there are" "$(on b grep -c ^XfrmIn /proc/net/xfrm_stat)" 10
	same "xfrm's output errors" "$(on b awk '/^XfrmOut/ && $2' /proc/net/xfrm_stat)" ""
}

keylog_is_on() {
	[ "$(cat /sys/module/sotto/parameters/keylog)" = Y ]
}

# marked A_ADDRESS B_ADDRESS CIPHER FILE: a datagram with a marker, captured.
marked() {
	local pid

	keyed "$1" "$2" "$3" || return
	pid=$(traffic b -b udp-echo 5002)
	capture "$4" b wire $DEEP udp port $DATA_PORT
	printf 'MARKER-%s-MARKER' "$4" | on a socat -t 1 - "UDP:${2/#*:*/[$2]}:5002" >"$tmp/back"
	end_capture "$4"
	kill "$pid"
	same "the echo" "$(cat "$tmp/back")" "MARKER-$4-MARKER"
	same "captures that show the marker" "$(grep -ac MARKER "$tmp/$4.pcap")" 0
}

# The lines are those of Wireshark 4.0 (eight fields; later ones add two, for ESN).
tshark_opens_aes() {
	local line fields=8 text
	local -a tables=()

	command -v tshark >/dev/null || { skip "there is no program tshark"; return; }
	keylog_is_on || { skip "the module was loaded without keylog=1"; return; }
	marked $A4 $B4 aes256gcm tshark || return
	tshark --version 2>/dev/null | head -n 1 | grep -qE ' (4\.[0-1]|[0-3])\.' || fields=10
	while read -r line; do
		[ $fields = 8 ] || line+=',"32-bit",""'
		tables+=(-o "uat:esp_sa:$line")
	done < <(sotto a keylog all | grep '"IPv4"')
	at_least "key lines" ${#tables[@]} 2
	text=$(tshark -r "$tmp/tshark.pcap" -d "udp.port==$DATA_PORT,udpencap" \
		-o esp.enable_encryption_decode:TRUE "${tables[@]}" -T fields -e data.text \
		-o data.show_as_text:TRUE -e udp.dstport 2>"$tmp/tshark.err")
	same "datagrams that it read" "$(grep -c 'MARKER-tshark-MARKER' <<<"$text")" 2
	[ "$result" = ok ] || note "$text" "$(cat "$tmp/tshark.err")"
}

scapy_opens() {
	local cipher=$1 name=$2

	"$PYTHON" -c 'import scapy' 2>/dev/null || { skip "there is no python3-scapy"; return; }
	keylog_is_on || { skip "the module was loaded without keylog=1"; return; }
	marked $A6 $B6 "$cipher" "$name" || return
	sotto a keylog all >"$tmp/keys"
	expect "opened by scapy" "$PYTHON" "$here/helpers/open_esp.py" "$tmp/$name.pcap" \
		"$tmp/keys" 2 "MARKER-$name-MARKER" --esn-out 8 --esn-in 5
}

scapy_opens_chacha() {
	scapy_opens chacha20poly1305 scapy
}

counters_add_up() {
	check_sums a
}

run_tests setup aes_over_ipv4 chacha_over_ipv4 aes_over_ipv6 chacha_over_ipv6 \
	the_largest_that_fits no_errors_were_counted tshark_opens_aes scapy_opens_chacha \
	counters_add_up
