#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The generic netlink interface: see uapi.py. Words on the command line are names of its
# tests. Needs root, Python 3 (its standard library is enough) and iproute2.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# The system's own interpreter starts faster than one behind a version manager.
python=$(PATH=/usr/bin:$PATH command -v python3) && command -v ip >/dev/null || {
	echo "TAP version 13"
	echo "1..0 # SKIP needs python3 and ip"
	exit 4
}
exec "$python" -B "$here/uapi.py" "$@"
