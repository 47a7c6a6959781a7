#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Keys always arrive: over a control path that loses, doubles, reorders and delays, when both
# ends ask at once, and after either end, or the server, has lost what it knew. The first
# application packet is counted each time: it comes, or its sender is told why not. The server
# has two workers.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/realm.sh"
begin
need_realm
need ping tc

ECHO_PORT=5002
ONE_PORT=5006
FIRST_MS=20000		# the kernel gives an acquire 10 s
BACK=15			# seconds until an agent that lost its server is back
GRANT_KEPT=31		# and until the server has done with a grant
BAD="delay 500ms 100ms loss 30% duplicate 10%"	# jitter reorders
ROUNDS=4 GLARES=8 FORGED=2000
[ -z "${SOTTO_STRESS:-}" ] || ROUNDS=60 GLARES=1000 FORGED=100000

setup() {
	make_realm <<-CONF
		[server]
		workers = 2
	CONF
	join_both
	traffic alice -b udp-echo $ECHO_PORT >"$tmp/alice.echo"
	traffic bob -b udp-echo $ECHO_PORT >"$tmp/bob.echo"
	work 10
}

# once HOST: one datagram to the other and back, by whatever keys there are: "good 1 bad 0".
once() {
	traffic "$1" -t $FIRST_MS udp-check "${IP4[${PEER[$1]}]}" $ECHO_PORT 100 100 1 2>&1
}

first_packet_over_a_bad_control_path() {
	local i h got came=0 told=0

	control_path netem $BAD || { skip "no tc, or no netem in this kernel"; return; }
	for ((i = 0; i < ROUNDS; i++)); do
		h=alice
		[ $((i % 2)) = 0 ] || h=bob
		forget_all_keys
		got=$(once $h)
		case $got in
		"good 1 bad 0") came=$((came + 1)) ;;
		*"No route to host"*) told=$((told + 1)) ;;
		*) fail "round $i: the first packet of $h is lost: $got" ;;
		esac
	done
	control_path clean
	note "$came came, $told were refused"
	at_least "that came" $came $((ROUNDS - ROUNDS / 10 - 1))
	await "both associated" $BACK associated alice
	await "both associated" $BACK associated bob
}

# Both ask before either can know that the other did.
glare_makes_one_session() {
	local i before offers lost=0

	control_path netem delay 60ms || { skip "no tc, or no netem in this kernel"; return; }
	before=$(server_stat offers)
	for ((i = 0; i < GLARES; i++)); do
		sotto alice tunnel flush
		sotto bob tunnel flush
		once bob >"$tmp/bob.once" &
		[ "$(once alice)" = "good 1 bad 0" ] || lost=$((lost + 1))
		wait $!
		[ "$(cat "$tmp/bob.once")" = "good 1 bad 0" ] || lost=$((lost + 1))
		await "one session for both" 5 one_session || break
	done
	control_path clean
	same "packets lost" $lost 0
	same "mediations" $(($(server_stat offers) - before)) "$GLARES"
	same "mediations pending" "$(server_stat pending)" 0
	same "alice's SAs" "$(sas alice)" 2
	same "bob's SAs" "$(sas bob)" 2
}

# What nobody can authenticate changes nothing, and costs no more than its rate.
forged_packets_are_only_hints() {
	local before reports session begin

	work 5
	session=$(session_of alice)
	before=$(stat bob in_drop_unknown_spi)
	reports=$(server_stat spi_unknown)
	begin=$SECONDS
	forge "$FORGED"
	at_least "unknown SPIs" $(($(stat bob in_drop_unknown_spi) - before)) "$FORGED"
	same "session" "$(session_of alice)" "$session"
	expect "still works" pings alice "${IP4[bob]}"
	reports=$(($(server_stat spi_unknown) - reports))
	[ $reports -le $((SECONDS - begin + 4)) ] || fail "more reports than their rate: $reports"
}

# forge COUNT: from alice's host, but not by its shim: ESP with SPIs that nobody has.
forge() {
	on gateway "$PYTHON" - "${IP4[bob]}" $DATA_PORT "$1" <<-'PY'
		import os, socket, sys
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		for i in range(int(sys.argv[3])):
		    s.sendto((0x7f000000 + i).to_bytes(4, "big") + os.urandom(60), (sys.argv[1], int(sys.argv[2])))
	PY
}

# Keys that one end has lost without telling: the report of their SPI brings new ones.
keys_lost_in_silence() {
	work 5
	kill_agent bob
	expect "bob's kernel forgets" sotto bob tunnel flush
	expect "bob's agent again" sotto bob up
	await "alice reaches bob" 5 on alice ping -n -q -c 1 -W 1 "${IP4[bob]}"
	work 5
}

module_of_one_side_is_new() {
	work 5
	kill_agent bob
	expect "bob down, and nobody is told" sotto bob down
	expect "bob up" sotto bob up
	# by the report of an SPI that bob does not know, and not when keys are replaced some day
	await "alice reaches bob" 3 on alice ping -n -q -c 1 -W 1 "${IP4[bob]}"
	await "bob reaches alice" 3 on bob ping -n -q -c 1 -W 1 "${IP6[alice]}"
}

# Sessions go on; a new one is asked for at once, and waits for the other end to be back.
server_killed_and_started() {
	local i

	work 5
	for ((i = 0; i < 3; i++)); do
		kill_server
		expect "sessions live on" pings alice "${IP4[bob]}"
		start_server
		forget_all_keys
		same "first packet after the server's restart" "$(once alice)" "good 1 bad 0"
	done
}

# jump SECONDS: the wall clock, of all hosts.
jump() {
	date -s "@$(($(date +%s) + $1))" >/dev/null || fail "cannot set the clock"
}

# By a month ahead, two back, and to where it was: nothing that runs, waits or expires goes by it.
clocks_that_jump() {
	local by session

	forget_all_keys
	work 5
	session=$(session_of alice)
	# nor does the server forget who has which keys, once it has done with their grant
	jump 2600000
	sleep $GRANT_KEPT
	at_least "sessions that the server knows of" "$(server_stat sessions)" 1
	jump -2600000
	for by in 2600000 -5200000 2600000; do
		numbered 300
		jump $by
		end_numbered
		same "session" "$(session_of alice)" "$session"
		expect "alice is associated" associated alice
	done
	for by in 2600000 -2600000; do
		jump $by
		forget_all_keys
		same "first packet after a jump by $by s" "$(once alice)" "good 1 bad 0"
		kill_server
		start_server
		await "alice is back" $BACK associated alice
		await "bob is back" $BACK associated bob
		kill_agent bob
		expect "bob's agent again" sotto bob up
		work 10
	done
}

# Which worker a host meets is a matter of its port: together they had all of it.
workers_add_up() {
	same "both workers' datagrams" "$(sotto gateway -j realm stats |
		jq -c '[.worker0_in + .worker1_in == .dgrams_in, .worker0_out + .worker1_out == .dgrams_out, .dgrams_lost]')" \
		"[true,true,0]"
}

counters_add_up() {
	check_sums alice bob
	keep_logs
}

run_tests setup first_packet_over_a_bad_control_path glare_makes_one_session \
	forged_packets_are_only_hints keys_lost_in_silence \
	module_of_one_side_is_new server_killed_and_started \
	clocks_that_jump workers_add_up counters_add_up
