#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A member that moves: within the addresses that it was granted its sessions go on, from its
# agent's point of view as well; an address that was not granted is worth nothing, until the
# realm's administrator grants it in the place of another.

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

# protects HOST ADDRESS: by the policy of its kernel.
protects() {
	sotto "$1" -j policy show | jq -e --arg p "$2/32" 'any(.[]; .prefix == $p and .action == "protect")'
}

unprotected() {
	! protects "$@"
}

# seen_at ADDRESS: bob's agent, by the server.
seen_at() {
	sotto gateway -j member show bob | jq -e --arg a "$1" '.online and (.address_seen | startswith($a))'
}

# addresses: that bob has, by his kernel, his agent and the server; sorted, if they agree.
addresses() {
	{
		sotto bob -j addr show | jq -c '[.[].address] | sort'
		sotto bob -j status | jq -c '.addresses | sort'
		sotto gateway -j member show bob | jq -c '.addresses | sort'
	} | sed 's,/32,,g; s,/128,,g' | sort -u
}

granted_address_works_from_the_first_packet() {
	renumber "${IP4[bob]}" $FOREIGN
	await "bob's agent at the new address" $BACK seen_at $FOREIGN
	work_on_6
	expect "it is granted" sotto gateway member set bob --address $FOREIGN --address "${IP6[bob]}"
	await "alice is told" 10 protects alice $FOREIGN
	same "alice reaches it" "$(answered alice $FOREIGN)" 3
	same "and is reached from it" "$(answered bob -I $FOREIGN "${IP4[alice]}")" 3
	expect "the other family too" on alice ping -n -q -c 1 -W 9 "${IP6[bob]}"
	same "all agree" "$(addresses)" "[\"$FOREIGN\",\"${IP6[bob]}\"]"
	same "none is absent" "$(sotto bob -j status | jq -c .absent)" "[]"
	same "acquires that failed" "$(stat alice out_drop_timeout)" 0
}

# There are sessions, for the former addresses.
work_on_6() {
	await "the other family" 10 on bob ping -n -q -c 1 -W 2 "${IP6[alice]}"
}

former_address_is_refused_and_stays_sealed() {
	local former=${IP4[bob]} dropped sent=2

	address bob wire "$former/24"
	dropped=$(stat bob out_drop_source)
	watch former
	refuse "to the former address" on alice ping -n -q -c $sent -i 0.2 -W 1 "$former"
	refuse "from the former address" on bob ping -n -q -c $sent -i 0.2 -W 1 -I "$former" "${IP4[alice]}"
	end_watch former
	same "refused at its source" $(($(stat bob out_drop_source) - dropped)) $sent
	same "what left" "$(frames former "ip and host $former and host ${IP4[alice]}")" 0
	same "alice protects it" "$(verdict alice "$former")" drop_failed
	same "the reason" "$(sotto alice -j trace "$former" | jq -r .wrong.what)" "not-a-member"
	same "the line of the policy" "$(sotto gateway -j realm policy show |
		jq -r --arg p "$former/32" '.[] | select(.prefix == $p) | "\(.action) \(.source)"')" "protect configured"
	ip -n "$(ns_name bob)" addr del "$former/24" dev wire
}

agent_that_was_away_learns_of_it() {
	kill_agent bob
	expect "it gets its address back" sotto gateway member set bob --address $OTHER \
		--address "${IP6[bob]}" --address "${IP4[bob]}"
	renumber $FOREIGN "${IP4[bob]}"
	expect "bob's agent again" sotto bob up
	await "bob's agent is there again" $BACK associated bob
	# she was refused keys for it a moment ago, and would remember that
	expect "alice tries again" sotto alice tunnel del "${IP4[bob]}"
	work 10
	same "all agree" "$(addresses)" "[\"$OTHER\",\"${IP4[bob]}\",\"${IP6[bob]}\"]"
	expect "alice protects what he gave up" protects alice $FOREIGN
	expect "until the administrator says otherwise" sotto gateway realm policy del $FOREIGN/32
	await "and does so no more" 10 unprotected alice $FOREIGN
}

counters_add_up() {
	check_sums alice bob
	keep_logs
}

run_tests setup renumbered_member_keeps_its_session keys_are_made_at_the_new_place \
	address_that_was_not_granted_is_refused member_that_is_back \
	granted_address_works_from_the_first_packet former_address_is_refused_and_stays_sealed \
	agent_that_was_away_learns_of_it counters_add_up
