#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A server that lies, played by the second implementation of the protocol: with the realm's key
# and a member's token secret in its hands it gains nothing against a pin, and what contradicts
# what a host knows itself is refused; each time the host says why.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/realm.sh"
begin
need_realm
need ping
"$PYTHON" -c 'import cryptography' 2>/dev/null || skip_all "needs python3-cryptography"

PORT=5002

setup() {
	make_realm <<-CONF
		[realm]
		trust_on_first_use = yes
	CONF
	join_both
	work 10
	kill_server
	forget_all_keys
	start_liar
}

# party HOST: NAME=KEY:ADDRESSES.
party() {
	echo "$1=$(jq -r .static_key "$tmp/$1/state/agent/enrolment.json"):${IP4[$1]},${IP6[$1]}"
}

start_liar() {
	echo key >"$tmp/lie"
	launch gateway env SOTTO_TOP="$tree" "$PYTHON" "$here/helpers/lying_server.py" \
		"$tmp/gateway/state/authd/realm.key" "$tmp"/alice/state/agent/token-*.key $CONTROL_PORT \
		"$(party alice)" "$(party bob)" "$tmp/lie" >"$tmp/liar" 2>&1
	disown $!
	await "the liar" 10 grep -q ready "$tmp/liar"
	await "alice trusts it" 40 grep -q associated "$tmp/liar"
	await "and is associated" 10 associated alice
}

said() {
	grep -c -- "$1" "$tmp/alice/run/sottod.log"
}

# lie WHAT WORDS: alice asks for bob and is told this; it has no keys, and says why.
lie() {
	local before

	echo "$1" >"$tmp/lie"
	before=$(said "$2")
	expect "forget the refusal" sotto alice tunnel flush
	refuse "with the lie '$1'" on alice ping -n -q -c 1 -W 2 "${IP4[bob]}"
	at_least "told '$1'" "$(grep -c "says $1\$" "$tmp/liar")" 1
	same "keys by the lie '$1'" "$(sas alice)" 0
	[ -z "$2" ] || at_least "alice's log of '$1'" "$(said "$2")" $((before + 1))
}

lies_about_a_pinned_peer() {
	lie key "static key is not the pinned one"
	lie name "address of bob, whose key is pinned"
	lie behind "address of bob, whose key is pinned"
	lie self "static key is not the pinned one"
}

lies_that_contradict_the_host() {
	local what

	lie cipher ""
	for what in own ours elsewhere swallow; do
		lie $what "contradicts what this host knows"
	done
	lie zero "keys cannot be derived"
	lie another ""
}

# The same where the server says that another one asks.
offers_that_lie() {
	local what n

	for what in key name behind cipher own ours self zero; do
		n=$(grep -c "^answer 0x34" "$tmp/liar")
		echo "offer-$what" >"$tmp/lie"
		await "a refusal of '$what'" 5 answers $((n + 1))
		same "keys by the offer '$what'" "$(sas alice)" 0
	done
}

answers() {
	[ "$(grep -c "^answer 0x34" "$tmp/liar")" -ge "$1" ]
}

# Without the pin the key is believed: the lies above were well told.
without_the_pin_it_is_believed() {
	expect "unpin" sotto alice peer unpin bob
	expect "forget the refusal" sotto alice tunnel flush
	echo key >"$tmp/lie"
	on alice ping -n -q -c 1 -W 2 "${IP4[bob]}" >/dev/null
	same "keys with the liar" "$(sas alice)" 2
}

counters_add_up() {
	check_sums alice bob
	keep_logs
}

run_tests setup lies_about_a_pinned_peer lies_that_contradict_the_host offers_that_lie \
	without_the_pin_it_is_believed counters_add_up
