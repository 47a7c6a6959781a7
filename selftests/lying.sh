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
	launch alice "$SOTTO" -j monitor >"$tmp/events"
	disown $!
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

# more_said WORDS NUMBER: its log has them more often than that.
more_said() {
	[ "$(said "$1")" -gt "$2" ]
}

# lie WHAT WORDS [REASON]: alice asks for bob and is told this; it has no keys, and says why.
lie() {
	local before told

	echo "$1" >"$tmp/lie"
	before=$(said "$2") told=$(told "${3:-}")
	expect "forget the refusal" sotto alice tunnel flush
	# it ends when it hears of the refusal
	refuse "with the lie '$1'" on alice ping -n -q -c 1 -W 15 "${IP4[bob]}"
	await "told '$1'" 10 grep -q "says $1\$" "$tmp/liar"
	# what it reserved goes in a moment; keys would stay for half a minute
	await "no keys by the lie '$1'" 5 keyless alice
	[ -z "$2" ] || await "alice's log of '$1'" 10 more_said "$2" "$before"
	[ -z "${3:-}" ] || await "the reason that alice gives after '$1'" 5 more_told "$3" "$told"
}

# told REASON: how often alice's kernel was; more_told REASON NUMBER: more often than that.
told() {
	grep -c "\"refused\".*\"reason\":\"$1\"" "$tmp/events"
}

more_told() {
	[ "$(told "$1")" -gt "$2" ]
}

lies_about_a_pinned_peer() {
	lie key "static key is not the pinned one" pin
	lie name "address of bob, whose key is pinned" pin
	lie behind "address of bob, whose key is pinned" pin
	lie self "static key is not the pinned one" pin
}

key_of() {
	jq -r .static_key "$tmp/$1/state/agent/enrolment.json"
}

# Robert is nobody that alice ever met: the pin is of a name, a key and, if they are said, addresses.
the_pin_of_one_never_met() {
	expect "unpin bob" sotto alice peer unpin bob
	refuse "a pin without a key" sotto alice peer pin robert
	expect "pin robert" sotto alice peer pin robert "$(key_of alice)"
	lie name "peer robert.*static key is not the pinned one" pin
	expect "unpin robert" sotto alice peer unpin robert
	expect "pin rose" sotto alice peer pin rose "$(key_of alice)" "${IP4[bob]}"
	lie name "address of rose, whose key is pinned" pin
	expect "the pin is on disk" grep -q "^rose $(key_of alice) ${IP4[bob]}\$" "$tmp/alice/state/agent/pins"
	expect "unpin rose" sotto alice peer unpin rose
	expect "pin bob" sotto alice peer pin bob
}

# The realm says so: the first key that bob had is pinned, as the lies above have found.
first_use_pins() {
	same "how bob is pinned" "$(sotto alice -j peer show | jq -r '.[] | select(.name == "bob") | .pin')" \
		"$(key_of bob)"
}

lies_that_contradict_the_host() {
	local what

	lie cipher ""
	for what in own ours elsewhere swallow default loop link group at-us; do
		lie $what "contradicts what this host knows"
	done
	lie zero "keys cannot be derived"
	lie another ""
}

# The same where the server says that another one asks.
offers_that_lie() {
	local what n

	for what in key name behind cipher own ours self zero default loop link group at-us; do
		n=$(grep -c "^answer 0x34" "$tmp/liar")
		echo "offer-$what" >"$tmp/lie"
		await "a refusal of '$what'" 5 answers $((n + 1))
		await "no keys by the offer '$what'" 5 keyless alice
	done
}

answers() {
	[ "$(grep -c "^answer 0x34" "$tmp/liar")" -ge "$1" ]
}

# action_of PREFIX: what alice's kernel does with it, and by whom.
action_of() {
	sotto alice -j policy show | jq -r --arg p "$1" '.[] | select(.prefix == $p) | "\(.action) \(.gateway // "")"'
}

action_is() {
	[ "$(action_of "$1")" = "$2" ]
}

# Who leads to a network is the server's word: what nobody has pinned goes by whom it names. What
# this host has for itself does not, nor does a pinned peer.
a_network_is_believed() {
	expect "forget the refusal" sotto alice tunnel flush
	echo offer-rest >"$tmp/lie"
	await "half of the world" 10 action_is 128.0.0.0/1 "protect 10.99.0.2"
	same "by IPv6" "$(action_of 2000::/3)" "protect 10.99.0.2"
	same "to bob" "$(action_of "${IP4[bob]}/32")" "protect "
	same "to bob by IPv6" "$(action_of "${IP6[bob]}/128")" "protect "
	expect "to this host itself" on alice ping -n -q -c 1 -W 2 127.0.0.1
	expect "by IPv6" on alice ping -n -q -c 1 -W 2 ::1
	expect "forget it" sotto alice tunnel flush
	await "the realm's policy again" 10 action_is 128.0.0.0/1 ""
}

# Without the pin the key is believed: the lies above were well told.
without_the_pin_it_is_believed() {
	expect "unpin" sotto alice peer unpin bob
	expect "forget the refusal" sotto alice tunnel flush
	echo key >"$tmp/lie"
	on alice ping -n -q -c 1 -W 2 "${IP4[bob]}" >/dev/null
	await "keys with the liar" 10 keyed
}

keyed() {
	[ "$(sas alice)" = 2 ]
}

counters_add_up() {
	check_sums alice bob
	keep_logs
}

run_tests setup first_use_pins lies_about_a_pinned_peer the_pin_of_one_never_met lies_that_contradict_the_host offers_that_lie \
	a_network_is_believed without_the_pin_it_is_believed counters_add_up
