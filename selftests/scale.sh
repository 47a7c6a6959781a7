#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Many tunnels: each takes little memory, finding one among them costs no more than finding
# the only one, and all of it comes back when they go.

. "$(dirname "$0")/lib.sh"
begin

MANY=$(program many) || skip_all "there is no program many; build selftests first"
TUNNELS=${SOTTO_STRESS:+1000000}
# Where each access to memory is looked at, a tenth of it must do.
sanitized && TUNNELS=2000
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
	many add 0 "$TUNNELS"
	same "SAs" "$(sas)" $((2 * TUNNELS))
	each=$((($(slab) - before) * 1024 / TUNNELS))
	note "$each bytes for each"
	many dump sa
	same "dumped" "$(cut -d' ' -f1 "$tmp/many")" $((2 * TUNNELS))
	many dump tunnel
	same "dumped" "$(cut -d' ' -f1 "$tmp/many")" "$TUNNELS"
}

a_tunnel_takes_little() {
	[ "$each" -le $MOST ] || fail "a tunnel takes $each bytes, more than $MOST"
}

# batch [WORDS…]: of standard input; what it says goes to $tmp/said.
batch() {
	sotto a "$@" -batch - >"$tmp/said" 2>&1
}

a_batch_says_what_went_wrong_and_where() {
	local n="cipher aes256gcm key 0x$(printf '%072d' 1)" before

	before=$(sas)
	batch <<-END
		# two of them
		sa add in spi 0x10001 peer fd0b::1 session 0x10001 \\
			$n
		sa add out spi 0x10001 peer fd0b::1 name "b 1" session 0x10001 $n
	END
	same "status" $? 0
	same "what it said" "$(<"$tmp/said")" ""
	same "SAs" "$(sas)" $((before + 2))
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

# lines FIRST LAST: of a batch, an SA each
lines() {
	awk -v first="$1" -v last="$2" 'BEGIN {
		for (i = first; i <= last; i++)
			printf "sa add in spi %d peer fd0b::2 cipher chacha20poly1305 key 0x%072x\n", 131072 + i, i
	}'
}

sas() {
	sotto a -j status | jq .module.sas
}

# They go to the kernel many at a time, and nobody is to notice.
many_lines_are_as_good_as_one_by_one() {
	local before exists="cannot add the SA in spi 0x00020064: an inbound SA with this SPI exists"

	before=$(sas)
	{ lines 1 149; lines 100 100; lines 150 400; } | batch
	same "status" $? 1
	same "what it said" "$(<"$tmp/said")" "sotto: -:150: $exists"
	same "SAs before that line" "$(sas)" $((before + 149))

	{ lines 100 100; lines 150 400; echo "policy add fd0b::/64 bypass"; lines 100 100; } | batch -force
	same "status" $? 1
	same "what it said" "$(<"$tmp/said")" "$(printf "sotto: -:%s: $exists\n" 1 254)"
	same "all SAs" "$(sas)" $((before + 400))
	expect "the policy behind them" sotto a policy del fd0b::/64

	{ lines 401 450; echo "sa add in spi"; lines 451 452; } | batch
	same "status of a line that makes no sense" $? 2
	same "where it is" "$(grep -o '^sotto: -:[0-9]*' "$tmp/said")" "sotto: -:51"
	same "SAs before that line" "$(sas)" $((before + 450))

	{ lines 1 1; echo "sa add in spi"; } | batch
	same "status of the first error" $? 1
	same "only the first is told" "$(grep -c ^sotto: "$tmp/said")" 1

	awk 'BEGIN { for (i = 1; i <= 450; i++) print "sa del in spi", 131072 + i }' | batch
	same "status of deleting" $? 0
	same "SAs" "$(sas)" "$before"
}

# Who writes the lines may wait for what they do.
a_batch_does_not_wait_for_more() {
	local before writer

	before=$(sas)
	mkfifo "$tmp/lines"
	launch a "$SOTTO" -batch "$tmp/lines"
	exec {writer}>"$tmp/lines"
	lines 1 3 >&"$writer"
	await "three SAs" 10 sas_are $((before + 3))
	echo "sa del in spi 131073" >&"$writer"
	await "two SAs" 10 sas_are $((before + 2))
	exec {writer}>&-
	wait $!
	same "status" $? 0
	expect "flush" sotto a tunnel flush
}

# A session's end that looked at all others would take minutes here.
sessions_end_one_by_one() {
	many del 0 $((TUNNELS / 2))
	same "SAs left" "$(sas)" "$TUNNELS"
}

sas_are() {
	[ "$(sas)" = "$1" ]
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
	same "SAs" "$(sas)" $((2 * n))
	expect "flush" sotto a tunnel flush
}

# A namespace may be anybody's: what a container makes there is the memory that it has a limit of.
who_makes_tunnels_pays_for_them() {
	local group=$tmp/groups/payer-$$ before each=16 sas=500 paid

	mkdir -p "$tmp/groups"
	mount -t cgroup2 none "$tmp/groups" 2>/dev/null ||
		{ skip "there are no control groups"; return; }
	if ! echo +memory 2>/dev/null >"$tmp/groups/cgroup.subtree_control"; then
		umount "$tmp/groups"
		skip "no control group has memory here"
		return
	fi
	mkdir "$group"
	expect "flush" sotto a tunnel flush
	awk -v sas=$sas -v each=$each 'BEGIN {
		for (i = 0; i < sas; i++) {
			printf "sa add out spi %d cipher chacha20poly1305 key 0x%072x peer", 200000 + i, i + 1
			for (j = 0; j < each; j++)
				printf "%sfd0c::%x:%x", j ? "," : " ", i, j + 1
			print ""
		}
	}' >"$tmp/lines.tunnels"
	before=$(slab_of "$group")
	expect "tunnels" on a sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" \
		"$SOTTO" -batch "$tmp/lines.tunnels"
	same "tunnels" "$(sotto a -j tunnel show | jq length)" $((sas * each))
	paid=$((($(slab_of "$group") - before) / (sas * each)))
	at_least "bytes paid for each tunnel" $paid 256
	note "$paid bytes paid for each"
	expect "flush" sotto a tunnel flush
	rmdir "$group"
	umount "$tmp/groups"
}

slab_of() {
	awk '$1 == "slab" { print $2 }' "$1/memory.stat"
}

all_memory_comes_back() {
	expect "flush" sotto a tunnel flush
	await "the memory" 30 few 2048
}

# What KASAN puts around each object is memory, too, and what was freed it keeps for a while.
run_tests setup a_batch_says_what_went_wrong_and_where many_lines_are_as_good_as_one_by_one \
	a_batch_does_not_wait_for_more install_and_dump $(sanitized || echo a_tunnel_takes_little) \
	sessions_end_one_by_one many_end_in_the_same_second soft_limits_are_told_at_a_rate \
	who_makes_tunnels_pays_for_them \
	$(sanitized || echo all_memory_comes_back)
