#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Keys come, are replaced and go while agents, the server and hosts end and start again: what
# is keyed goes on without a loss, what is not is keyed again by itself or fails with a name.
#
# Numbered datagrams tell what "without a loss" means: all of them, once, in order.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/realm.sh"
begin
need_realm
need ping

SOFT=10 HARD=40		# seconds that keys live
BACK=40			# agents may wait half a minute before they try a server again
ACQUIRE=10		# seconds in which a first packet is sent or refused
GLARES=6

power_on() {
	local h=$1

	make_hosts "$h"
	expect "policy of $h" sotto "$h" policy restore
	plug "$h"
	expect "$h up" sotto "$h" up
}

setup() {
	make_realm <<-CONF
		soft_time = $SOFT
		hard_time = $HARD
	CONF
	join_both
	work 10
}

rekey_loses_nothing() {
	local first

	first=$(session_of alice)
	numbered 3600
	within "a new session" $((SOFT + 5)) replaced alice "$first"
	first=$(session_of alice)
	within "another one" $((SOFT + 5)) replaced alice "$first"
	end_numbered
	await "one session for both" 5 one_session
}

agent_killed_and_started() {
	local first

	numbered 3000
	kill_agent bob
	sleep 1
	first=$(session_of bob)
	same "bob's tunnel without an agent" "$(tunnel bob .state)" up
	expect "bob's agent again" sotto bob up
	within "a new session, by the new agent" $((2 * SOFT)) replaced bob "$first"
	end_numbered
	forget_all_keys
	work 10
}

# slow_wire add|del: the way to each host takes a while, so that both ask before either can
# know that the other did: longer than a busy machine takes to start two programs.
slow_wire() {
	local h

	for h in alice bob; do
		on gateway tc qdisc "$1" dev "to-$h" root netem delay 500ms || return
	done
}

# running PID…: how many of them are.
running() {
	local pid n=0

	for pid; do
		kill -0 "$pid" 2>/dev/null && n=$((n + 1))
	done
	echo $n
}

one_runs() {
	[ "$(running "$@")" = 1 ]
}

none_runs() {
	[ "$(running "$@")" = 0 ]
}

# Of several that begin at one moment one is the agent, and can be asked; the others go, and
# take nothing of its own along.
agents_started_at_once() {
	local n pids=()

	command -v gcc >/dev/null || { skip "no compiler here"; return; }
	gcc -shared -fPIC -o "$tmp/late.so" "$here/helpers/late_unlink.c" || { fail "compile"; return; }
	kill_agent bob
	for ((n = 0; n < 4; n++)); do
		launch bob env LD_PRELOAD="$tmp/late.so" "$(program sottod)" --foreground 2>>"$tmp/bob/at-once"
		pids+=($!)
	done
	await "the end of the others" 10 one_runs "${pids[@]}"
	await "an answer by the one" 10 associated bob
	same "of them, by its pid file" "$(running "$(cat "$tmp/bob/run/sottod.pid")")" 1
	at_least "words of the others" "$(grep -c 'error: .*another' "$tmp/bob/at-once")" 3
	kill "${pids[@]}" 2>/dev/null
	await "the end of all" 10 none_runs "${pids[@]}"
	expect "bob's agent again" sotto bob up
	work 10
}

glare_makes_one_session() {
	local i a b

	slow_wire add 2>/dev/null || { skip "no tc, or no netem in this kernel"; return; }
	for ((i = 0; i < GLARES; i++)); do
		forget_all_keys
		a=$(stat alice acquires) b=$(stat bob acquires)
		numbered 40
		end_numbered
		await "one session for both" 5 one_session
		at_least "alice has asked" "$(stat alice acquires)" $((a + 1))
		at_least "bob has asked" "$(stat bob acquires)" $((b + 1))
	done
	slow_wire del
}

server_killed_and_started() {
	local begin took

	numbered 400
	kill_server
	end_numbered
	forget_all_keys
	listen_in alice
	begin=${EPOCHREALTIME/./}
	same "a new destination without a server" \
		"$(traffic alice -t $((ACQUIRE * 2000)) udp-try "${IP4[bob]}" $NUMBERED_PORT 100)" EHOSTUNREACH
	took=$(((${EPOCHREALTIME/./} - begin) / 1000))
	note "the error took $took ms"
	# and what a busy machine takes to start who asks, and to run its timers
	[ $took -le $((ACQUIRE * 1000 + 4000)) ] || fail "the error took $took ms"
	await "its reason" 5 refused_for alice "${IP4[bob]}" no_server
	end_listening alice
	start_server
	work $BACK
	numbered 200
	end_numbered
}

shim_down_and_up_on_one_side() {
	kill_agent bob
	expect "bob down, and nobody is told" sotto bob down
	expect "bob up" sotto bob up
	work 20
}

host_restarted() {
	power_off bob
	power_on bob
	work 20
	numbered 200
	end_numbered
}

both_hosts_restarted_at_once() {
	power_off alice
	power_off bob
	power_on alice
	power_on bob
	work 20
	numbered 200
	end_numbered
}

status_names() {
	sotto "$1" status | grep -i "$2"
}

member_revoked() {
	watch revoked
	work 10
	numbered 100
	end_numbered
	expect "revoke" sotto gateway member revoke bob
	within "alice has dropped the keys" 5 keyless alice
	listen_in alice
	same "alice to bob" "$(traffic alice -t 20000 udp-try "${IP4[bob]}" $NUMBERED_PORT 100)" EHOSTUNREACH
	await "the reason" 5 refused_for alice "${IP4[bob]}" revoked
	end_listening alice
	await "bob is told" 10 status_names bob revoked
	same "bob to alice" "$(traffic bob -t 20000 udp-try "${IP4[alice]}" $NUMBERED_PORT 100)" EHOSTUNREACH
	end_watch revoked
	sealed_only revoked 20
}

counters_add_up() {
	check_sums alice bob
	same "members that were taken for two hosts" "$(server_stat twins)" 0
	keep_logs
}

run_tests setup rekey_loses_nothing agent_killed_and_started agents_started_at_once glare_makes_one_session \
	server_killed_and_started shim_down_and_up_on_one_side host_restarted \
	both_hosts_restarted_at_once member_revoked counters_add_up
