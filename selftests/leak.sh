#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Nothing protected leaves in the clear, whatever fails: traffic that carries a marker runs
# all the time, both ways, UDP and TCP, IPv4 and IPv6, and is searched for on the wire. After
# each fault it must flow again, or its sender be told why not: a host that drops everything
# does not pass.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/realm.sh"
begin
need_realm

SOFT=8 HARD=15		# seconds that keys live
DEAD=$((HARD + 12))	# after that many without new ones, everybody was told
BACK=40			# agents may wait half a minute before they try a server again

setup() {
	make_realm <<-CONF
		soft_time = $SOFT
		hard_time = $HARD
	CONF
	listen alice
	listen bob
	talk alice
	talk bob
}

control_run_shows_the_marker() {
	watch clear
	flows 10 alice bob
	end_watch clear
	at_least "markers" "$(marked clear)" 1000
}

protected_traffic_shows_none() {
	join_both
	watch protected
	flows 20 alice bob
	end_watch protected
	sealed_only protected 40
}

agent_killed() {
	watch agent
	kill_agent alice
	flows 5 alice bob
	refuse "alice's status is bad" sotto alice status
	fails_with no_agent $DEAD alice
	expect "alice's agent again" sotto alice up
	flows 20 alice bob
	end_watch agent
	sealed_only agent 100
}

server_killed() {
	watch server
	kill_server
	flows 5 alice bob
	end_watch server
	sealed_only server 40
}

keys_expired_with_the_server_away() {
	watch expired
	fails_with no_server $DEAD alice
	fails_with no_server 10 bob
	refuse "alice's status is bad" sotto alice status
	start_server
	flows $BACK alice bob
	end_watch expired
	sealed_only expired 40
}

tunnels_of_the_peer_flushed() {
	watch flushed
	expect "flush" sotto bob tunnel flush
	flows 20 alice bob
	end_watch flushed
	sealed_only flushed 40
}

# A packet socket sends below the hooks. Where policy lets it, it must be seen to work.
packet_socket_is_guarded() {
	local mac dropped count=20

	mac=$(ip -n "$(ns_name bob)" -j link show wire | jq -r '.[0].address')
	dropped=$(stat alice out_drop_beneath)
	watch injected
	on alice "$TALK" inject wire "$mac" "${IP4[alice]}" "${IP4[bob]}" "$MARKER" $count >/dev/null
	on alice "$TALK" inject wire "$mac" "${IP6[alice]}" "${IP6[bob]}" "$MARKER" $count >/dev/null
	mac=$(ip -n "$(ns_name gateway)" -j link show wire | jq -r '.[0].address')
	on alice "$TALK" inject wire "$mac" "${IP4[alice]}" "${IP4[gateway]}" "NotProtected" $count >/dev/null
	flows 10 alice bob
	end_watch injected
	sealed_only injected 40
	same "drops by the guard" "$(($(stat alice out_drop_beneath) - dropped))" $((2 * count))
	same "what may pass" "$(frames injected "src ${IP4[alice]} and dst ${IP4[gateway]} and udp dst port 4321")" $count
}

# The module is the machine's, so bob has to be down meanwhile, and silent.
module_reloaded() {
	local before sent

	[ -n "$module_loaded" ] || { skip "the module was loaded by somebody else"; return; }
	hush bob
	watch reload
	expect "bob down" sotto bob down
	before=$(stat_of_module)
	sent=$(sent_by alice)
	expect "reload" sotto alice reload
	at_least "datagrams sent meanwhile" $(($(sent_by alice) - sent)) 10
	refuse "the same module as before" test "$before" = "$(stat_of_module)"
	refuse "the guard is still there" on alice nft list table inet sotto_guard
	expect "bob up" sotto bob up
	flows 30 bob
	end_watch reload
	sealed_only reload 20 alice
	talk bob
	flows 20 alice
}

stat_of_module() {
	command stat -c %i /sys/module/sotto
}

sent_by() {
	awk '$1 == "udp" { n += $4 + $6 } END { print n }' "$tmp/$1.source"
}

host_restarted_with_the_server_away() {
	kill_server
	watch restart
	power_off alice
	make_hosts alice
	expect "the kept policy, before there is a network" sotto alice policy restore
	plug alice
	listen alice
	talk alice
	fails_with no_agent 15 alice
	refuse "up without a server" sotto alice up --timeout 2
	fails_with no_server 15 alice
	start_server
	flows $BACK alice bob
	end_watch restart
	sealed_only restart 40
}

counters_add_up() {
	hush alice bob
	check_sums alice bob
	keep_logs
}

run_tests setup control_run_shows_the_marker protected_traffic_shows_none agent_killed \
	server_killed keys_expired_with_the_server_away tunnels_of_the_peer_flushed \
	packet_socket_is_guarded module_reloaded host_restarted_with_the_server_away counters_add_up
