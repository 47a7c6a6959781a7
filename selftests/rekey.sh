#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Keys are replaced under load, by packets and by bytes: nothing is lost, nothing is dropped,
# both ends end with one session, and the old keys are gone when their overlap is over.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/realm.sh"
begin
need_realm
need ping

OVERLAP=30		# seconds: SESSION_OVERLAP_MS
NUMBERED_GAP=1500	# us
MEGABYTES=12		# many times what goes while keys are replaced
[ -z "${SOTTO_STRESS:-}" ] || MEGABYTES=64

setup() {
	make_realm <<-CONF
		soft_packets = 600
		hard_packets = 100000
	CONF
	join_both
	work 10
}

# drops HOST: all that it has dropped on the way in or out.
drops() {
	stats "$1" | awk '/^(in|out)_drop_/ { n += $2 } END { print n + 0 }'
}

# nothing_dropped: since $dropped.
nothing_dropped() {
	same "drops of alice and bob" "$(drops alice) $(drops bob)" "$dropped" || {
		note "$(stats alice | grep _drop_ | grep -v ' 0$')"
		note "$(stats bob | grep _drop_ | grep -v ' 0$')"
	}
}

begin_count() {
	dropped="$(drops alice) $(drops bob)"
	grants=$(server_stat grants)
}

# granted NUMBER: or more, for await
granted() {
	[ "$(server_stat grants)" -ge "$1" ]
}

by_packets() {
	begin_count
	numbered 3000
	end_numbered
	nothing_dropped
	at_least "new sessions" $(($(server_stat grants) - grants)) 3
	await "one session for both" 5 one_session
}

# The server's limits are of the sessions that it mediates from now on.
by_bytes_at_full_speed() {
	kill_server
	printf '[session]\nsoft_bytes = 1M\nhard_bytes = 1G\n' >"$tmp/gateway/etc/authd.conf"
	start_server
	forget_all_keys
	work 10
	begin_count
	bulk alice bob "${IP4[bob]}" $MEGABYTES &
	expect "from bob to alice" bulk bob alice "${IP6[alice]}" $MEGABYTES
	wait $! || fail "from alice to bob"
	nothing_dropped
	await "new sessions" 10 granted $((grants + 2))
	await "one session for both" 5 one_session
}

two_sas() {
	[ "$(sas "$1")" = 2 ]
}

old_keys_are_wiped() {
	within "alice has the last keys alone" $((OVERLAP + 10)) two_sas alice
	await "so has bob" 10 two_sas bob
	expect "they work" pings alice "${IP4[bob]}"
	same "mediations pending" "$(server_stat pending)" 0
}

counters_add_up() {
	check_sums alice bob
	keep_logs
}

run_tests setup by_packets by_bytes_at_full_speed old_keys_are_wiped counters_add_up
