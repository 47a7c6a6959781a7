#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Revocation: every peer drops the keys at once, the association dies, nothing brings the
# member back, and whom no notice reaches drops the keys at their hard expiry.
#
# The peers are hosts with the real agent, and $SOTTO_PEERS members of the load generator. With
# SOTTO_ROUNDS=N there are two hosts more, as many further members are revoked, and how long it
# took from the command to each peer's last key goes to revoke.json (make bench-revoke).

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/realm.sh"
begin
need_realm
need ping

PEERS=${SOTTO_PEERS:-100}
ROUNDS=${SOTTO_ROUNDS:-0}
REAL="alice carol dave"			# bob is the victim
[ "$ROUNDS" = 0 ] || REAL+=" erin frank"
SOFT=2000
HARD=20					# seconds, for whom no notice reaches: all else is done before
FLOW_PORT=5006
i=0
for h in carol dave erin frank; do
	i=$((i + 1))
	IP4[$h]=10.7.9.$((10 + i)) IP6[$h]=fd07:9::$((10 + i)) PEER[$h]=bob
done
LOAD=$(program sotto-load) || skip_all "there is no program sotto-load; build it first"
load=			# pid of the generator

conf() {
	cat <<-CONF
		[server]
		endpoint = ${IP4[gateway]}
		[limits]
		cookie_rate = 1000000
		source_rate = 1000000
		[session]
		soft_time = $1
		hard_time = $2
	CONF
}

setup() {
	local h

	make_wire
	for h in ${REAL#alice}; do
		make_hosts $h
		plug $h
	done
	conf $SOFT 3000 >"$tmp/gateway/etc/authd.conf"
	expect "a realm with many members" on gateway "$LOAD" realm $((PEERS + ROUNDS)) && start_server
	for h in bob $REAL; do
		join $h
	done
	for h in $REAL; do
		await "$h's policy" 10 protected $h
		route $h 10.0.0.0/16 via "${IP4[gateway]}"
	done
	await "bob's policy" 10 protected bob
	generator revoke=$PEERS,${IP4[bob]} $(rounds)
	await "sessions of $PEERS members with bob" 120 load_says granted 1
}

# generator STEP…: says what happens in $tmp/load.
generator() {
	launch gateway "$LOAD" run $((PEERS + ROUNDS)) $CONTROL_PORT $server full=$((PEERS + ROUNDS)) "$@" \
		>"$tmp/load" 2>"$tmp/load.err"
	load=$!
}

# load_says WHAT TIMES
load_says() {
	[ "$(grep -c "\"what\":\"$1\"" "$tmp/load")" -ge "$2" ]
}

# reach HOST ADDRESS: there are keys for it, on the way out.
reach() {
	on "$1" ping -n -q -c 1 -W 1 "$2" >/dev/null
	[ "$(tunnel_says "$1" "$2")" = up ]
}

all_reach() {
	local h

	for h in $REAL; do
		await "$h has keys for $1" 10 reach $h "$1"
	done
}

# told N: as many of the generator's members were told, in its newest report.
told() {
	grep '"what":"revoked"' "$tmp/load" | tail -n 1 | jq -r .told
}

# have HOST COUNT: SAs.
have() {
	[ "$(sas "$1")" -ge "$2" ]
}

# Sessions that were made at once are not replaced at once: their soft limits, here $SOFT s, lie
# all over the tenth before it. The generator sends no data: what it never confirms ends soon.
renewals_are_spread_out() {
	local spread

	on alice bash -c "for i in {1..$PEERS}; do echo >/dev/udp/10.0.0.\$i/$FLOW_PORT; done"
	await "alice's keys for them" 20 have alice $((2 * PEERS))
	spread=$(sotto alice -j sa show | jq -c --argjson soft $SOFT \
		'[.[] | select(.dir == "out") | .soft_seconds] |
		 [length, ($soft - min) * 10 >= $soft * 8 / 10, max <= $soft,
		  (group_by(. / ($soft / 100) | floor) | map(length) | max) * 3 <= length]')
	same "limits, wide enough, below the realm's, in no hundredth more than a third" "$spread" \
		"[$PEERS,true,true,true]"
	expect "alice forgets them" sotto alice tunnel flush
}

keys_are_gone_at_every_peer() {
	local h

	all_reach "${IP4[bob]}"
	at_least "bob's SAs" "$(sas bob)" $((2 * (PEERS + $(wc -w <<<"$REAL"))))
	expect "revoke" sotto gateway member revoke bob
	for h in $REAL; do
		within "$h has dropped the keys" 5 keyless $h
	done
	await "everybody was told" 5 load_says revoked 1
	same "peers that were told" "$(told)" $PEERS
	same "sessions that the server knows of" "$(server_stat sessions)" 0
	listen_in alice
	same "alice to bob" "$(traffic alice -t 20000 udp-try "${IP4[bob]}" $FLOW_PORT 100)" EHOSTUNREACH
	await "the reason" 5 refused_for alice "${IP4[bob]}" revoked
	end_listening alice
	await "what alice reserved for a session that was refused is free" 5 keyless alice
}

# Its agent knows, its keys are gone; nothing that it has left opens a door.
it_cannot_come_back() {
	local said

	await "bob is told" 10 bob_is revoked
	at_least "and its user, with what to do" "$(sotto bob status |
		grep -cE '^server .*this host was revoked|^next .*member add')" 2
	await "bob's keys are gone" 10 keyless bob
	expect "bob down" sotto bob down
	refuse "its line again" sotto bob enroll --force "$tmp/bob/line"
	! said=$(sotto bob up 2>&1) || fail "bob's agent comes up anew"
	# it did not wait for its time-out
	[[ $said == *"this host was revoked. Policy is in force"* ]] || fail "it says '$said'"
	await "it is told why" 10 bob_is revoked
	same "bob to alice" "$(traffic bob -t 20000 udp-try "${IP4[alice]}" $FLOW_PORT 100)" EHOSTUNREACH
	same "members online by that name" \
		"$(sotto gateway -j member list | jq '[.[] | select(.name == "bob" and .online)] | length')" 0
}

bob_is() {
	sotto bob -j status | jq -e --arg e "$1" '.agent.association.error == $e or .agent.association.state == $e'
}

# cut_off HOST: from the server, both ways, and nobody is told.
cut_off() {
	on "$1" nft -f - <<-NFT || fail "nft"
		table inet cut {
			chain out { type filter hook output priority 0; udp dport $CONTROL_PORT drop; }
			chain in { type filter hook input priority 0; udp sport $CONTROL_PORT drop; }
		}
	NFT
}

# carol is revoked, and neither it nor dave hears of it. What it still has in its kernel makes
# packets that alice does not open; dave believes it until the keys end.
hard_expiry_bounds_the_unreachable() {
	local h opened

	kill_server
	conf $((HARD - 2)) $HARD >"$tmp/gateway/etc/authd.conf"
	start_server
	for h in alice carol dave; do
		await "$h is associated" 40 associated $h
		expect "$h forgets its keys" sotto $h tunnel flush
	done
	for h in alice dave; do
		await "$h reaches carol" 10 on $h ping -n -q -c 1 -W 2 "${IP4[carol]}"
	done
	cut_off carol
	cut_off dave
	expect "revoke" sotto gateway member revoke carol
	within "alice has dropped the keys" 5 keyless alice
	at_least "carol's SAs" "$(sas carol)" 4
	opened=$(stat alice in_opened)
	refuse "carol to alice" on carol ping -n -q -c 5 -i 0.1 -W 1 "${IP4[alice]}"
	same "of carol's packets, opened" $(($(stat alice in_opened) - opened)) 0
	at_least "with an SPI that is gone" "$(stat alice in_drop_unknown_spi)" 5
	expect "dave goes on with what it has" on dave ping -n -q -c 1 -W 5 "${IP4[carol]}"
	within "dave's keys end" $((HARD + 2)) keyless dave
	refuse "dave to carol" on dave ping -n -q -c 1 -W 5 "${IP4[carol]}"
}

# --- how long it takes ----------------------------------------------------------------

victim() {
	local n=$((PEERS + $1))

	echo 10.0.$(((n + 1) >> 8)).$(((n + 1) & 255))
}

rounds() {
	local r

	for ((r = 0; r < ROUNDS; r++)); do
		echo revoke=$PEERS,$(victim $r)
	done
}

revoke_and_time() {
	local r h begin addr

	for h in $REAL; do
		launch $h "$SOTTO" -j monitor >"$tmp/$h.events"
		disown $!
	done
	for ((r = 0; r < ROUNDS; r++)); do
		addr=$(victim $r)
		await "sessions in round $r" 60 load_says granted $((r + 2)) || return
		all_reach "$addr"
		[ $result = ok ] || return
		begin=${EPOCHREALTIME/./}
		expect "revoke" sotto gateway member revoke "$(printf 'm%06u' $((PEERS + r)))"
		echo "$begin" >>"$tmp/begins"
		for h in $REAL; do
			within "$h has dropped the keys" 5 keyless $h
		done
		await "everybody was told" 5 load_says revoked $((r + 2)) || return
		same "peers that were told" "$(told)" $PEERS
	done
	figures >"${SOTTO_RESULTS:-$tmp}/revoke.json" || fail "no figures"
	note "$(jq -c . "${SOTTO_RESULTS:-$tmp}/revoke.json")"
}

# Of each round: from before the command to the moment each peer had no key left.
figures() {
	(cd "$tmp" && "$PYTHON" - $REAL) <<-'PY'
		import datetime, json, sys
		def at(q, v):
		    return sorted(v)[max(0, -(-len(v) * q // 1000) - 1)] / 1000
		begins = [int(x) for x in open("begins")]
		told = [json.loads(x)["at_us"] for x in open("load") if '"revoked"' in x][-len(begins):]
		deleted = {h: [datetime.datetime.fromisoformat(e["time"]).timestamp() * 1e6
		               for e in map(json.loads, open(h + ".events")) if e["event"] == "sa_deleted"]
		           for h in sys.argv[1:]}
		each, kernels, last = [], [], []
		for r, t in enumerate(begins):
		    end = begins[r + 1] if r + 1 < len(begins) else t + 10**7
		    mine = [x - t for x in told[r]]
		    # the last of its two keys
		    real = [max(x for x in deleted[h] if t <= x + 1000 and x < end) - t for h in deleted]
		    each += mine + real
		    kernels += real
		    last.append(max(mine + real))
		json.dump({"what": "revocation", "peers": len(told[0]), "kernels": len(deleted), "rounds": len(begins),
		           "each_p50_ms": at(500, each), "each_p99_ms": at(990, each), "each_max_ms": at(1000, each),
		           "kernel_p50_ms": at(500, kernels), "kernel_max_ms": at(1000, kernels),
		           "last_p50_ms": at(500, last), "last_p99_ms": at(990, last), "last_max_ms": at(1000, last)},
		          sys.stdout, indent=1)
	PY
}

counters_add_up() {
	check_sums $REAL
	keep_logs
}

run_tests setup renewals_are_spread_out keys_are_gone_at_every_peer $([ "$ROUNDS" = 0 ] || echo revoke_and_time) \
	it_cannot_come_back hard_expiry_bounds_the_unreachable counters_add_up
