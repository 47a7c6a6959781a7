# SPDX-License-Identifier: GPL-2.0
# Where kernels and packages are kept, and small helpers; sourced by the scripts of this folder.

SOTTO_CACHE=${SOTTO_CACHE:-${HOME:-/root}/.cache/sotto}

# die MESSAGE...: say what went wrong and what to do, and give up.
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 2
}

# say MESSAGE...: one line of progress.
say() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# need PROGRAM PACKAGE: a program that must be there.
need() {
	command -v "$1" >/dev/null || die "$1 is missing; install the Debian package $2 (scripts/deps does it)"
}

# in_cache_locked NAME COMMAND...: run COMMAND while holding the cache's lock of that name.
in_cache_locked() {
	local name=$1 fd rc
	shift

	mkdir -p "$SOTTO_CACHE/lock"
	exec {fd}>"$SOTTO_CACHE/lock/$name"
	flock "$fd"
	"$@"
	rc=$?
	exec {fd}>&-
	return $rc
}
