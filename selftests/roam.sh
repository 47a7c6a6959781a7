#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A member that moves: within the addresses that it was granted its sessions go on, from its
# agent's point of view as well; an address that was not granted is worth nothing.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/realm.sh"
begin
need_realm
need ping

OTHER=10.7.9.12		# bob's second address, granted
FOREIGN=10.7.9.22	# not granted
BACK=15

setup() {
	make_realm </dev/null
	join alice
	sotto gateway member add bob --address "${IP4[bob]}" --address $OTHER --address "${IP6[bob]}" \
		>"$tmp/bob/line" 2>"$tmp/bob/said" || fail "no line for bob: $(<"$tmp/bob/said")"
	expect "bob enrols" sotto bob enroll "$tmp/bob/line" && expect "bob comes up" sotto bob up
	await "alice's policy" 10 protected alice
	await "bob's policy" 10 protected bob
	work 10
}

# renumber FROM TO: bob's address on the wire.
renumber() {
	ip -n "$(ns_name bob)" addr del "$1/24" dev wire
	address bob wire "$2/24"
}

# answered HOST WORDS…: how many of three echo requests. Each by each (see pings): ping is content
# with one.
answered() {
	local h=$1
	shift

	on "$h" ping -n -q -c 3 -l 3 -i 15 -W 15 "$@" | sed -n 's/.* \([0-9]*\) received.*/\1/p'
}

renumbered_member_keeps_its_session() {
	local session

	session=$(session_of alice)
	renumber "${IP4[bob]}" $OTHER
	# Keys are there for it, so nothing is lost: not even the first.
	same "alice reaches the new address" "$(answered alice $OTHER)" 3
	same "and is reached from it" "$(answered bob -I $OTHER "${IP4[alice]}")" 3
	same "by the session that was there" \
		"$(sotto alice -j tunnel show | jq -r ".[] | select(.destination == \"$OTHER\") | .session")" "$session"
	await "bob's agent is there again" $BACK associated bob
	same "acquires that failed" "$(stat alice out_drop_timeout)" 0
}

keys_are_made_at_the_new_place() {
	forget_all_keys
	expect "first packet to it" on alice ping -n -q -c 1 -W 9 $OTHER
	forget_all_keys
	expect "first packet from it" on bob ping -n -q -c 1 -W 9 -I $OTHER "${IP4[alice]}"
}

# What left it in the clear, or sealed, would be believed by nobody: so it does not leave.
address_that_was_not_granted_is_refused() {
	local dropped sent=2

	renumber $OTHER $FOREIGN
	dropped=$(stat bob out_drop_source)
	watch foreign
	refuse "from a foreign address" on bob ping -n -q -c $sent -i 0.2 -W 1 -I $FOREIGN "${IP4[alice]}"
	same "refused, counted" $(($(stat bob out_drop_source) - dropped)) $sent
	end_watch foreign
	same "what left" "$(frames foreign "src $FOREIGN and dst ${IP4[alice]}")" 0
	expect "the other family goes on" on bob ping -n -q -c 1 -W 9 "${IP6[alice]}"
}

member_that_is_back() {
	renumber $FOREIGN "${IP4[bob]}"
	await "bob's agent is there again" $BACK associated bob
	work 10
}

counters_add_up() {
	check_sums alice bob
	keep_logs
}

run_tests setup renumbered_member_keeps_its_session keys_are_made_at_the_new_place \
	address_that_was_not_granted_is_refused member_that_is_back counters_add_up
