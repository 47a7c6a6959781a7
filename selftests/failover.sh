#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Servers that die: a standby with the same state serves members within ten seconds of the
# first one's death, they go back to it, and without any server what is keyed goes on for as
# long as the realm wants, new sessions are refused with a reason, and all resumes by itself.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/realm.sh"
begin
need_realm
need ping

SERVE=10		# seconds from a server's death to the other one's service
SILENT=10		# and from its silence, of which the agents are sure after eight
! sanitized || SILENT=15
HOME_S=25		# and until members are back at the first one
LOSS=12			# seconds: on_server_loss
ECHO_PORT=5002
IP4[standby]=10.7.9.253 IP6[standby]=fd07:9::fd
standby=

# The standby has what the first server had: a backup, made while it worked.
setup() {
	make_realm <<-CONF
		on_server_loss = $LOSS
		[server]
		endpoint = ${IP4[gateway]}, ${IP4[standby]}
	CONF
	join_both
	work 10
	make_hosts standby
	plug standby
	cp "$tmp/gateway/etc/authd.conf" "$tmp/standby/etc/"
	# with it goes the audit log: whoever is revoked after the backup stays revoked
	mkdir -p "$tmp/standby/state/authd"
	cp "$tmp/gateway/state/authd/realm.db.audit" "$tmp/standby/state/authd/"
	expect "backup" sotto gateway realm backup "$tmp/copy" &&
		expect "restore" sotto standby realm restore "$tmp/copy"
	start_standby
	traffic bob -b udp-echo $ECHO_PORT >"$tmp/bob.echo"
	traffic alice -b udp-echo $ECHO_PORT >"$tmp/alice.echo"
	await "alice at the first server" $HOME_S served_by alice gateway
	await "bob at the first server" $HOME_S served_by bob gateway
}

start_standby() {
	launch standby "$AUTHD" >>"$tmp/standby/log" 2>&1
	standby=$!
	disown $standby
	await "the standby" 10 sotto standby realm show
}

# served_by HOST SERVER: its association stands, with that one, whichever it may be trying.
served_by() {
	sotto "$1" -j status | jq -e --arg s "${IP4[$2]}" \
		'.agent.association | .state == "associated" and (.server | startswith($s))'
}

# moved_within SECONDS SERVER: both members, counted from $since.
moved_within() {
	local h

	for h in alice bob; do
		within "$h served by $2" $(($1 - (SECONDS - since))) served_by $h "$2"
	done
	note "after $((SECONDS - since)) s"
}

first_packet() {
	same "first packet by $1" "$(traffic alice -t 9000 udp-check "${IP4[bob]}" $ECHO_PORT 100 100 1 2>&1)" \
		"good 1 bad 0"
}

killed_server_is_replaced() {
	numbered 1500
	kill_server
	since=$SECONDS
	moved_within $SERVE standby
	end_numbered
	forget_all_keys
	first_packet standby
}

members_go_back() {
	start_server
	since=$SECONDS
	moved_within $HOME_S gateway
	forget_all_keys
	first_packet "the first server"
}

# No error comes back: it is just not there.
silent_server_is_replaced() {
	numbered 1500
	kill -STOP "$server"
	since=$SECONDS
	moved_within $SILENT standby
	end_numbered
	forget_all_keys
	first_packet standby
	kill -CONT "$server"
	since=$SECONDS
	moved_within $HOME_S gateway
}

without_any_server() {
	work 5
	kill_server
	kill -KILL $standby
	numbered 300	# long before the loss counts, on a busy machine, too
	end_numbered
	within "sessions end when the realm wants" $((LOSS + SERVE)) keyless alice
	within "at both ends" $((LOSS + SERVE)) keyless bob
	listen_in alice
	same "a new session" "$(traffic alice -t 20000 udp-try "${IP4[bob]}" $ECHO_PORT 100)" EHOSTUNREACH
	await "its reason" 5 refused_for alice "${IP4[bob]}" no_server
	end_listening alice
	start_server
	work 35
}

counters_add_up() {
	check_sums alice bob
	keep_logs
}

run_tests setup killed_server_is_replaced members_go_back silent_server_is_replaced \
	without_any_server counters_add_up
