# SPDX-License-Identifier: GPL-2.0
# How the demo runs its steps, and cleans up after them; sourced by demo.

prefix=${SOTTO_DEMO_PREFIX:-}
hosts="gateway alice bob office web"
work=
number=0

now_ms() {
	local us=${EPOCHREALTIME/[.,]/}

	echo $((us / 1000))
}

# Seconds with one decimal, of milliseconds.
seconds() {
	printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100))
}

begin() {
	work=$(mktemp -d "${TMPDIR:-/tmp}/sotto-demo.XXXXXX") || exit 1
	had_module=
	! grep -q '^sotto ' /proc/modules || had_module=yes
	started=$(now_ms)
	printf '\nA gateway, alice, bob and an office, on Linux %s:\n\n' "$(uname -r)"
}

# step LABEL FUNCTION [ARGUMENT…]: one line of progress. The function's output is shown only
# if it fails; what it puts into $note stands behind the label.
step() {
	local label=$1 from spent
	shift

	number=$((number + 1))
	from=$(now_ms)
	note=
	printf '%2d  %s' "$number" "$label"
	if ! "$@" >"$work/log" 2>&1; then
		failed "$label"
	fi
	spent=$(($(now_ms) - from))
	printf '%s  (%s s)\n' "${note:+: $note}" "$(seconds $spent)"
}

failed() {
	printf '  FAILED\n'
	{
		printf '\ndemo: step %d failed: %s\n' "$number" "$1"
		sed 's/^/    /' "$work/log"
		for log in "$work"/*/log; do
			[ -s "$log" ] || continue
			printf 'the log of %s ends with:\n' "$(basename "${log%/log}")"
			tail -n 15 "$log" | sed 's/^/    /'
		done
	} >&2
	exit 1
}

# on HOST COMMAND…: as if typed on that host.
on() {
	local host=$1
	shift

	SOTTO_ETC=$work/$host/etc SOTTO_STATE=$work/$host/state SOTTO_RUN=$work/$host/run \
		ip netns exec "$prefix$host" "$@"
}

# spawn HOST COMMAND…: the same in the background; its process in $spawned.
spawn() {
	(
		exec </dev/null
		export SOTTO_ETC=$work/$1/etc SOTTO_STATE=$work/$1/state SOTTO_RUN=$work/$1/run
		exec ip netns exec "$prefix$1" "${@:2}"
	) &
	spawned=$!
}

# await WHAT SECONDS COMMAND…: until it succeeds.
await() {
	local what=$1 end=$(($(now_ms) + $2 * 1000))
	shift 2

	until "$@" >/dev/null 2>&1; do
		if [ "$(now_ms)" -gt $end ]; then
			echo "$what: not after all that time"
			return 1
		fi
		sleep 0.05
	done
}

# The kernel's own modules that this has made it load (veth, bridge…) stay, as after any
# program that uses them.
cleanup() {
	local status=$? host

	trap - EXIT INT TERM HUP
	for host in alice bob office; do
		[ ! -e "/run/netns/$prefix$host" ] || [ ! -e "$work/$host/made" ] || on "$host" sotto down
	done >/dev/null 2>&1
	for host in $hosts; do
		[ -e "$work/$host/made" ] || continue
		ip netns pids "$prefix$host" | xargs -r kill -KILL
		ip netns delete "$prefix$host"
	done >/dev/null 2>&1
	wait 2>/dev/null
	if [ -z "$had_module" ] && grep -q '^sotto ' /proc/modules && ! rmmod sotto 2>/dev/null; then
		echo "demo: sotto.ko is still in use and stays loaded" >&2
		[ $status != 0 ] || status=1
	fi
	rm -rf "$work"
	exit $status
}
