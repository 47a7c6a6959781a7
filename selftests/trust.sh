#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Who is trusted, and how far: pins against a server that lies, trace, which names the first
# thing that is wrong, and an agent that can do no more than its work, and keeps no keys.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/realm.sh"
begin keylog=1
need_realm
need ping setpriv

CAP_NET_ADMIN=0000000000001000

setup() {
	# the only one that keys are shown of
	make_realm <<-CONF
		ciphers = aes256gcm
		[realm]
		trust_on_first_use = yes
	CONF
	join_both
	work 10
}

proc_status() {
	awk -v name="$1:" '$1 == name { print $2 }' "/proc/$(cat "$tmp/alice/run/sottod.pid")/status"
}

agent_has_one_capability_and_a_filter() {
	same "effective" "$(proc_status CapEff)" $CAP_NET_ADMIN
	same "permitted" "$(proc_status CapPrm)" $CAP_NET_ADMIN
	same "inheritable" "$(proc_status CapInh)" 0000000000000000
	same "no new privileges" "$(proc_status NoNewPrivs)" 1
	same "seccomp" "$(proc_status Seccomp)" 2
	at_least "locked memory, KiB" "$(proc_status VmLck)" 4
}

# in_memory PID HEX…: how often these bytes are in its memory, in all.
in_memory() {
	"$PYTHON" - "$@" <<-'PY'
		import re, sys
		pid, hits = sys.argv[1], 0
		want = [bytes.fromhex(x) for x in sys.argv[2:]]
		with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
		    for line in maps:
		        span, rights = line.split()[:2]
		        if rights[:2] != "rw":
		            continue
		        begin, end = (int(x, 16) for x in span.split("-"))
		        mem.seek(begin)
		        try:
		            part = mem.read(end - begin)
		        except OSError:
		            continue
		        hits += sum(part.count(w) for w in want)
		print(hits)
	PY
}

hex_of() {
	od -An -v -tx1 | tr -d ' \n'
}

# What derived a session's keys is wiped: they are in the kernel alone. The peer's static key is
# found, so the search is good.
agent_keeps_no_session_keys() {
	local h keys public

	[ "$(cat /sys/module/sotto/parameters/keylog)" = Y ] || { skip "the module was loaded without keylog=1"; return; }
	for h in alice bob; do
		keys=$(sotto $h keylog all | grep -oE '0x[0-9a-f]{72}' | sort -u | sed 's/0x//; s/........$//')
		same "keys of $h" "$(wc -w <<<"$keys")" 2
		same "of them in its agent's memory" "$(in_memory "$(cat "$tmp/$h/run/sottod.pid")" $keys)" 0
		public=$(jq -r .static_key "$tmp/${PEER[$h]}/state/agent/enrolment.json" | tr _- /+ | sed 's/$/=/' | base64 -d | hex_of)
		at_least "its peer's static key there" "$(in_memory "$(cat "$tmp/$h/run/sottod.pid")" "$public")" 1
	done
}

# The part of the server that the network reaches does not have the realm's key; what it and the
# keeper have never reaches swap. The storage process has sealed secrets only.
server_locks_its_memory() {
	local pid hits=()

	for pid in $server $(pgrep -P "$server"); do
		[ "$(cat "/proc/$pid/comm")" = sotto-storage ] ||
			at_least "locked memory of $pid, KiB" "$(awk '$1 == "VmLck:" { print $2 }' "/proc/$pid/status")" 4
		hits+=("$(in_memory "$pid" "$(hex_of <"$tmp/gateway/state/authd/realm.key")")")
	done
	same "processes" ${#hits[@]} 3
	same "of them with the realm's key" "$(printf '%s\n' "${hits[@]}" | grep -vcx 0)" 1
}

forbidden_call_ends_the_agent() {
	local pid status

	command -v gcc >/dev/null || { skip "no compiler here"; return; }
	gcc -shared -fPIC -o "$tmp/forbidden.so" "$here/helpers/forbidden.c" || { fail "compile"; return; }
	kill_agent alice
	launch alice env LD_PRELOAD="$tmp/forbidden.so" "$(program sottod)" --foreground 2>"$tmp/forbidden"
	pid=$!
	await "the agent" 10 associated alice
	kill -USR2 $pid
	wait $pid
	status=$?
	same "its end" $status $((128 + 31))
	at_least "its last words" "$(grep -c 'system call not permitted' "$tmp/forbidden")" 1
	rm -f "$tmp/alice/run/sottod.pid"
	expect "alice's agent again" sotto alice up
	expect "sessions lived on" pings alice "${IP4[bob]}"
}

strangers_cannot_command_the_agent() {
	chmod 0755 "$tmp" "$tmp/alice" "$tmp/alice/run"
	chmod 0777 "$tmp/alice/run/agent.sock"
	same "an answer for nobody" "$(setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$PYTHON" - "$tmp/alice/run/agent.sock" <<-'PY'
		import socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect(sys.argv[1])
		try:
		    s.sendall(b'{"cmd": "stop"}\n')
		    print(s.recv(100).decode() or "none")
		except OSError:
		    print("none")
		PY
	)" none
	expect "alice's agent is there" associated alice
}

# wrong HOST ADDRESS: what trace says is wrong first.
wrong() {
	sotto "$1" -j trace "$2" | jq -r '.wrong | "\(.where) \(.what)"'
}

trace_names_what_is_wrong() {
	same "with keys" "$(wrong alice "${IP4[bob]}")" "null null"
	same "no policy" "$(wrong alice 10.7.9.77)" "policy pass_bypass"
	expect "policy" sotto alice policy add 10.7.9.77/32 protect
	same "a stranger" "$(wrong alice 10.7.9.77)" "server not-a-member"
	at_least "and the remedies" "$(sotto alice -j trace 10.7.9.77 | jq -r .wrong.next |
		grep -c 'sotto member add.*10.7.9.77.*sotto realm policy add 10.7.9.77 bypass')" 1
	expect "policy" sotto alice policy replace 10.7.9.77/32 bypass
	same "in the clear because somebody wants it so" "$(wrong alice 10.7.9.77)" "null null"
	expect "policy" sotto alice policy del 10.7.9.77/32
	forget_all_keys
	same "all is well, and keys will be there" "$(wrong alice "${IP4[bob]}")" "null null"
	expect "bob down" sotto bob down
	await "the peer is away" 10 wrong_is alice "${IP4[bob]}" "server peer-offline"
	kill_server
	await "no association" 20 wrong_is alice "${IP4[bob]}" association
	start_server
	kill_agent alice
	same "no agent" "$(wrong alice "${IP4[bob]}")" "agent not_running"
	expect "alice's agent again" sotto alice up
	expect "bob up" sotto bob up
	await "all is well" 10 wrong_is alice "${IP4[bob]}" null
}

# The server is content, and yet no packet comes through: the peer's agent has died and is not
# missed yet, or something between drops what is sealed.
trace_names_a_silent_peer() {
	forget_all_keys
	kill_agent bob
	traffic alice -t 1000 udp-try "${IP4[bob]}" 5002 100 >/dev/null
	await "the agent is silent" 8 wrong_is alice "${IP4[bob]}" "peer silent"
	expect "bob's agent again" sotto bob up
	forget_all_keys
	on bob nft -f - <<-NFT
		table inet wall {
			chain in {
				type filter hook prerouting priority -500
				udp dport $DATA_PORT drop
			}
		}
	NFT
	traffic alice -t 1000 udp-try "${IP4[bob]}" 5002 100 >/dev/null
	await "nothing comes" 8 wrong_is alice "${IP4[bob]}" "peer unconfirmed"
	at_least "and the remedy" "$(sotto alice trace "${IP4[bob]}" | grep -c 'next.*UDP.*data port')" 1
	on bob nft delete table inet wall
	work 20
	same "all is well" "$(wrong alice "${IP4[bob]}")" "null null"
}

# An address that was taken from a host, and a host that never was enrolled.
status_names_what_is_off() {
	local said

	ip -n "$(ns_name alice)" address del "${IP4[alice]}/24" dev wire
	said=$(sotto alice status)
	at_least "the address that is gone" "$(grep -c "on no device here: ${IP4[alice]}\$" <<<"$said")" 1 || note "$said"
	same "the same for programs" "$(sotto alice -j status | jq -c .absent)" "[\"${IP4[alice]}\"]"
	address alice wire "${IP4[alice]}/24"
	same "none is gone" "$(sotto alice -j status | jq -c .absent)" "[]"
	make_hosts nobody
	said=$(sotto nobody status) && fail "all is well with nobody"
	at_least "who is not enrolled is told to" "$(grep -c '^next *sotto enroll' <<<"$said")" 1 || note "$said"
}

# Who finds everything changed sees that a trial is under way, and how it ends.
trial_is_seen() {
	local before

	before=$(sotto gateway policy export)
	same "none" "$(sotto gateway -j realm show | jq .trial_left_s)" null
	echo "default deny" >"$tmp/trial"
	expect "a trial" sotto gateway policy apply --confirm 1h "$tmp/trial"
	at_least "seconds left" "$(sotto gateway -j realm show | jq .trial_left_s)" 3500
	at_least "said" "$(sotto gateway realm | grep -c '^policy .*on trial.*policy confirm.*revert')" 1
	same "who did it, and when" "$(sotto gateway realm audit 1 |
		sed -n 's/^20[0-9-]*T[0-9:]*[+-][0-9:]* *admin *policy.apply .*on trial$/yes/p')" yes
	expect "back" sotto gateway policy revert
	same "policy" "$(sotto gateway policy export)" "$before"
	same "none any more" "$(sotto gateway -j realm show | jq .trial_left_s)" null
	work 20
}

# A host that was cloned, keys and all: each pushes the other out, and everybody says so. New keys
# for one of them shut the other out.
cloned_host_is_named() {
	make_hosts clone
	IP4[clone]=10.7.9.8 IP6[clone]=fd07:9::8
	plug clone
	cp -a "$tmp/alice/etc" "$tmp/alice/state" "$tmp/clone/"
	expect "the clone comes up" sotto clone up
	await "the server's log" 30 says "$tmp/gateway/log" \
		"member alice: two hosts have its identity and push each other out, at ${IP4[alice]} and ${IP4[clone]}"
	await "alice's status" 10 twin_is alice "${IP4[clone]}"
	await "the clone's status" 30 twin_is clone "${IP4[alice]}"
	refuse "all is well" sotto alice status
	at_least "alice's log" "$(grep -c "another host, at ${IP4[clone]}, has this host's identity" "$tmp/alice/run/sottod.log")" 1
	same "member show" "$(sotto gateway -j member show alice | jq -c '.twins | sort')" \
		"[\"${IP4[alice]}\",\"${IP4[clone]}\"]"
	at_least "member list" "$(sotto gateway member list | grep -c '^alice .* twice ')" 1
	at_least "counted" "$(server_stat twins)" 1
	expect "alice forgets its keys" sotto alice tunnel flush
	same "alice's trace" "$(wrong alice "${IP4[bob]}")" "association twin"
	expect "bob forgets its keys" sotto bob tunnel flush
	same "bob's trace" "$(wrong bob "${IP4[alice]}")" "server twin"

	sotto gateway member rekey alice >"$tmp/alice/line" 2>/dev/null
	expect "new keys" sotto alice enroll "$tmp/alice/line"
	await "the clone is shut out" 30 shut_out clone
	await "alice is well" 10 associated alice
	expect "forget alice's old key" sotto bob peer unpin alice
	work 20
	same "twins" "$(sotto gateway -j member show alice | jq .twins)" null
	expect "clone down" sotto clone down
	power_off clone
}

twin_is() {
	[ "$(sotto "$1" -j status | jq -r .agent.association.twin)" = "$2" ]
}

shut_out() {
	[ "$(sotto "$1" -j status | jq -r .agent.association.error)" = not_a_member ]
}

# Who comes up for the first time has no policy as long as the server is away: it must not be
# told that one is in force.
first_time_without_the_server() {
	local said

	make_hosts carol
	IP4[carol]=10.7.9.3 IP6[carol]=fd07:9::3
	plug carol
	sotto gateway member add carol --address "${IP4[carol]}" >"$tmp/carol/line" 2>&1 ||
		{ fail "no line: $(cat "$tmp/carol/line")"; return; }
	expect "carol enrols" sotto carol enroll "$tmp/carol/line"
	kill_server
	said=$(sotto carol up --timeout 1s 2>&1) && fail "carol came up"
	at_least "it is told that nothing is protected: $said" "$(grep -c 'nothing is protected' <<<"$said")" 1
	at_least "by status, too" "$(sotto carol status | grep -c '^policy .*nothing is protected')" 1
	expect "alice down" sotto alice down
	said=$(sotto alice up --timeout 1s 2>&1) && fail "alice is up"
	at_least "alice has a policy: $said" "$(grep -c 'Policy is in force' <<<"$said")" 1
	start_server
	expect "carol comes up" sotto carol up
	expect "carol down" sotto carol down
	await "alice is back" 20 associated alice
}

wrong_is() {
	[[ "$(wrong "$1" "$2") " == "$3 "* ]]
}

one_id_in_all_three_logs() {
	local id log

	work 10
	id=$(session_of alice)
	for log in alice/run/sottod.log bob/run/sottod.log gateway/log; do
		at_least "session $id in $log" "$(grep -c "$id" "$tmp/$log")" 1
	done
}

by() {
	sotto alice -j peer show | jq -r '.[] | select(.name == "bob") | .by'
}

# Who pins bob by hand finds the same key with bob, with alice and on the gateway.
one_key_whoever_is_asked() {
	local key

	work 10
	key=$(jq -r .static_key "$tmp/bob/state/agent/enrolment.json")
	at_least "in bob's status" "$(sotto bob status | grep -cF "$key")" 1
	at_least "among alice's peers" "$(sotto alice peer show | grep -cF "$key")" 1
	at_least "on the gateway" "$(sotto gateway member show bob | grep -cF "$key")" 1
}

# Only root knows whether a host is enrolled, so nobody else is told to enrol it.
stranger_is_told_to_be_root() {
	local what status

	chmod 0755 "$tmp"
	cp "$SOTTO" "$tmp/program"	# where anybody can get at it
	for what in "alice up" "alice status" "gateway realm monitor" "gateway realm show"; do
		on "${what%% *}" setpriv --reuid=65534 --regid=65534 --clear-groups "$tmp/program" ${what#* } \
			>"$tmp/said" 2>&1
		status=$?
		same "$what: status" $status 3
		at_least "$what: root" "$(grep -c 'as root' "$tmp/said")" 1 || note "$(cat "$tmp/said")"
	done
}

# The tunnel that failed, and the reason, are there for a second. $next: trace's advice.
refused_by_the_pin() {
	local said

	same "alice to who has bob's addresses" "$(traffic alice -t 20000 udp-try "${IP4[bob]}" 5002 100)" EHOSTUNREACH
	said=$(sotto alice -j trace "${IP4[bob]}")
	next=$(jq -r .wrong.next <<<"$said")
	[ "$(jq -r '.wrong | "\(.where) \(.what)"' <<<"$said")" = "tunnel pin" ]
}

# The realm's own administrator, or the thief of its key, gives bob's name and addresses to
# another host.
lying_server_gains_nothing() {
	local key

	same "pinned on first use" "$(by)" pin
	refuse "a pin of a stranger without a key" sotto alice peer pin nobody
	power_off bob
	expect "bob is no more" sotto gateway member revoke bob
	make_hosts mallory
	IP4[mallory]=${IP4[bob]} IP6[mallory]=${IP6[bob]} PEER[mallory]=alice
	plug mallory
	sotto gateway member add bob --address "${IP4[bob]}" --address "${IP6[bob]}" >"$tmp/mallory/line" 2>&1 ||
		{ fail "no line: $(cat "$tmp/mallory/line")"; return; }
	expect "mallory enrols as bob" sotto mallory enroll "$tmp/mallory/line"
	expect "mallory up" sotto mallory up
	await "trace says why" 10 refused_by_the_pin
	key=$(jq -r .static_key "$tmp/mallory/state/agent/enrolment.json")
	at_least "the command, if it were right" \
		"$(grep -cF "sotto peer pin bob $key" <<<"$next")" 1
	same "the false bob to alice" "$(traffic mallory -t 20000 udp-try "${IP4[alice]}" 5002 100)" EHOSTUNREACH
	at_least "mallory's side" "$(sotto mallory -j trace "${IP4[alice]}" | jq -r .wrong.next |
		grep -c 'the other host has pinned')" 1
	at_least "alice's log" "$(grep 'static key is not the pinned one' "$tmp/alice/run/sottod.log" |
		grep -cF "sotto peer pin bob $key")" 1
}

# Nor does it help to give the addresses to another name, which nobody has pinned.
pinned_address_under_another_name() {
	expect "the false bob is no more" sotto gateway member revoke bob
	sotto gateway member add robert --address "${IP4[bob]}" --address "${IP6[bob]}" >"$tmp/mallory/line" 2>&1 ||
		{ fail "no line: $(cat "$tmp/mallory/line")"; return; }
	expect "mallory down" sotto mallory down
	expect "mallory enrols as robert" sotto mallory enroll --force "$tmp/mallory/line"
	expect "mallory up" sotto mallory up
	expect "forget the refusal" sotto alice tunnel flush
	await "trace says why" 10 refused_by_the_pin
	at_least "the command, if it were right" \
		"$(grep -cF "sotto peer unpin bob" <<<"$next")" 1
	same "robert to alice" "$(traffic mallory -t 20000 udp-try "${IP4[alice]}" 5002 100)" EHOSTUNREACH
	at_least "alice's log" "$(grep -c 'address of bob, whose key is pinned' "$tmp/alice/run/sottod.log")" 1
}

action_of() {
	sotto alice -j policy show | jq -r --arg p "$1" '.[] | select(.prefix == $p) | .action'
}

action_is() {
	[ "$(action_of "$1")" = "$2" ]
}

# Nor to tell alice that they need no protection.
pinned_address_stays_protected() {
	expect "policy" sotto gateway realm policy add 10.7.9.77/32 bypass
	expect "policy" sotto gateway realm policy add "${IP4[bob]}/32" bypass
	await "alice has the policy" 10 action_is 10.7.9.77/32 bypass
	watch clear
	refuse "alice to a pinned address" on alice ping -n -q -c 2 -W 1 "${IP4[bob]}"
	end_watch clear
	same "what left in the clear" "$(frames clear "icmp and host ${IP4[bob]}")" 0
	same "its policy" "$(action_of "${IP4[bob]}/32")" protect
	expect "unpin" sotto alice peer unpin bob
	await "the realm's word counts again" 10 action_is "${IP4[bob]}/32" bypass
	expect "policy" sotto gateway realm policy del "${IP4[bob]}/32"
	await "as before" 10 action_is "${IP4[bob]}/32" protect
}

# Without the pin the server's word is all there is: so the tests above do not pass by chance.
without_the_pin_it_is_believed() {
	expect "forget the refusal" sotto alice tunnel flush
	await "alice talks to mallory" 10 on alice ping -n -q -c 1 -W 2 "${IP4[bob]}"
}

counters_add_up() {
	check_sums alice
	keep_logs
}

run_tests setup agent_has_one_capability_and_a_filter agent_keeps_no_session_keys \
	server_locks_its_memory forbidden_call_ends_the_agent \
	strangers_cannot_command_the_agent stranger_is_told_to_be_root trace_names_what_is_wrong \
	trace_names_a_silent_peer status_names_what_is_off trial_is_seen \
	cloned_host_is_named first_time_without_the_server one_id_in_all_three_logs one_key_whoever_is_asked \
	lying_server_gains_nothing pinned_address_under_another_name pinned_address_stays_protected \
	without_the_pin_it_is_believed counters_add_up
