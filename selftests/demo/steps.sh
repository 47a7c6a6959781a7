# SPDX-License-Identifier: GPL-2.0
# The steps of the demo, in order; sourced by demo. They say what went wrong and return non-zero.

marker='SottoDemoMarker!'	# 16 bytes: as many as ping -p repeats
declare -A ip4=([gateway]=10.0.0.254 [alice]=10.0.0.1 [bob]=10.0.0.2 [office]=10.0.0.3 [web]=10.8.0.80)
declare -A ip6=([gateway]=fd00::fe [alice]=fd00::1 [bob]=fd00::2 [office]=fd00::3 [web]=fd08::80)
members="alice bob office"
lan4=10.8.0.0/24 lan6=fd08::/64		# behind office

make_host() {
	local host=$1 device=eth0

	[ ! -e "/run/netns/$prefix$host" ] || {
		echo "a network namespace $prefix$host exists already; if an earlier demo left it: ip netns delete $prefix$host"
		return 1
	}
	mkdir -p "$work/$host"/{etc,state,run} && ip netns add "$prefix$host" || return
	: >"$work/$host/made"
	on "$host" ip link set lo up || return
	if [ "$host" = gateway ]; then
		device=wire
		# an address of its own: else it has the lowest of its ports', which may go
		on gateway ip link add wire address 02:53:6f:74:74:6f type bridge || return
	else
		on "$host" ip link add eth0 type veth peer name "to-$host" netns "${prefix}gateway" &&
			on gateway ip link set "to-$host" master wire up || return
	fi
	on "$host" ip address add "${ip4[$host]}/24" dev "$device" &&
		on "$host" ip address add "${ip6[$host]}/64" dev "$device" nodad &&
		on "$host" ip link set "$device" up
}

# web has no other way out than office, as a server in an office has none.
make_lan() {
	mkdir -p "$work/web" && ip netns add "${prefix}web" || return
	: >"$work/web/made"
	on office ip link add lan type veth peer name eth0 netns "${prefix}web" &&
		on office ip address add 10.8.0.1/24 dev lan && on office ip address add fd08::1/64 dev lan nodad &&
		on office ip link set lan up &&
		on office sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 &&
		on web ip address add "${ip4[web]}/24" dev eth0 && on web ip address add "${ip6[web]}/64" dev eth0 nodad &&
		on web ip link set eth0 up && on web ip route add default via 10.8.0.1 &&
		on web ip route add default via fd08::1
}

make_wire() {
	local host

	for host in gateway $members; do
		make_host "$host" || return
	done
	make_lan || return
	for host in alice bob; do
		on $host ip route add $lan4 via "${ip4[office]}" && on $host ip route add $lan6 via "${ip6[office]}" || return
	done
	await "the wire carries packets" 10 on alice ping -c 1 -W 1 "${ip4[bob]}" &&
		await "the wire carries IPv6" 10 on alice ping -c 1 -W 1 "${ip6[bob]}"
}

# Everything that alice and bob exchange carries the marker: pages, iperf3's data, pings.
serve() {
	mkdir "$work/www" && printf '%s\n' "$marker" >"$work/www/note.txt" &&
		head -n 60000 < <(yes "$marker") >"$work/www/page.txt" || return
	spawn bob busybox httpd -f -p 80 -h "$work/www"
	disown $spawned
	spawn web busybox httpd -f -p 80 -h "$work/www"
	disown $spawned
	spawn bob iperf3 -s >/dev/null
	disown $spawned
	await "bob's web server" 10 on bob curl -fs -o /dev/null "http://${ip4[bob]}/note.txt"
}

# capture NAME: all that crosses the wire from now on.
capture() {
	spawn gateway tcpdump -Z root -n -U -B 32768 -i wire -w "$work/$1.pcap" 2>"$work/$1.tcpdump"
	capturing=$spawned
	await "tcpdump" 10 grep -q '^tcpdump: listening' "$work/$1.tcpdump"
}

# end_capture NAME: and nothing of it may have been missed.
end_capture() {
	sleep 0.3
	kill -TERM $capturing
	wait $capturing
	grep -q '^0 packets dropped by kernel' "$work/$1.tcpdump" || {
		echo "tcpdump did not keep up:"
		cat "$work/$1.tcpdump"
		return 1
	}
}

# markers NAME: how often the marker stands in a capture. Pings' padding counts as well.
markers() {
	grep -aoF "$marker" "$work/$1.pcap" | wc -l
}

# packets NAME [FILTER]
packets() {
	tcpdump -n -r "$work/$1.pcap" --count "${@:2}" 2>/dev/null | sed 's/ .*//'
}

pattern() {
	printf %s "$marker" | od -An -vtx1 | tr -d ' \n'
}

# pings NAME ADDRESS COUNT: from alice; the answers in $work/NAME.
pings() {
	on alice ping -n -c "$3" -i 0.2 -W 5 -p "$(pattern)" "$2" >"$work/$1"
	cat "$work/$1"
	grep -q " $3 received" "$work/$1" || {
		echo "not every packet was answered"
		return 1
	}
}

# fetch ADDRESS PAGE
fetch() {
	on alice curl -fsS -g --max-time 20 -o "$work/got" "http://$1/$2" && cmp "$work/got" "$work/www/$2"
}

in_the_clear() {
	local found

	capture before || return
	pings clear "${ip4[bob]}" 2 && pings clear "${ip6[bob]}" 2 &&
		fetch "${ip4[bob]}" note.txt && fetch "[${ip6[bob]}]" note.txt || return
	end_capture before || return
	found=$(markers before)
	[ "$found" -ge 6 ] || {
		echo "the marker should be on the wire, but was found only $found times: the search is worth nothing"
		return 1
	}
	note="marker seen $found times"
}

make_realm() {
	on gateway sotto realm init --address "${ip4[gateway]}" || return
	spawn gateway sotto-authd >"$work/gateway/log" 2>&1
	disown $spawned
	await "the server" 10 on gateway sotto realm show
}

add_members() {
	local host

	for host in $members; do
		on gateway sotto member add $host --address "${ip4[$host]}" --address "${ip6[$host]}" \
			>"$work/$host/line" || return
		grep '^sotto://' "$work/$host/line" || return
	done
	note="$(cut -c 1-30 "$work/bob/line")…"
}

# join HOST
join() {
	on "$1" sotto enroll <"$work/$1/line" && on "$1" sotto up
}

# Both are enrolled, so both have been told to protect each other.
await_policy() {
	local host

	for host in alice bob; do
		await "$host's policy" 10 protected $host || return
	done
}

# protected HOST: does the kernel there protect all of the other's addresses?
protected() {
	local other=bob
	[ "$1" != bob ] || other=alice

	[ "$(on "$1" sotto -j policy show | grep -coE "\"(${ip4[$other]}/32|${ip6[$other]}/128)\"")" = 2 ]
}

ping_ipv4() {
	local waited

	await_policy && capture after && pings ping4 "${ip4[bob]}" 5 || return
	waited=$(on alice sotto -j tunnel show | jq -r --arg dst "${ip4[bob]}" \
		'.[] | select(.destination == $dst) | .first_packet_us')
	[ "${waited:-0}" -gt 0 ] || {
		echo "there is no tunnel to bob"
		on alice sotto tunnel show
		return 1
	}
	keys_ms=$(awk -v us="$waited" 'BEGIN { printf "%.1f", us / 1000 }')
	first_ms=$(sed -n 's/.*icmp_seq=1 .*time=\([0-9.]*\).*/\1/p' "$work/ping4")
	later_ms=$(sed -n 's/.*icmp_seq=5 .*time=\([0-9.]*\).*/\1/p' "$work/ping4")
	note="first $first_ms ms, later $later_ms ms"
}

ping_ipv6() {
	pings ping6 "${ip6[bob]}" 2 || return
	note="$(sed -n 's/.*icmp_seq=1 .*time=\([0-9.]*\).*/\1/p' "$work/ping6") ms: the same session serves all of bob's addresses"
}

curl_both() {
	fetch "${ip4[bob]}" page.txt && fetch "[${ip6[bob]}]" page.txt || return
	note="2 × $(($(stat -c %s "$work/www/page.txt") / 1000)) kB, as bob has them"
}

# iperf ADDRESS: the page as iperf3's data; Mbit/s that arrived.
iperf() {
	on alice timeout 60 iperf3 -J -c "$1" -F "$work/www/page.txt" -t 5 >"$work/iperf" || {
		jq -r '.error // "iperf3 failed"' "$work/iperf"
		return 1
	}
	jq '.end.sum_received.bits_per_second / 1e6 | round' "$work/iperf" >"$work/rate"
}

iperf_both() {
	local rate4

	iperf "${ip4[bob]}" || return
	rate4=$(<"$work/rate")
	iperf "${ip6[bob]}" || return
	note="$rate4 and $(<"$work/rate") Mbit/s"
}

# What is behind office is alice's to reach, and nobody else's.
lead_there() {
	local host

	on gateway sotto member set office --route $lan4 --route $lan6 || return
	printf '%s\n' "allow alice $lan4" "deny all $lan4" "allow alice $lan6" "deny all $lan6" |
		tee "$work/policy"
	on gateway sotto policy apply "$work/policy" || return
	for host in alice bob; do
		await "$host's policy" 10 protects_lan $host || return
	done
}

protects_lan() {
	[ "$(on "$1" sotto -j policy show | grep -coE "\"($lan4|$lan6)\"")" = 2 ]
}

curl_behind() {
	fetch "${ip4[web]}" page.txt && fetch "[${ip6[web]}]" page.txt || return
	note="2 × $(($(stat -c %s "$work/www/page.txt") / 1000)) kB; web has no Sotto"
}

# curl's 7: no connection; the packets are refused at once, at bob.
refused_behind() {
	local address status

	for address in "${ip4[web]}" "[${ip6[web]}]"; do
		on bob curl -sS -g --max-time 20 -o /dev/null "http://$address/note.txt"
		status=$?
		[ $status = 7 ] || {
			echo "bob's curl of $address ended with $status; it should find no way there"
			return 1
		}
	done
	on gateway sotto policy check bob "${ip4[web]}" >"$work/verdict"
	note="refused ($(sed -n '1s/[.:]*$//p' "$work/verdict"))"
}

# What alice and bob say to each other must be sealed, but for neighbour discovery.
search_wire() {
	local found clear
	local between="((host ${ip4[alice]} and host ${ip4[bob]}) or (host ${ip6[alice]} and host ${ip6[bob]}) or
		net $lan4 or net $lan6)"

	end_capture after || return
	found=$(markers after)
	clear=$(packets after "$between and not arp and not udp port 7689 and
		not (icmp6 and ip6[40] >= 133 and ip6[40] <= 137)")
	sealed=$(packets after "$between and udp port 7689")
	[ "$found" = 0 ] || echo "the marker is on the wire, $found times"
	[ "$clear" = 0 ] || echo "$clear packets between alice and bob, or to web, were not sealed"
	[ "${sealed:-0}" -gt 100 ] || echo "only $sealed sealed packets were seen"
	[ "$found" = 0 ] && [ "$clear" = 0 ] && [ "${sealed:-0}" -gt 100 ] || return
	note="not there"
}

# line NAME FILTER: the first packet of a capture that passes the filter, as tcpdump prints it
# but for TCP's numbers and options.
line() {
	tcpdump -n -t -r "$work/$1.pcap" -c 1 "${@:2}" 2>/dev/null |
		sed 's/, seq .*, length/ … length/; s/^/    /' | cut -c 1-110
}

summary() {
	printf '\nThe wire before, with "%s" in it %d times:\n' "$marker" "$(markers before)"
	line before "ip and tcp port 80 and tcp[13] & 8 != 0 and src host ${ip4[alice]}"
	line before "ip and tcp port 80 and tcp[13] & 8 != 0 and src host ${ip4[bob]}"
	printf 'and after, in %d packets, not once:\n' "$sealed"
	line after "src host ${ip4[alice]} and udp dst port 7689"
	line after "src host ${ip6[alice]} and udp dst port 7689"
	printf '\nalice# sotto tunnel show -s\n'
	on alice sotto tunnel show -s
	cat <<-END

	First packet: $first_ms ms, $keys_ms ms of it waiting for keys. Later ones: $later_ms ms.
	All went well, in $(seconds $(($(now_ms) - started))) s. To go on:
	    README.md             the same on real hosts: make install, realm init, member add, enroll, up
	    sotto trace 10.0.0.2  what would happen to a packet, and why; sotto monitor: live events
	    make bench            beside plaintext, WireGuard and xfrm;  make check: the tests
	    make demo WHERE=host  the same with this machine's kernel
	END
}
