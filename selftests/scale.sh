#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Many tunnels: each takes little memory, finding one among them costs no more than finding
# the only one, and all of it comes back when they go.

. "$(dirname "$0")/lib.sh"
begin

MANY=$(program many) || skip_all "there is no program many; build selftests first"
TUNNELS=${SOTTO_STRESS:+1000000}
TUNNELS=${TUNNELS:-20000}
MOST=4096		# bytes of a tunnel with both its SAs, ChaCha20-Poly1305

# slab: KiB that the kernel has taken for objects.
slab() {
	awk '/^SUnreclaim/ { print $2 }' /proc/meminfo
}

many() {
	on a "$MANY" "$@" >"$tmp/many" 2>&1 || { fail "many $*: $(<"$tmp/many")"; return 1; }
	note "$*: $(<"$tmp/many")"
}

setup() {
	make_hosts a
	expect "up" sotto a up --no-agent
	many add 0 100
	expect "flush" sotto a tunnel flush
	await "nothing alive" 10 few 200
	before=$(slab)
}

# few N: no more than so many KiB above what was.
few() {
	[ "$(slab)" -le $((${before:-$(slab)} + $1)) ]
}

install_and_dump() {
	local each

	many add 0 "$TUNNELS"
	same "SAs" "$(sotto a -j status | jq .module.sas)" $((2 * TUNNELS))
	each=$((($(slab) - before) * 1024 / TUNNELS))
	note "$each bytes for each"
	[ $each -le $MOST ] || fail "a tunnel takes $each bytes, more than $MOST"
	many dump sa
	same "dumped" "$(cut -d' ' -f1 "$tmp/many")" $((2 * TUNNELS))
	many dump tunnel
	same "dumped" "$(cut -d' ' -f1 "$tmp/many")" "$TUNNELS"
}

# A session's end that looked at all others would take minutes here.
sessions_end_one_by_one() {
	many del 0 $((TUNNELS / 2))
	same "SAs left" "$(sotto a -j status | jq .module.sas)" "$TUNNELS"
}

all_memory_comes_back() {
	expect "flush" sotto a tunnel flush
	await "the memory" 30 few 2048
}

run_tests setup install_and_dump sessions_end_one_by_one all_memory_comes_back
