#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# NAT between the ends: b is behind n, which masquerades (or forwards the data port to it);
# a and the attacker e are outside. Both modes, by keys put in by hand; Linux's xfrm in the
# place of either end. What a NAT does to mappings, and what an attacker does with packets,
# moves endpoints or does not.

. "$(dirname "$0")/lib.sh"
begin
need ping nft conntrack ethtool socat

SPI=$((0x7000))		# the next pair
A4=198.51.100.1 E4=198.51.100.66 N4=198.51.100.9 B4=192.168.5.2
OTHER=198.51.100.10	# n's, after a change
declare -A ALG=([aes256gcm]='rfc4106(gcm(aes))' [chacha20poly1305]='rfc7539esp(chacha20,poly1305)')

# nat RULES…: n translates so from now on; what it knew before is forgotten.
nat() {
	on n nft flush ruleset
	on n nft -f - <<-NFT
		table ip nat {
			chain post { type nat hook postrouting priority srcnat; $1; }
			chain pre { type nat hook prerouting priority dstnat; ${2:-}; }
		}
	NFT
	on n conntrack -F >/dev/null 2>&1
}

# Whoever is inside gets a mapping for each peer that it talks to.
masquerade() {
	nat 'oifname "outside" masquerade'
}

setup() {
	make_hosts a e n b w
	ip -n "$(ns_name w)" link add wire type bridge
	ip -n "$(ns_name w)" link set wire up
	for h in a e n; do
		connect $h outside w to-$h
		ip -n "$(ns_name w)" link set to-$h master wire
	done
	connect b wire n inside
	address a outside $A4/24
	address e outside $E4/24
	address n outside $N4/24
	address n inside 192.168.5.1/24
	address b wire $B4/24
	on n sysctl -qw net.ipv4.ip_forward=1
	route b default via 192.168.5.1
	route a default via 198.51.100.254
	masquerade || fail "n does not translate"
	up a $A4
	up b $B4
	expect "policy" sotto a policy add $B4/32 protect
	expect "policy" sotto b policy add $A4/32 protect
}

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

# endpoint: where a sends what is for b.
endpoint() {
	sotto a -j tunnel show | jq -r ".[] | select(.destination == \"$B4\") | \"\(.endpoint):\(.endpoint_port)\""
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
	both_modes aes256gcm talk
}

# The port outside is not the one that b sends from.
behind_other_ports() {
	nat "oifname outside udp sport $DATA_PORT snat to $N4:20000-20009"
	both_modes chacha20poly1305 talk
	[[ "$(endpoint)" == $N4:2000? ]] || fail "the endpoint is $(endpoint)"
}

# A port of n's that is b's: a may speak first.
behind_a_full_cone() {
	local mode

	nat 'oifname "outside" masquerade' "iifname outside udp dport $DATA_PORT dnat to $B4"
	for mode in transport tunnel; do
		keyed $mode chacha20poly1305 endpoint $N4
		expect "ping from outside first" pings a $B4
		talk
	done
}

# swap FROM TO: n's address outside; what is masqueraded begins anew.
swap() {
	ip -n "$(ns_name n)" addr del "$1/24" dev outside
	address n outside "$2/24"
	on n conntrack -F >/dev/null 2>&1
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
	launch a "$SOTTO" -j monitor >"$tmp/events.$mode"
	local monitor=$!
	disown $monitor
	expect "TCP from inside" halves b a $A4 swap $N4 $OTHER || return
	same "the endpoint" "$(endpoint)" $OTHER:$DATA_PORT
	# Only a has something to say: b's keepalives show where it is.
	expect "TCP from outside" halves a b $B4 swap $OTHER $N4 || return
	await "the endpoint" 10 endpoint_is $N4:$DATA_PORT
	same "changes" $(($(stat a endpoint_changes) - changes)) 2
	await "events" 5 grep -q "\"source\": *\"$OTHER\"" "$tmp/events.$mode"
	kill $monitor
	at_least "events that tell" "$(grep -c '"endpoint"' "$tmp/events.$mode")" 2
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
	read -r -t 10 -u "${FORGER[0]}" answer
	[[ $answer == ok* ]] || fail "forging '$*': $answer"
}

# sent_by_b: one ping of b's, as it left b, in hexadecimal.
sent_by_b() {
	capture sent b wire src $B4 and udp port $DATA_PORT >&2
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
	read -r -t 20 -u "${FORGER[0]}" _ || fail "the forger does not start"

	old=$(sent_by_b)
	stats a >"$tmp/before"
	order send src=$E4 dst=$A4 sport=4444 data="$old"
	await "replay, dropped" 5 stat_is a in_drop_replay $(($(was in_drop_replay) + 1))
	order send src=$E4 dst=$A4 sport=4444 data="$old" flip=-1
	order send src=$E4 dst=$A4 sport=4444 data=ff
	await "keepalive, consumed" 5 stat_is a in_keepalive $(($(was in_keepalive) + 1))
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
	await "keepalives" 30 sent_keepalives $((sent + 6))
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

sent_keepalives() {
	[ "$(stat b out_keepalive)" -ge "$1" ]
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

end_sums() {
	busywait 10 still "$tmp/sums.$1"
	kill "${captures[sums.$1]}"
	wait "${captures[sums.$1]}"
	unset "captures[sums.$1]"
	on "$1" nft delete table ip sums
	at_least "right checksums at $1" "$(grep -cE 'correct|sum ok' "$tmp/sums.$1")" 10
	same "wrong checksums at $1" "$(grep -cE 'incorrect|bad udp|wrong' "$tmp/sums.$1")" 0 ||
		note "$(grep -E 'incorrect|bad udp|wrong' "$tmp/sums.$1" | head -n 3)"
}

# To see each packet as it is, nothing is merged.
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

exchange() {
	expect "ping from inside" pings b $A4 &&
		expect "ping from outside" pings a $B4 &&
		expect "datagrams" udp_sizes b a $A4 1 1400 200 &&
		expect "TCP from inside" bulk b a $A4 1 &&
		expect "TCP from outside" bulk a b $B4 1
}

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
	sotto "$1" tunnel flush
	expect "policy of $1" sotto "$1" policy flush
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

	pkill_encap b
	up b $B4
	expect "policy" sotto b policy add $A4/32 protect
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
	same "xfrm's input errors" "$(on a awk '/^XfrmIn/ && $2' /proc/net/xfrm_stat)" ""
}

pkill_encap() {
	ip netns pids "$(ns_name "$1")" | while read -r pid; do
		! grep -q udp-encap "/proc/$pid/cmdline" || kill "$pid"
	done
}

counters_add_up() {
	check_sums a b
}

run_tests setup behind_a_masquerade behind_other_ports behind_a_full_cone \
	mapping_changes_in_the_middle others_do_not_move_it keepalives_keep_the_mapping \
	checksums_are_right xfrm_behind_the_nat xfrm_outside counters_add_up
