#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# NAT between the ends, in both modes, by keys put in by hand: what a NAT does to mappings, and
# what an attacker does with packets, moves endpoints or does not.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/natnet.sh"
begin
need ping nft conntrack ethtool

# keyed MODE CIPHER [WORDS for a's SAs]: both ends; b is behind a NAT, and both know.
keyed() {
	local mode=$1 cipher=$2 to_b=$SPI to_a=$((SPI + 1))
	shift 2

	SPI=$((SPI + 2))
	sotto a tunnel flush
	sotto b tunnel flush
	expect "a's inbound SA" sotto a sa add in spi $to_a peer $B4 cipher "$cipher" \
		mode "$mode" key-file "$(key $to_a)" nat &&
		expect "a's outbound SA" sotto a sa add out spi $to_b peer $B4 cipher "$cipher" \
			mode "$mode" key-file "$(key $to_b)" nat pair-spi $to_a "$@" &&
		expect "b's inbound SA" sotto b sa add in spi $to_b peer $A4 cipher "$cipher" \
			mode "$mode" key-file "$(key $to_b)" &&
		expect "b's outbound SA" sotto b sa add out spi $to_a peer $A4 cipher "$cipher" \
			mode "$mode" key-file "$(key $to_a)" keepalive pair-spi $to_b
}

endpoint_is() {
	[ "$(endpoint)" = "$1" ]
}

# Everything, both ways.
talk() {
	expect "ping from inside" pings b $A4 &&
		expect "ping from outside" pings a $B4 &&
		expect "datagrams from inside" udp_sizes b a $A4 1 3000 101 &&
		expect "datagrams from outside" udp_sizes a b $B4 1 3000 101 &&
		expect "TCP from inside" bulk b a $A4 2 &&
		expect "TCP from outside" bulk a b $B4 2
}

both_modes() {
	local mode

	for mode in transport tunnel; do
		keyed $mode "$1" || return
		"${@:2}" || return
	done
}

behind_a_masquerade() {
	masquerade
	both_modes chacha20poly1305 talk
	same "the endpoint" "$(endpoint)" $N4:$DATA_PORT
	both_modes aes256gcm exchange
}

# The port outside is not the one that b sends from.
behind_other_ports() {
	nat "oifname outside udp sport $DATA_PORT snat to $N4:20000-20009"
	both_modes chacha20poly1305 exchange
	[[ "$(endpoint)" == $N4:2000? ]] || fail "the endpoint is $(endpoint)"
}

# A port of n's that is b's: a may speak first.
behind_a_full_cone() {
	local mode

	nat 'oifname "outside" masquerade' "iifname outside udp dport $DATA_PORT dnat to $B4"
	for mode in transport tunnel; do
		keyed $mode chacha20poly1305 endpoint $N4
		expect "ping from outside first" pings a $B4
		exchange
	done
}

# What n says of a packet that is too big names the endpoint, and means the tunnel.
narrow_path_inside() {
	local updates mode

	masquerade
	ip -n "$(ns_name n)" link set inside mtu 1300
	for mode in transport tunnel; do
		keyed $mode chacha20poly1305
		expect "ping" pings b $A4
		updates=$(stat a pmtu_updates)
		ip -n "$(ns_name a)" route flush cache
		on a ping -n -q -c 1 -W 1 -M do -s 1380 $B4 >/dev/null
		await "path MTU update" 5 reached a pmtu_updates $((updates + 1)) || return
		expect "TCP from outside" bulk a b $B4 2
	done
	ip -n "$(ns_name n)" link set inside mtu 1500
}

# halves FROM TO ADDRESS COMMAND…: TCP, and in the middle of it COMMAND.
halves() {
	local from=$1 to=$2 addr=$3 file got=$tmp/halves.$2
	shift 3

	file=$(random_file 4)
	traffic "$to" -t 60000 -b -o "$got" tcp-recv 5001 >/dev/null || return
	{ head -c 2M "$file"; sleep 0.3; "$@"; tail -c +$((2 * 1024 * 1024 + 1)) "$file"; } |
		traffic "$from" -t 60000 tcp-send "$addr" 5001 || return
	sha256sum <"$got" | cmp - "$file.sha256"
}

rebinding() {
	local mode=$1 changes

	keyed "$mode" chacha20poly1305
	expect "ping" pings b $A4
	changes=$(stat a endpoint_changes)
	listen_in a
	expect "TCP from inside" halves b a $A4 swap $N4 $OTHER || return
	same "the endpoint" "$(endpoint)" $OTHER:$DATA_PORT
	# Only a has something to say: b's keepalives show where it is.
	expect "TCP from outside" halves a b $B4 swap $OTHER $N4 || return
	await "the endpoint" 10 endpoint_is $N4:$DATA_PORT
	same "changes" $(($(stat a endpoint_changes) - changes)) 2
	await "events" 5 grep -q "\"source\": *\"$OTHER\"" "$tmp/a.events"
	end_listening a
	at_least "events that tell" "$(grep -c '"endpoint"' "$tmp/a.events")" 2
}

mapping_changes_in_the_middle() {
	masquerade
	expect "keepalives" sotto b set keepalive 1
	rebinding transport
	rebinding tunnel
	expect "keepalives" sotto b set keepalive 20
}

# order WORDS…: to the forger, which is at e.
order() {
	local answer

	echo "$*" >&"${FORGER[1]}"
	read -r -t 60 -u "${FORGER[0]}" answer
	[[ $answer == ok* ]] || fail "forging '$*': $answer"
}

# sent_by_b: one ping of b's, as it left b, in hexadecimal.
sent_by_b() {
	capture sent b wire $DEEP src $B4 and udp port $DATA_PORT >&2
	on b ping -n -q -c 1 -W 1 $A4 >/dev/null
	end_capture sent >&2
	tcpdump -nr "$tmp/sent.pcap" -x 2>/dev/null |
		awk '/^\t0x/ { for (i = 2; i <= NF; i++) hex = hex $i } END { print substr(hex, 57) }'
}

others_do_not_move_it() {
	local old held before dummies

	masquerade
	keyed tunnel chacha20poly1305
	expect "ping" pings b $A4
	before=$(stat a endpoint_changes)
	coproc FORGER { on e "$PYTHON" "$here/helpers/forge.py"; } 2>"$tmp/forger"
	read -r -t 60 -u "${FORGER[0]}" _ || fail "the forger does not start"

	old=$(sent_by_b)
	stats a >"$tmp/before"
	order send src=$E4 dst=$A4 sport=4444 data="$old"
	await "replay, dropped" 5 stat_is a in_drop_replay $(($(was in_drop_replay) + 1))
	order send src=$E4 dst=$A4 sport=4444 data="$old" flip=-1
	order send src=$E4 dst=$A4 sport=4444 data=ff
	await "keepalive, consumed" 5 reached a in_keepalive $(($(was in_keepalive) + 1))
	same "the endpoint" "$(endpoint)" $N4:$DATA_PORT

	# It never came, so it is fresh, newer than all, and right. Only its sender is wrong.
	on n nft add chain ip nat forward '{ type filter hook forward priority 0; policy drop; }'
	held=$(sent_by_b)
	dummies=$(stat a out_dummy)
	capture challenge e outside "udp dst port 4444"
	order send src=$E4 dst=$A4 sport=4444 data="$held"
	await "a challenge" 5 stat_is a out_dummy $((dummies + 1))
	end_capture challenge
	same "where it went" "$(frames challenge "src $A4 and dst $E4")" 1
	same "the endpoint" "$(endpoint)" $N4:$DATA_PORT
	on n nft delete chain ip nat forward
	expect "and so it goes on" pings a $B4
	same "changes" "$(stat a endpoint_changes)" "$before"
	exec {FORGER[1]}>&-
}

was() {
	awk -v name="$1" '$1 == name { print $2 }' "$tmp/before"
}

mapped() {
	on n conntrack -L -p udp --dst $A4 2>/dev/null | grep -q "dport=$DATA_PORT"
}

unmapped() {
	! mapped
}

keepalives_keep_the_mapping() {
	local sent

	masquerade
	on n sysctl -qw net.netfilter.nf_conntrack_udp_timeout=4 net.netfilter.nf_conntrack_udp_timeout_stream=4
	keyed tunnel aes256gcm
	expect "keepalives" sotto b set keepalive 1
	expect "ping" pings b $A4
	sent=$(stat b out_keepalive)
	await "keepalives" 30 reached b out_keepalive $((sent + 6))
	mapped || fail "the mapping has lapsed all the same"
	at_least "keepalives came" "$(stat a in_keepalive)" 6
	expect "ping from outside" pings a $B4
	expect "no keepalives" sotto b set keepalive 0
	await "the mapping lapses" 30 unmapped
	refuse "ping from outside" on a ping -n -q -c 1 -W 1 $B4
	expect "ping from inside" pings b $A4
	expect "ping from outside again" pings a $B4
	expect "keepalives" sotto b set keepalive 20
	on n sysctl -qw net.netfilter.nf_conntrack_udp_timeout=30 net.netfilter.nf_conntrack_udp_timeout_stream=120
}

# reached HOST STAT NUMBER
reached() {
	[ "$(stat "$1" "$2")" -ge "$3" ]
}

# sums HOST ADDRESS: what came from there, as the host's own filters see it.
sums() {
	on "$1" nft -f - <<-NFT
		table ip sums {
			chain in { type filter hook input priority 0; ip saddr $2 log group 7; }
		}
	NFT
	launch "$1" tcpdump -Z root -l -nvv -i nflog:7 >"$tmp/sums.$1" 2>"$tmp/sums.$1.said"
	captures[sums.$1]=$!
	await "tcpdump on $1" 10 grep -q "listening on" "$tmp/sums.$1.said"
}

# wrong FILE: those that tcpdump finds wrong, but for bursts with the pseudo header's sum in
# place of one: whoever cuts them completes that.
wrong() {
	awk -v from=$A4 -v to=$B4 '
		BEGIN {
			n = split(from "." to, part, ".")
			for (i = 1; i < n; i += 2)
				addresses += part[i] * 256 + part[i + 1]
		}
		$NF > 1386 && match($0, /cksum 0x[0-9a-f]+ /) {
			sum = addresses + 6 + 32 + $NF
			while (sum > 65535)
				sum = sum % 65536 + int(sum / 65536)
			if (substr($0, RSTART + 6, RLENGTH - 7) == sprintf("0x%04x", sum))
				next
		}
		/incorrect|bad udp|wrong/' "$1"
}

end_sums() {
	busywait 10 still "$tmp/sums.$1"
	kill "${captures[sums.$1]}"
	wait "${captures[sums.$1]}"
	unset "captures[sums.$1]"
	on "$1" nft delete table ip sums
	at_least "right checksums at $1" "$(grep -cE '\(correct\)|sum ok' "$tmp/sums.$1")" 10
	same "wrong checksums at $1" "$(wrong "$tmp/sums.$1" | wc -l)" 0 ||
		note "$(wrong "$tmp/sums.$1" | head -n 3)"
}

# To see each packet as it came, nothing is merged by the devices.
checksums_are_right() {
	local offload

	masquerade
	sums a $B4 && sums b $A4 || return
	for offload in on off; do
		on a ethtool -K outside tx $offload gro off >/dev/null
		on b ethtool -K wire tx $offload gro off >/dev/null
		both_modes chacha20poly1305 exchange
	done
	end_sums a
	end_sums b
	on a ethtool -K outside tx on gro on >/dev/null
	on b ethtool -K wire tx on gro on >/dev/null
}

# The one behind the NAT may speak while the other one's keys are put in one by one.
what_came_between_the_two_confirms() {
	local to_b=$SPI to_a=$((SPI + 1)) opened

	SPI=$((SPI + 2))
	masquerade
	sotto a tunnel flush
	sotto b tunnel flush
	opened=$(stat a in_opened)
	expect "a's inbound SA" sotto a sa add in spi $to_a peer $B4 cipher aes256gcm \
		key-file "$(key $to_a)" nat
	expect "b's inbound SA" sotto b sa add in spi $to_b peer $A4 cipher aes256gcm \
		key-file "$(key $to_b)"
	expect "b's outbound SA" sotto b sa add out spi $to_a peer $A4 cipher aes256gcm \
		key-file "$(key $to_a)" keepalive pair-spi $to_b
	expect "b speaks" traffic b udp-send $A4 5009 1 100
	await "a hears it" 5 stat_is a in_opened $((opened + 1))
	expect "a's outbound SA" sotto a sa add out spi $to_b peer $B4 cipher aes256gcm \
		key-file "$(key $to_b)" nat confirm pair-spi $to_a
	same "the tunnel" "$(tunnel_says a $B4)" up
	exchange
}

counters_add_up() {
	check_sums a b
}

run_tests setup behind_a_masquerade behind_other_ports behind_a_full_cone narrow_path_inside \
	mapping_changes_in_the_middle others_do_not_move_it keepalives_keep_the_mapping \
	checksums_are_right what_came_between_the_two_confirms counters_add_up
