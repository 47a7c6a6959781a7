# SPDX-License-Identifier: GPL-2.0
#
# What the test scripts share: results in KTAP, hosts that are namespaces, waiting, traffic
# and captures.
#
# A script sources this, calls `begin`, defines functions and ends in `run_tests FUNCTION…`:
# each function is one result. Inside, `expect`, `refuse`, `same`, `at_least`, `await`, `within`
# and `fail` mark it failed, `skip` skipped. Words on the command line are names of functions:
# then only those run, with the ones whose name starts with "setup".
# Namespaces, files and processes of a run carry its pid and go when the script ends.

set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=${SOTTO_TOP:-$(cd "$here/.." && pwd)}
script=$(basename "$0" .sh)
only=("$@")

KSFT_SKIP=4
CIPHERS="aes256gcm chacha20poly1305"
DATA_PORT=7689		# UDP

tmp=/tmp/sotto-$script-$$
hosts=()		# names of the namespaces, without what makes them unique
module_loaded=		# by us
ended=			# by itself: a script that bash gives up may have any status
declare -A captures	# name -> pid of its tcpdump
declare -A monitors	# host -> pid of its monitor

# --- results ----------------------------------------------------------------------

# skip_all REASON…: nothing here can run.
skip_all() {
	ended=1
	echo "TAP version 13"
	echo "1..0 # SKIP $*"
	exit $KSFT_SKIP
}

note() {
	local line

	while IFS= read -r line; do
		printf '# %s\n' "$line"
	done <<<"$*"
}

# fail WORDS…: the running test has failed; it may go on, or return.
fail() {
	note "FAIL: $*"
	result=fail
	return 1
}

# skip WORDS…: the running test cannot run here.
skip() {
	[ "$result" = fail ] || result=skip
	reason=$*
}

# output COMMAND…: in $out, and its status. What starts one program alone becomes it (see `on`).
output() {
	case $1 in
	sotto | on | traffic) out=$(alone=1 "$@" 2>&1) ;;
	*) out=$("$@" 2>&1) ;;
	esac
}

# expect WHAT COMMAND…: COMMAND succeeds; else its output is shown.
expect() {
	local what=$1 out status
	shift

	output "$@"
	status=$?
	[ $status -ne 0 ] || return 0
	fail "$what: status $status from: $*"
	[ -z "$out" ] || note "$(tail -n 15 <<<"$out")"
	return 1
}

# refuse WHAT COMMAND…: COMMAND fails, by its own will.
refuse() {
	local what=$1 out status
	shift

	output "$@"
	status=$?
	[ $status -eq 0 ] || [ $status -ge 124 ] || return 0
	fail "$what: status $status from: $*"
}

# same WHAT GOT WANTED
same() {
	[ "$2" = "$3" ] || fail "$1: got '$2', wanted '$3'"
}

# at_least WHAT GOT MINIMUM
at_least() {
	[ "${2:-0}" -ge "$3" ] || fail "$1: got '$2', wanted at least $3"
}

run_one() {
	local begin=${EPOCHREALTIME/./} took

	result=ok reason=
	"$1"
	took=$(((${EPOCHREALTIME/./} - begin) / 100000))
	case $result in
	ok) echo "ok $number ${1//_/ }" ;;
	skip) echo "ok $number ${1//_/ } # SKIP $reason" ;;
	*) echo "not ok $number ${1//_/ }" ;;
	esac
	note "took $((took / 10)).$((took % 10)) s"
}

run_tests() {
	local name wanted number=0 failed=0 passed=0

	if [ ${#only[@]} -gt 0 ]; then
		wanted=$(printf '%s|' "${only[@]}")
		set -- $(printf '%s\n' "$@" | grep -xE "$wanted""setup.*")
	fi
	echo "TAP version 13"
	echo "1..$#"
	for name; do
		number=$((number + 1))
		run_one "$name"
		[ "$result" != fail ] || failed=$((failed + 1))
		[ "$result" != ok ] || passed=$((passed + 1))
	done
	ended=1
	[ $failed -eq 0 ] || exit 1
	[ $passed -gt 0 ] || exit $KSFT_SKIP
	exit 0
}

# --- waiting -----------------------------------------------------------------------

# busywait SECONDS COMMAND…: until COMMAND succeeds.
busywait() {
	local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift

	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt $deadline ] || return 1
		pause 0.05
	done
}

# pause SECONDS: sleep, without a program: nobody ever writes there.
pause() {
	! read -r -t "$1" -u "$never"
}

# says FILE WORDS: it contains them; for await, and without a program, too.
says() {
	local text=

	read -r -d '' text <"$1"
	[[ $text == *"$2"* ]]
}

# within WHAT SECONDS COMMAND…: as busywait; that it does not come in time is a failure.
within() {
	local what=$1 seconds=$2
	shift 2

	busywait "$seconds" "$@" >/dev/null 2>&1 || fail "$what: not within $seconds s: $*"
}

# await WHAT SECONDS COMMAND…: the same where nothing is promised of the time: a machine that has
# other work as well may take several times as long.
await() {
	within "$1" $(($2 * 3)) "${@:3}"
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# --- programs and the module ----------------------------------------------------------

# program NAME: ours as it was built, else the installed one.
program() {
	local dir

	for dir in ${SOTTO_BIN:+"$SOTTO_BIN"} "$tree/build" "$tree/build/selftests" "$here"; do
		if [ -f "$dir/$1" ] && [ -x "$dir/$1" ]; then
			echo "$dir/$1"
			return
		fi
	done
	type -P "$1"
}

# need PROGRAM…: what this script cannot do without.
need() {
	local p

	for p; do
		command -v "$p" >/dev/null || skip_all "there is no program $p"
	done
}

# Is this a kernel with sanitizers? What is freed there is kept for a while, what is taken is
# larger, and all of it takes longer.
sanitized() {
	[ -e /sys/kernel/debug/kmemleak ]
}

module_present() {
	grep -q '^sotto ' /proc/modules
}

# load_module [PARAMETERS…]
load_module() {
	if [ -n "${SOTTO_MODULE:-}" ]; then
		modprobe -aq $(modinfo -F depends "$SOTTO_MODULE" | tr , ' ')
		insmod "$SOTTO_MODULE" "$@"
	else
		modprobe sotto "$@"
	fi
}

# begin [MODULE PARAMETERS…]: everything that all scripts want.
begin() {
	[ "$(id -u)" -eq 0 ] || skip_all "only root can run this"
	need ip tcpdump jq
	SOTTO=$(program sotto) || skip_all "there is no program sotto; build it first"
	TRAFFIC=$(program traffic) && ENTER=$(program enter) ||
		skip_all "there are no programs traffic and enter; build selftests first"
	PYTHON=$(PATH=/usr/bin:$PATH command -v python3)
	mkdir -p "$tmp"
	mkfifo "$tmp/never" && exec {never}<>"$tmp/never"
	trap cleanup EXIT
	trap 'exit 1' INT TERM HUP
	if ! module_present; then
		load_module "$@" 2>"$tmp/insmod" || skip_all "no module sotto: $(tail -n 1 "$tmp/insmod")"
		module_loaded=1
	fi
}

cleanup() {
	local h pids

	trap - EXIT
	disown -a
	for h in "${hosts[@]}"; do
		pids=$(ip netns pids "$(ns_name "$h")" 2>/dev/null)
		[ -z "$pids" ] || kill -KILL $pids 2>/dev/null
		! module_present || sotto "$h" down >/dev/null 2>&1
		ip netns del "$(ns_name "$h")" 2>/dev/null
	done
	[ -z "$module_loaded" ] || busywait 10 rmmod sotto 2>/dev/null
	rm -rf "$tmp"
	[ -n "$ended" ] && return
	echo "Bail out! the script has died"
	exit 1
}

# --- hosts -----------------------------------------------------------------------------

ns_name() {
	echo "sotto-$1-$$"
}

# on HOST COMMAND…: run in its namespace, with folders of its own. (What is done this often is
# done without a process more than must be, be it for ns_name; and with $alone the shell, which is
# one for this purpose, becomes the program.)
on() {
	local h=$1
	shift

	SOTTO_ETC=$tmp/$h/etc SOTTO_STATE=$tmp/$h/state SOTTO_RUN=$tmp/$h/run \
		${alone:+exec} "$ENTER" "/run/netns/sotto-$h-$$" "$@"
}

# launch HOST COMMAND…: the same in the background; $! is the command itself.
launch() {
	local h=$1
	shift

	SOTTO_ETC=$tmp/$h/etc SOTTO_STATE=$tmp/$h/state SOTTO_RUN=$tmp/$h/run \
		"$ENTER" "/run/netns/sotto-$h-$$" "$@" &
}

# sotto HOST WORDS…, traffic HOST WORDS…: our own programs there.
sotto() {
	local h=$1
	shift

	on "$h" "$SOTTO" "$@"
}

traffic() {
	local h=$1
	shift

	on "$h" "$TRAFFIC" "$@"
}

make_hosts() {
	local h ns

	for h; do
		ns=$(ns_name "$h")
		ip netns add "$ns" || skip_all "cannot make network namespaces"
		hosts+=("$h")
		mkdir -p "$tmp/$h/etc" "$tmp/$h/state" "$tmp/$h/run"
		ip -n "$ns" link set lo up
		# Addresses work at once, and nobody speaks unasked.
		on "$h" sysctl -qw net.ipv6.conf.all.accept_dad=0 \
			net.ipv6.conf.default.accept_dad=0 \
			net.ipv6.conf.all.router_solicitations=0 \
			net.ipv6.conf.default.router_solicitations=0 \
			net.ipv4.ping_group_range="0 2147483647"
	done
}

# connect HOST DEV HOST DEV: a veth pair.
connect() {
	ip link add "$2" netns "$(ns_name "$1")" type veth peer name "$4" netns "$(ns_name "$3")"
	ip -n "$(ns_name "$1")" link set "$2" up
	ip -n "$(ns_name "$3")" link set "$4" up
}

# add_bridge HOST DEV: with an address of its own. Else it has the lowest of its ports', and another
# one when that port goes: who knows the old one does not reach it for some seconds.
add_bridge() {
	ip -n "$(ns_name "$1")" link add "$2" address 02:53:6f:74:74:6f type bridge
	ip -n "$(ns_name "$1")" link set "$2" up
}

# address HOST DEV ADDRESS/LENGTH…
address() {
	local h=$1 dev=$2 a
	shift 2

	for a; do
		ip -n "$(ns_name "$h")" addr add "$a" dev "$dev" || fail "address $a on $h"
	done
}

# route HOST WORDS…
route() {
	local h=$1
	shift

	ip -n "$(ns_name "$h")" route add "$@" || fail "route $* on $h"
}

# Hosts a and b on one wire, whose ends are called wire.
make_pair() {
	make_hosts a b
	connect a wire b wire
	A4=10.7.1.1 A6=fd07:1::1 B4=10.7.1.2 B6=fd07:1::2
	address a wire $A4/24 $A6/64
	address b wire $B4/24 $B6/64
}

# Hosts a and b, and a router r between them, with the devices left and right.
make_routed() {
	make_hosts a r b
	connect a wire r left
	connect b wire r right
	A4=10.7.1.1 A6=fd07:1::1 B4=10.7.2.1 B6=fd07:2::1
	address a wire $A4/24 $A6/64
	address b wire $B4/24 $B6/64
	address r left 10.7.1.254/24 fd07:1::fe/64
	address r right 10.7.2.254/24 fd07:2::fe/64
	on r sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	route a default via 10.7.1.254
	route a default via fd07:1::fe
	route b default via 10.7.2.254
	route b default via fd07:2::fe
}

# up HOST ADDRESS…: the shim without an agent, for these addresses of ours.
up() {
	local h=$1 a
	shift

	expect "$h up" sotto "$h" up --no-agent || return
	for a; do
		expect "address of $h" sotto "$h" addr add "$a" || return
	done
}

# --- keys ----------------------------------------------------------------------------

# key NAME: a file with a key and salt of that name, made when it is not there yet.
key() {
	local file=$tmp/key.$1

	[ -e "$file" ] || (umask 077 && echo "0x$(od -An -v -tx1 -N 36 /dev/urandom | tr -d ' \n')" >"$file")
	echo "$file"
}

# one_way FROM FROM_ADDRS TO TO_ADDRS CIPHER SPI [WORDS FOR out]: keys for one direction.
one_way() {
	local from=$1 src=$2 to=$3 dst=$4 cipher=$5 spi=$6
	shift 6

	expect "inbound SA $spi of $to" sotto "$to" sa add in spi "$spi" peer "$src" \
		cipher "$cipher" key-file "$(key "$spi")" &&
		expect "outbound SA $spi of $from" sotto "$from" sa add out spi "$spi" peer "$dst" \
			cipher "$cipher" key-file "$(key "$spi")" "$@"
}

# both_ways HOST ADDRS HOST ADDRS CIPHER SPI: SPI from the first to the second, SPI + 1 back.
both_ways() {
	one_way "$1" "$2" "$3" "$4" "$5" "$6" && one_way "$3" "$4" "$1" "$2" "$5" $(($6 + 1))
}

# members_by_hand: a and b, which are there, protect each other, with SAs 0x100 and 0x101.
members_by_hand() {
	local addr

	up a $A4 $A6
	up b $B4 $B6
	for addr in $B4/32 $B6/128; do
		expect "policy" sotto a policy add $addr protect
	done
	for addr in $A4/32 $A6/128; do
		expect "policy" sotto b policy add $addr protect
	done
	both_ways a $A4,$A6 b $B4,$B6 aes256gcm 0x100
}

# --- counters --------------------------------------------------------------------------

# stats HOST: "NAME VALUE" lines.
stats() {
	sotto "$1" stats -j | awk -v RS='[{},]' -F'[":]+' 'NF > 2 { print $2, $3 + 0 }'
}

# stat HOST NAME: in one go, for it is asked often and slow machines take long to start programs.
stat() {
	local all

	all=$(alone=1 sotto "$1" stats -j)
	[[ $all =~ \"$2\":\ *([0-9]+) ]] && echo "${BASH_REMATCH[1]}"
}

# tunnel_says HOST ADDRESS: "STATE REASON" of the tunnel to there, or nothing.
tunnel_says() {
	sotto "$1" tunnel show -j | jq -r --arg dst "$2" \
		'.[] | select(.destination == $dst) | "\(.state) \(.reason // "")"' | sed 's/ $//'
}

# tunnel_is HOST ADDRESS STATE, for await
tunnel_is() {
	[ "$(tunnel_says "$1" "$2")" = "$3" ]
}

# listen_in HOST: what its monitor sees from now on is in $tmp/HOST.events. A tunnel that was
# refused says why for a second only; its event is kept.
listen_in() {
	launch "$1" "$SOTTO" -j monitor >"$tmp/$1.events"
	monitors[$1]=$!
	await "the monitor of $1" 10 event_seen "$1"
}

event_seen() {
	sotto "$1" policy add 192.0.2.1/32 bypass
	sotto "$1" policy del 192.0.2.1/32
	[ -s "$tmp/$1.events" ]
}

end_listening() {
	kill "${monitors[$1]}"
	wait "${monitors[$1]}" 2>/dev/null
	unset "monitors[$1]"
}

# refused_for HOST ADDRESS REASON, for await: the tunnel to there was, since listen_in.
refused_for() {
	jq -es --arg dst "$2" --arg why "$3" 'any(.[]; .event == "refused" and
		.destination == $dst and .reason == $why)' "$tmp/$1.events"
}

# verdict HOST ADDRESS [from ADDRESS]: of a trace.
verdict() {
	local h=$1
	shift

	sotto "$h" trace -j "$@" | jq -r .verdict
}

# stat_is HOST NAME VALUE, for await
stat_is() {
	[ "$(stat "$1" "$2")" = "$3" ]
}

# changes: "NAME+N …" from $tmp/before to a new snapshot, which is the script's to define.
changes() {
	snapshot "$tmp/after"
	awk 'NR == FNR { was[$1] = $2; next }
		$2 != was[$1] { printf "%s%s+%d", sep, $1, $2 - was[$1]; sep = " " }' "$tmp/before" "$tmp/after"
}

# changes_are "NAME+N …": in any order.
changes_are() {
	snapshot "$tmp/after"
	awk -v want="$1" '
		BEGIN {
			n = split(want, words)
			for (i = 1; i <= n; i++)
				left[words[i]]
		}
		NR == FNR { was[$1] = $2; next }
		$2 != was[$1] {
			change = $1 "+" ($2 - was[$1])
			if (!(change in left))
				bad = 1
			delete left[change]
		}
		END {
			for (change in left)
				bad = 1
			exit bad
		}' "$tmp/before" "$tmp/after"
}

# What uapi/linux/sotto.h promises of the counters.
sums_hold() {
	stats "$1" | awk '
		{ v[$1] = $2 }
		/^out_drop_/ { out += $2 }
		/^in_drop_/ { in_ += $2 }
		END {
			out += v["out_passed"] + v["out_sealed"] + v["out_queued"]
			in_ += v["in_passed"] + v["in_opened"] + v["in_dummy"] + v["in_keepalive"]
			exit !("out_seen" in v) || out != v["out_seen"] || in_ != v["in_seen"]
		}'
}

# check_sums HOST…: at the end of each script; they hold once everything is quiet.
check_sums() {
	local h

	for h; do
		busywait 10 sums_hold "$h" && continue
		fail "the counters of $h do not add up:"
		note "$(stats "$h" | awk '$2' | paste -sd ' ')"
	done
}

# --- traffic -----------------------------------------------------------------------------

# pings HOST ADDRESS [WORDS…]: three echoes, all answered. (ping itself is content with one; and
# once it has one, it waits for the others no longer than its interval, so that this is long.)
pings() {
	local h=$1 to=$2 said
	shift 2

	said=$(on "$h" ping -n -q -c 3 -l 3 -i 15 -W 15 "$@" "$to" 2>&1)
	echo "$said"
	grep -q "^3 packets transmitted, 3 received, " <<<"$said"
}

# random_file MEGABYTES: one of that size. Two may ask for it at once, in both directions of a test.
random_file() {
	local file=$tmp/random.$1

	(
		flock 9
		[ -e "$file.sha256" ] && exit
		head -c "$1M" /dev/urandom >"$file"
		sha256sum <"$file" >"$file.sha256"
	) 9>"$tmp/random.lock"
	echo "$file"
}

# bulk FROM TO ADDRESS MEGABYTES: over TCP; the hash of what came is compared.
bulk() {
	local from=$1 to=$2 addr=$3 file got=$tmp/bulk.$2

	file=$(random_file "$4")
	traffic "$to" -t 60000 -b -o "$got" tcp-recv 5001 >/dev/null || return
	traffic "$from" -t 60000 tcp-send "$addr" 5001 <"$file" || return
	sha256sum <"$got" | cmp - "$file.sha256"
}

# udp_sizes FROM TO ADDRESS FIRST LAST STEP [COUNT]: datagrams there and back.
udp_sizes() {
	local from=$1 to=$2 pid status
	shift 2

	pid=$(traffic "$to" -b udp-echo 5002) || return
	traffic "$from" udp-check "$1" 5002 "${@:2}"
	status=$?
	kill "$pid"
	return $status
}

# capture NAME HOST DEV [$DEEP|$WHOLE] [FILTER…]: until end_capture NAME.
#
# The buffer's places are as large as the longest frame to be kept, a machine with much else to do
# lets them fill, and all of it takes time to come and go, on a kernel with sanitizers more than
# tcpdump itself: so by default only heads are kept, 12000 of them; of what is looked at with its
# contents 8000 packets, or 512 bursts.
DEEP="-s 2000 -B 16384"
WHOLE="-s 65300 -B 32768"
capture() {
	local name=$1 h=$2 dev=$3
	shift 3

	launch "$h" tcpdump -Z root -i "$dev" -s 256 -B 4096 --immediate-mode -U \
		-w "$tmp/$name.pcap" "$@" 2>"$tmp/$name.tcpdump"
	captures[$name]=$!
	# It writes the line that it listens piece by piece; a count that is asked for before the last
	# of them would stand in the middle.
	await "tcpdump on $h" 10 says "$tmp/$name.tcpdump" " bytes" || return
	# What came before the filter was in place counts as seen by it; and so, if there is
	# traffic already, does what is about to be captured.
	kill -USR1 "${captures[$name]}"
	await "tcpdump's count on $h" 10 says "$tmp/$name.tcpdump" "received by filter"
}

# still FILE: nobody writes to it any more.
still() {
	: >"$tmp/now"
	pause 0.1
	[ ! "$1" -nt "$tmp/now" ]
}

# counts FILE: tcpdump's, each time that it was asked.
counts() {
	local line

	counts=()
	while read -r line; do
		[[ $line != "tcpdump: "*" received by filter"*" dropped by kernel" ]] || counts+=("$line")
	done <"$1"
}

# counted_again FILE NUMBER: more often than that.
counted_again() {
	counts "$1"
	[ ${#counts[@]} -gt "$2" ]
}

# tally NAME: in $got, $seen and $lost what tcpdump says now that it has written, what the
# filter let pass (since its place was taken), and what found no room.
tally() {
	local counts file=$tmp/$1.tcpdump early

	counts "$file"
	kill -USR1 "${captures[$1]}"
	busywait 30 counted_again "$file" ${#counts[@]} || return
	# tcpdump: GOT packets captured, SEEN packets received by filter, LOST packets dropped by kernel
	set -- ${counts[0]}
	early=$(($5 - $2))
	set -- ${counts[-1]}
	got=$2 seen=$(($5 - early)) lost=${10}
}

caught_up() {
	tally "$1" && [ "$got" -ge "$seen" ]
}

# stop_capture NAME COMMAND…: when the command says so, or at last. What comes while tcpdump
# ends is in its own last counts and in no file: so they are taken before.
stop_capture() {
	local pid=${captures[$1]}

	busywait 30 still "$tmp/$1.pcap"
	busywait 30 "${@:2}" "$1"
	kill -TERM "$pid"
	wait "$pid"
	unset "captures[$1]"
}

# end_capture NAME: nothing that was on the wire may be missing from the file.
end_capture() {
	local got='' seen='' lost=''

	stop_capture "$1" caught_up
	[ "$got" -ge "$seen" ] && [ "$lost" = 0 ] ||
		fail "the capture $1 is not complete: $got of $seen, $lost dropped"
	note "capture $1: $got frames"
}

# end_plain NAME: of a capture of $PLAINTEXT, which is to have seen none. It counts what came
# before its filter was in place, so $seen says nothing.
end_plain() {
	local got='' seen='' lost=''

	stop_capture "$1" tally
	same "frames that the capture $1 lost" "$lost" 0
	no_plaintext "$1"
}

# frames NAME [FILTER…]: how many of the capture's frames fit.
frames() {
	local name=$1
	shift

	tcpdump -nr "$tmp/$name.pcap" "$@" 2>/dev/null | wc -l
}

# What a wire between hosts whose policy protects everything may carry in the clear.
INNOCENT="arp or ip multicast or ip6 multicast or (icmp6 and ip6[40] >= 133 and ip6[40] <= 137)"

# Everything else. The later fragments of a sealed packet name UDP, too, but no port.
PLAINTEXT="not udp port $DATA_PORT and not ($INNOCENT) and
	not (ip[6:2] & 0x1fff != 0 and ip proto 17) and not (ip6[6] == 44 and ip6[40] == 17)"

# no_plaintext NAME: none in the capture, which may be one of $PLAINTEXT alone: where there is
# much traffic, nobody can write it all down.
no_plaintext() {
	same "plaintext frames in $1" "$(frames "$1" "$PLAINTEXT")" 0 ||
		note "$(tcpdump -nr "$tmp/$1.pcap" "$PLAINTEXT" 2>/dev/null | head -n 5)"
}

# only_sealed NAME MINIMUM: the capture has that many sealed frames, and no plaintext.
only_sealed() {
	at_least "sealed frames in $1" "$(frames "$1" "udp port $DATA_PORT")" "$2"
	no_plaintext "$1"
}
