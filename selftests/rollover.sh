#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A member gets new keys, again and again; nothing is lost, nothing leaves in the clear, and the old
# ones are dead. Then the realm gets a new key: who is there learns of it under the former one and
# believes the new one alone; who was away, or has an old line, has until the former key's end; then
# it is told what to do. Traffic goes on without a loss.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/realm.sh"
begin
need_realm
need ping

ROUNDS=5	# of new keys for a member
BACK=40		# an agent proves the new key within 20 s
IP4[carol]=10.7.9.3 IP6[carol]=fd07:9::3 PEER[carol]=alice
IP4[dave]=10.7.9.4 IP6[dave]=fd07:9::4 PEER[dave]=alice

setup() {
	make_realm </dev/null
	make_hosts carol dave
	plug carol
	plug dave
	join_both
	join carol
	sotto gateway member add dave --address "${IP4[dave]}" --address "${IP6[dave]}" \
		>"$tmp/dave/line" 2>"$tmp/dave/said" || fail "no line for dave: $(<"$tmp/dave/said")"
	work 10
}

realm_key() {
	sotto gateway -j realm show | jq -r .realm_key_text
}

# behind N: so many members have not come by the new key.
behind() {
	[ "$(sotto gateway -j realm show | jq .rollover.behind)" = "$1" ]
}

believes() {
	jq -e --arg k "$2" '.server_key == $k' "$tmp/$1/state/agent/enrolment.json"
}

stop_server() {
	kill -TERM "$server"
	await "the server's end" 10 gone "$server"
}

static_key() {
	jq -r .static_key "$tmp/$1/state/agent/enrolment.json"
}

# line_for HOST: one with which it gets new keys.
line_for() {
	sotto gateway member rekey "$1" >"$tmp/$1/line" 2>"$tmp/$1/said" ||
		fail "no line for $1: $(<"$tmp/$1/said")"
}

# new_keys HOST: by one command here and one there; then sessions are made with them.
new_keys() {
	local h=$1 former session

	former=$(static_key "$h")
	session=$(session_of "$h")
	line_for "$h"
	expect "$h gets new keys" sotto "$h" enroll "$tmp/$h/line"
	[ "$(static_key "$h")" != "$former" ] || fail "the key of $h is the same"
	associated "$h" >/dev/null || fail "$h is not associated when enroll is done"
	await "the sessions of $h are replaced" 20 replaced "$h" "$session"
}

# Whoever has a copy of the old keys, and takes them to a running realm.
old_keys_are_dead() {
	local h=$1

	kill_agent "$h"
	mv "$tmp/$h/state/agent" "$tmp/$h/state/agent.new"
	cp -a "$tmp/$h/old" "$tmp/$h/state/agent"
	printf '[agent]\nup_timeout = 3s\n' >"$tmp/$h/etc/sotto.conf"
	refuse "$h with its old keys" sotto "$h" up
	same "it is told why" "$(sotto "$h" -j status | jq -r .agent.association.error)" not_a_member
	kill_agent "$h"
	rm -r "$tmp/$h/state/agent" "$tmp/$h/etc/sotto.conf"
	mv "$tmp/$h/state/agent.new" "$tmp/$h/state/agent"
	expect "$h with its new ones" sotto "$h" up
}

new_keys_for_members_under_traffic() {
	local i

	cp -a "$tmp/alice/state/agent" "$tmp/alice/old"
	work 10
	watch keys
	listen alice
	listen bob
	talk alice
	talk bob
	numbered 4000
	for ((i = 0; i < ROUNDS; i++)); do
		new_keys alice
	done
	new_keys bob
	end_numbered
	hush alice bob
	end_watch keys
	sealed_only keys 4000
	old_keys_are_dead alice
	forget_all_keys
	work 10
}

# Who has pinned the old key believes no server that there is a new one, only his administrator.
# Until then what there is lasts.
pinned_peer_is_told() {
	local session key

	expect "bob pins alice" sotto bob peer pin alice
	work 10
	session=$(session_of alice)
	line_for alice
	key=$(sotto alice -j enroll "$tmp/alice/line" 2>/dev/null | jq -r .key)
	same "alice's key" "$(static_key alice)" "$key"
	await "bob refuses it" 10 grep -q "its static key is not the pinned one" "$tmp/bob/run/sottod.log"
	same "the session" "$(session_of alice)" "$session"
	work 2
	expect "bob pins the new one" sotto bob peer pin alice "$key"
	await "a session with it" 60 replaced alice "$session"
	work 10
	expect "bob forgets the pin" sotto bob peer unpin alice
}

# A line that is of no use leaves all as it was, and so does one for another.
lines_that_are_no_good() {
	local key

	key=$(static_key alice)
	refuse "no line" sotto alice enroll "$tmp/alice/said"
	refuse "a line that was used" sotto alice enroll "$tmp/bob/line"
	line_for bob
	refuse "a line for another" sotto alice enroll "$tmp/bob/line"
	same "alice's key" "$(static_key alice)" "$key"
	await "alice is back" 10 associated alice
	line_for bob
	expect "bob, whose keys that made void" sotto bob enroll "$tmp/bob/line"
	work 10
}

# The server is away for a moment, the key is another one, and nothing is lost.
new_key_under_traffic() {
	local former h

	former=$(realm_key)
	kill_agent carol
	refuse "beside the running server" sotto gateway realm rekey
	refuse "the end of what did not begin" sotto gateway realm retire
	numbered 1500
	stop_server
	expect "rekey" sotto gateway realm rekey
	refuse "twice" sotto gateway realm rekey
	start_server
	[ "$(realm_key)" != "$former" ] || fail "the key is the same"
	same "the former key" "$(sotto gateway -j realm show | jq -r .rollover.former_key_text)" "$former"
	for h in alice bob; do
		await "$h believes the new key" $BACK believes $h "$(realm_key)"
	done
	await "alice and bob have proved it" $BACK behind 1
	end_numbered
	forget_all_keys
	work 10
	at_least "audit lines" "$(sotto gateway -j realm audit | jq '[.[] | select(.event == "realm.rekey")] | length')" 1
}

# A line that was printed before is good meanwhile, and leads to the new key at once.
old_line_is_good_in_between() {
	expect "dave enrols" sotto dave enroll "$tmp/dave/line"
	expect "dave comes up" sotto dave up
	await "dave believes the new key" 10 believes dave "$(realm_key)"
	await "and reaches alice" 10 on dave ping -n -q -c 1 -W 2 "${IP4[alice]}"
}

# The backup of a roll-over is one.
backup_has_both_keys() {
	expect "backup" sotto gateway realm backup "$tmp/copy"
	stop_server
	rm "$tmp/gateway/state/authd/realm.key"* "$tmp/gateway/state/authd/storage.key"
	expect "restore" sotto gateway realm restore "$tmp/copy"
	start_server
	await "all but carol are back" $BACK behind 1
}

# Who learnt of the new key notices nothing; carol comes too late.
former_key_ends() {
	numbered 600
	stop_server
	expect "retire" sotto gateway realm retire
	start_server
	same "a roll-over" "$(sotto gateway -j realm show | jq .rollover)" null
	await "alice is back" 10 associated alice
	await "bob is back" 10 associated bob
	end_numbered
	forget_all_keys
	work 10
	printf '[agent]\nup_timeout = 3s\n' >"$tmp/carol/etc/sotto.conf"
	refuse "carol comes up" sotto carol up
	rm "$tmp/carol/etc/sotto.conf"
	same "it is told why" "$(sotto carol -j status | jq -r .agent.association.error)" wrong_realm_key
	refuse "its old line" sotto carol enroll --force "$tmp/carol/line"
}

late_member_enrols_anew() {
	expect "carol down" sotto carol down
	sotto gateway member rekey carol >"$tmp/carol/line" 2>"$tmp/carol/said" ||
		{ fail "no line for carol: $(<"$tmp/carol/said")"; return; }
	expect "carol enrols" sotto carol enroll --force "$tmp/carol/line" &&
		expect "carol comes up" sotto carol up
	await "carol reaches alice" 10 on carol ping -n -q -c 1 -W 2 "${IP4[alice]}"
}

counters_add_up() {
	check_sums alice bob
	keep_logs
}

run_tests setup new_keys_for_members_under_traffic pinned_peer_is_told lines_that_are_no_good \
	new_key_under_traffic old_line_is_good_in_between backup_has_both_keys former_key_ends \
	late_member_enrols_anew counters_add_up
