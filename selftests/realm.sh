# SPDX-License-Identifier: GPL-2.0
#
# A realm for tests: gateway (the server), alice and bob (members with the real agent), three
# namespaces on one wire; and traffic that goes on whatever is done to them.
#
# Sourced after lib.sh, and begin. The wire is the gateway's bridge: what is captured there
# has left a host. All that traffic carries repeats $MARKER.

MARKER='SottoLeakMarker!'
CONTROL_PORT=7688	# UDP
TALK_PORT=4000		# UDP and TCP
GAP_MS=40		# between two datagrams of a flow
NUMBERED_PORT=5006
NUMBERED_GAP=5000	# us
declare -A IP4=([gateway]=10.7.9.254 [alice]=10.7.9.1 [bob]=10.7.9.2)
declare -A IP6=([gateway]=fd07:9::fe [alice]=fd07:9::1 [bob]=fd07:9::2)
declare -A PEER=([alice]=bob [bob]=alice)
declare -A talkers	# HOST.source, HOST.sink -> pid
server=			# pid of sotto-authd

need_realm() {
	local p

	need ip nft jq
	for p in sotto-authd sottod talk; do
		program $p >/dev/null || skip_all "there is no program $p; build it first"
	done
	AUTHD=$(program sotto-authd) TALK=$(program talk)
}

# --- hosts --------------------------------------------------------------------------

# plug HOST: its end of the wire, with its addresses, up.
plug() {
	connect "$1" wire gateway "to-$1"
	ip -n "$(ns_name gateway)" link set "to-$1" master wire
	address "$1" wire "${IP4[$1]}/24" "${IP6[$1]}/64"
	announce "$1"
}

# announce HOST: it is on the wire, with a new MAC address. A machine's network scripts say so.
announce() {
	local h a

	for h in "${hosts[@]}"; do
		for a in "${IP4[$1]}" "${IP6[$1]}"; do
			ip -n "$(ns_name "$h")" neigh flush to "$a"
		done
	done
}

make_wire() {
	make_hosts gateway alice bob
	add_bridge gateway wire
	address gateway wire "${IP4[gateway]}/24" "${IP6[gateway]}/64"
	plug alice
	plug bob
}

# power_off HOST: all at once; what is on its disk stays.
power_off() {
	local h=$1 name left=()

	for name in source sink; do
		unset "talkers[$h.$name]"
	done
	ip netns pids "$(ns_name "$h")" | xargs -r kill -KILL
	ip netns del "$(ns_name "$h")"
	ip -n "$(ns_name gateway)" link del "to-$h" 2>/dev/null
	rm -rf "${tmp:?}/$h/run"
	for name in "${hosts[@]}"; do
		[ "$name" = "$h" ] || left+=("$name")
	done
	hosts=("${left[@]}")
}

# --- the realm ------------------------------------------------------------------------

# make_realm: [session] of authd.conf on standard input.
make_realm() {
	make_wire
	{
		echo "[session]"
		cat
	} >"$tmp/gateway/etc/authd.conf"
	expect "realm init" sotto gateway realm init --address "${IP4[gateway]}" && start_server
}

start_server() {
	launch gateway "$AUTHD" >>"$tmp/gateway/log" 2>&1
	server=$!
	disown $server
	await "the server" 10 sotto gateway realm show
}

kill_server() {
	kill -KILL "$server"
	await "the server's end" 20 gone "$server"
}

# join HOST: enrolled by the line, agent running.
join() {
	local h=$1

	sotto gateway member add "$h" --address "${IP4[$h]}" --address "${IP6[$h]}" \
		>"$tmp/$h/line" 2>"$tmp/$h/said" || { fail "no line for $h: $(<"$tmp/$h/said")"; return; }
	expect "$h enrols" sotto "$h" enroll "$tmp/$h/line" && expect "$h comes up" sotto "$h" up
}

# protected HOST: the kernel there protects all of the other's addresses.
protected() {
	sotto "$1" -j policy show | jq -e --arg a "${IP4[${PEER[$1]}]}/32" --arg b "${IP6[${PEER[$1]}]}/128" \
		'[.[] | select(.action == "protect") | .prefix] | contains([$a, $b])'
}

join_both() {
	join alice && join bob || return
	await "alice's policy" 10 protected alice
	await "bob's policy" 10 protected bob
}

associated() {
	sotto "$1" status
}

kill_agent() {
	local pid

	pid=$(cat "$tmp/$1/run/sottod.pid")
	kill -KILL "$pid"
	await "the end of $1's agent" 20 gone "$pid"
}

# tunnel HOST FILTER: of the tunnel to the other's IPv4 address, by jq; empty without one.
tunnel() {
	sotto "$1" -j tunnel show 2>/dev/null |
		jq -r --arg d "${IP4[${PEER[$1]}]}" ".[] | select(.destination == \$d) | $2"
}

# numbered COUNT: both ways; end_numbered waits for them, and wants every one.
numbered() {
	local h

	count=$1 senders=()
	for h in alice bob; do
		rm -f "$tmp/$h.got"
		traffic $h -t 20000 -b -o "$tmp/$h.got" udp-recv $NUMBERED_PORT "$count" >/dev/null
	done
	launch alice "$TRAFFIC" -g $NUMBERED_GAP udp-send "${IP4[bob]}" $NUMBERED_PORT "$count" 200 >/dev/null
	senders+=($!)
	launch bob "$TRAFFIC" -g $NUMBERED_GAP udp-send "${IP6[alice]}" $NUMBERED_PORT "$count" 200 >/dev/null
	senders+=($!)
}

end_numbered() {
	local h

	wait "${senders[@]}"
	for h in alice bob; do
		await "the datagrams for $h" 12 test -s "$tmp/$h.got"
		same "what $h got" "$(cat "$tmp/$h.got")" \
			"got $count twice 0 late 0 damaged 0 first 0 last $((count - 1))"
	done
}

session_of() {
	tunnel "$1" .session
}

# replaced HOST SESSION: its tunnel has another one by now.
replaced() {
	local now

	now=$(session_of "$1")
	[ -n "$now" ] && [ "$now" != null ] && [ "$now" != "$2" ]
}

one_session() {
	local now

	now=$(session_of alice)
	[ -n "$now" ] && [ "$now" != null ] && [ "$now" = "$(session_of bob)" ]
}

keyless() {
	[ "$(sotto "$1" -j status | jq .module.sas)" = 0 ]
}

forget_all_keys() {
	local h

	for h in alice bob; do
		expect "$h forgets its keys" sotto $h tunnel flush
	done
	for h in alice bob; do
		await "$h has no keys" 5 keyless $h
	done
}

# work SECONDS: both ways, by new sessions if need be.
work() {
	await "alice reaches bob" "$1" on alice ping -n -q -c 1 -W 2 "${IP4[bob]}"
	await "bob reaches alice" "$1" on bob ping -n -q -c 1 -W 2 "${IP6[alice]}"
}

# sas HOST: how many SAs its kernel holds.
sas() {
	sotto "$1" -j sa show | jq length
}

# server_stat NAME: of the server's counters.
server_stat() {
	sotto gateway -j realm stats | jq -r ".$1"
}

# control_path netem WORDS…: what agents and server send each other (and nothing else) meets
# this on its way; control_path clean takes it away.
control_path() {
	local h which

	for h in gateway alice bob; do
		on "$h" tc qdisc del dev wire root 2>/dev/null
		[ "$1" = netem ] || continue
		which=dport
		[ "$h" != gateway ] || which=sport
		on "$h" tc qdisc add dev wire root handle 1: prio bands 3 priomap 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 &&
			on "$h" tc qdisc add dev wire parent 1:3 handle 30: "$@" limit 10000 &&
			on "$h" tc filter add dev wire parent 1: protocol ip u32 \
				match ip protocol 17 0xff match ip $which $CONTROL_PORT 0xffff flowid 1:3 || return
	done
}

# --- traffic ------------------------------------------------------------------------------

# listen HOST, talk HOST: receive; send to all addresses of the other.
listen() {
	launch "$1" "$TALK" sink $TALK_PORT "$tmp/$1.sink"
	talkers[$1.sink]=$!
	disown $!
	await "the listener of $1" 5 test -s "$tmp/$1.sink"
}

talk() {
	local other=${PEER[$1]}

	launch "$1" "$TALK" source "$MARKER" "$tmp/$1.source" $TALK_PORT $GAP_MS \
		"${IP4[$other]}" "${IP6[$other]}"
	talkers[$1.source]=$!
	disown $!
	await "the talker of $1" 5 test -s "$tmp/$1.source"
}

# hush HOST…: they stop sending.
hush() {
	local h

	for h; do
		[ -n "${talkers[$h.source]:-}" ] || continue
		kill -KILL "${talkers[$h.source]}" 2>/dev/null
		unset "talkers[$h.source]"
	done
}

# from_here HOST…: what is said about traffic below counts from now on.
from_here() {
	local h

	for h; do
		cp "$tmp/$h.sink" "$tmp/$h.sink.then"
		[ ! -e "$tmp/$h.source" ] || cp "$tmp/$h.source" "$tmp/$h.source.then"
	done
}

# heard HOST: of each of the four kinds some more has come: five datagrams, 8 KiB.
heard() {
	paste -d ' ' "$tmp/$1.sink" "$tmp/$1.sink.then" |
		awk '{ exit !($10 + 5 <= $2 && $12 + 5 <= $4 && $14 + 8192 <= $6 && $16 + 8192 <= $8) }'
}

# told_unreachable HOST: each flow from there got an error, and datagrams this one.
told_unreachable() {
	paste -d ' ' "$tmp/$1.source" "$tmp/$1.source.then" | awk '
		$6 <= $14 || ($1 == "udp" && $8 != "EHOSTUNREACH") { bad = 1 }
		END { exit bad || NR != 4 }'
}

# flows SECONDS HOST…: traffic to all of them, from now.
flows() {
	local seconds=$1 h
	shift

	from_here "$@"
	for h; do
		await "traffic to $h" "$seconds" heard "$h" && continue
		note "$(cat "$tmp/$h.sink.then" "$tmp/$h.sink" "$tmp/${PEER[$h]}.source")"
		note "$(sotto "$h" tunnel show -s)"
		note "$(sotto "${PEER[$h]}" tunnel show -s)"
	done
}

# fails_with REASON SECONDS HOST: its senders are told, and its user can see why (once for each
# attempt, and without an agent one takes ten seconds).
fails_with() {
	local reason=$1 seconds=$2 h=$3

	listen_in "$h"
	from_here "$h"
	await "an error for the senders on $h" "$seconds" told_unreachable "$h" ||
		note "$(cat "$tmp/$h.source")"
	await "the reason $reason on $h" 15 refused_for "$h" "${IP4[${PEER[$h]}]}" "$reason" ||
		note "$(sotto "$h" tunnel show)"
	end_listening "$h"
}

# --- the wire -------------------------------------------------------------------------------

watch() {
	capture "$1" gateway wire $WHOLE
}

# end_watch NAME: senders hold their breath, for tcpdump to have seen all that was sent.
end_watch() {
	signal_sources STOP
	end_capture "$1"
	signal_sources CONT
}

signal_sources() {
	local t

	for t in "${!talkers[@]}"; do
		[ "${t#*.}" != source ] || kill "-$1" "${talkers[$t]}" 2>/dev/null
	done
}

# marked NAME: how often the marker is in a capture.
marked() {
	grep -aoF "$MARKER" "$tmp/$1.pcap" | wc -l
}

# sealed_only NAME MINIMUM [HOST]: the capture has no marker; what alice and bob (or only HOST)
# sent each other is sealed, that many frames at least, or finds neighbours.
sealed_only() {
	local name=$1 minimum=$2 from=${3:-} clear between

	between="((host ${IP4[alice]} and host ${IP4[bob]}) or (host ${IP6[alice]} and host ${IP6[bob]}))"
	[ -z "$from" ] || between+=" and (src host ${IP4[$from]} or src host ${IP6[$from]})"
	same "markers in $name" "$(marked "$name")" 0
	at_least "sealed frames in $name" "$(frames "$name" "$between and udp port $DATA_PORT")" "$minimum"
	clear="$between and not udp port $DATA_PORT and not ($INNOCENT)"
	same "plaintext frames in $name" "$(frames "$name" "$clear")" 0 ||
		note "$(tcpdump -nr "$tmp/$name.pcap" "$clear" 2>/dev/null | head -n 5)"
}

# keep_logs: what the daemons said, into the results when there is such a place.
keep_logs() {
	local f

	[ -n "${SOTTO_RESULTS:-}" ] || return 0
	for f in gateway/log alice/run/sottod.log bob/run/sottod.log; do
		[ ! -e "$tmp/$f" ] || cp "$tmp/$f" "$SOTTO_RESULTS/$script-${f//\//-}"
	done
}
