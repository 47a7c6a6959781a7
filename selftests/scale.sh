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
MOST=2048		# bytes of a tunnel with both its SAs, ChaCha20-Poly1305

# slab: KiB that the kernel has taken for objects and tables.
slab() {
	awk '/^(SUnreclaim|VmallocUsed)/ { n += $2 } END { print n }' /proc/meminfo
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

# batch [WORDS…]: of standard input; what it says goes to $tmp/said.
batch() {
	sotto a "$@" -batch - >"$tmp/said" 2>&1
}

a_batch_says_what_went_wrong_and_where() {
	local n="cipher aes256gcm key 0x$(printf '%072d' 1)" before

	before=$(sotto a -j status | jq .module.sas)
	batch <<-END
		# two of them
		sa add in spi 0x10001 peer fd0b::1 session 0x10001 \\
			$n
		sa add out spi 0x10001 peer fd0b::1 name "b 1" session 0x10001 $n
	END
	same "status" $? 0
	same "what it said" "$(<"$tmp/said")" ""
	same "SAs" "$(sotto a -j status | jq .module.sas)" $((before + 2))
	same "the name" "$(sotto a -j tunnel show fd0b::1 | jq -r .[].peer)" "b 1"

	batch <<-END
		sa del session 0x10001

		sa del session 0x10001
		policy add 10.0.0.0/8 block
	END
	same "status of a refusal" $? 1
	same "what it said" "$(<"$tmp/said")" \
		"sotto: -:3: cannot delete the SAs of session 0x10001: no SA of this session"
	same "policies" "$(sotto a -j policy show | jq length)" 0

	batch -force <<-END
		sa del session
		sa del session 0x10001
		policy add fd0b::/64 bypass
		-j policy show
	END
	same "status of the first error" $? 2
	same "lines with errors" "$(grep -o '^sotto: -:[0-9]*' "$tmp/said" | paste -sd ' ')" \
		"sotto: -:1 sotto: -:2"
	same "policies" "$(sed -n '/^\[/,$p' "$tmp/said" | jq -r .[].prefix)" fd0b::/64
	expect "policy" sotto a policy del fd0b::/64

	# A command that reads secrets must not take the next line for one.
	batch -force <<-END
		sa add in spi 0x10001 peer fd0b::1 cipher aes256gcm key-file -
		addr add fd0b::2
	END
	same "status without a key" $? 1
	expect "the line behind it" sotto a addr del fd0b::2
	refuse "no file" sotto a -batch "$tmp/none"
	refuse "-force alone" sotto a -force tunnel show
}

# A session's end that looked at all others would take minutes here.
sessions_end_one_by_one() {
	many del 0 $((TUNNELS / 2))
	same "SAs left" "$(sotto a -j status | jq .module.sas)" "$TUNNELS"
}

sas_are() {
	[ "$(sotto a -j status | jq .module.sas)" = "$1" ]
}

# They go in batches, and all of them in the end.
many_end_in_the_same_second() {
	expect "flush" sotto a tunnel flush
	many -l 2 add 0 5000
	await "the end of all" 30 sas_are 0
	same "tunnels left" "$(sotto a -j tunnel show | jq length)" 0
}

# At most 4096 are told in a second; the others find out that they have to wait. They come as
# fast as they were installed, which on a slow machine is within the limit.
soft_limits_are_told_at_a_rate() {
	local n=6000 deferred us

	deferred=$(stat a soft_deferred)
	many -s 1 add 0 $n
	us=$(awk '{ print $3 }' "$tmp/many")
	sleep 3
	deferred=$(($(stat a soft_deferred) - deferred))
	note "found none to be told of $deferred times"
	[ "$us" -gt 1200000 ] || at_least "put off" $deferred 1
	same "SAs" "$(sotto a -j status | jq .module.sas)" $((2 * n))
	expect "flush" sotto a tunnel flush
}

all_memory_comes_back() {
	expect "flush" sotto a tunnel flush
	await "the memory" 30 few 2048
}

run_tests setup a_batch_says_what_went_wrong_and_where install_and_dump sessions_end_one_by_one \
	many_end_in_the_same_second soft_limits_are_told_at_a_rate all_memory_comes_back
