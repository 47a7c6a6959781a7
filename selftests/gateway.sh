#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Members as the way into a network: an ordinary web server that knows nothing of Sotto stands
# behind two gateways; alice may reach it, bob may not; nothing of it is on the wire in the
# clear; and when one gateway dies, the other one takes over.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/realm.sh"
begin
need_realm
need curl busybox

IP4[gw1]=10.7.9.11 IP6[gw1]=fd07:9::11
IP4[gw2]=10.7.9.12 IP6[gw2]=fd07:9::12
LAN4=10.8.0.0/16 LAN6=fd08::/64
WEB4=10.8.1.5 WEB6=fd08::5
TAKEOVER=25		# seconds from a gateway's death to pages through the other one

make_lan() {
	local g n=1

	make_hosts gw1 gw2 web
	add_bridge web lan
	address web lan $WEB4/16 $WEB6/64
	for g in gw1 gw2; do
		plug $g
		connect $g lan web "to-$g"
		ip -n "$(ns_name web)" link set "to-$g" master lan
		address $g lan 10.8.0.$n/16 fd08::f$n/64
		on $g sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
		n=$((n + 1))
	done
	back_through 1
	for h in alice bob; do
		route $h $LAN4 via "${IP4[gw1]}"
		route $h $LAN6 via "${IP6[gw1]}"
	done
}

# back_through N: the web server's answers go to that gateway, as a router protocol would have it.
back_through() {
	ip -n "$(ns_name web)" route replace default via 10.8.0.$1
	ip -n "$(ns_name web)" -6 route replace default via fd08::f$1
}

# leads HOST: it protects the network.
leads() {
	sotto "$1" -j policy show | jq -e --arg n "$LAN4" '.[] | select(.prefix == $n and .action == "protect")'
}

setup() {
	local h

	make_realm </dev/null
	make_lan
	mkdir "$tmp/www"
	head -n 3000 < <(yes "$MARKER") >"$tmp/www/page"
	launch web busybox httpd -f -p 80 -h "$tmp/www"
	disown $!
	launch alice busybox httpd -f -p 80 -h "$tmp/www"
	disown $!
	for h in alice bob gw1 gw2; do
		join $h || return
	done
	for h in gw1 gw2; do
		expect "$h leads there" sotto gateway member set $h --route $LAN4 --route $LAN6
	done
	cat >"$tmp/rules" <<-RULES
		group staff alice
		allow @staff $LAN4
		allow @staff $LAN6
		group ways gw1 gw2
		allow @ways all
		default deny
	RULES
	expect "the rules" sotto gateway policy apply "$tmp/rules"
	for h in alice bob; do
		await "$h's policy" 10 leads $h
	done
	same "the gateway's own policy" "$(sotto gw1 -j policy show | jq -r --arg n $LAN4 '.[] | select(.prefix == $n) | .action')" bypass
}

# page HOST ADDRESS: it gets the page, whole.
page() {
	on "$1" curl -fs -m 8 -o "$tmp/got" "http://$2/page" && cmp -s "$tmp/got" "$tmp/www/page"
}

clients_reach_the_web_server() {
	watch wire
	expect "alice by IPv4" page alice $WEB4
	expect "alice by IPv6" page alice "[$WEB6]"
	end_watch wire
	same "markers on the wire" "$(marked wire)" 0
	at_least "sealed frames" "$(frames wire "udp port $DATA_PORT")" 16
	same "tunnel mode" "$(sotto alice -j sa show | jq -r '[.[].mode] | unique | .[]')" tunnel
}

# Nothing forbids them to: what each of them leads to itself it does not reach by the other one.
gateways_speak_to_each_other() {
	local g

	expect "gw1 to gw2" on gw1 ping -n -q -c 3 -W 5 "${IP4[gw2]}"
	expect "gw2 to gw1" on gw2 ping -n -q -c 3 -W 5 "${IP6[gw1]}"
	for g in gw1 gw2; do
		same "$g's own policy" "$(sotto $g -j policy show | jq -r --arg n $LAN4 '.[] | select(.prefix == $n) | .action')" bypass
	done
	expect "alice by IPv4" page alice $WEB4
	expect "alice by IPv6" page alice "[$WEB6]"
}

# The policy says why, and his packets do not go in the clear either.
the_other_client_is_refused() {
	watch bob
	refuse "bob by IPv4" page bob $WEB4
	refuse "bob by IPv6" page bob "[$WEB6]"
	end_watch bob
	same "bob's plaintext" "$(frames bob "src host ${IP4[bob]} and net $LAN4")" 0
	sotto gateway policy check bob $WEB4 >"$tmp/verdict"
	expect "the verdict" grep -q '^by default deny' "$tmp/verdict"
	expect "alice's verdict" sotto gateway policy check alice $WEB4
}

# Bob is permitted a part of the network, is root on his host, and has it send to another part.
a_part_is_no_more() {
	local dropped

	expect "bob may use a part" sotto gateway realm rule add allow bob 10.8.2.0/24
	await "keys with the gateway" 10 on bob ping -n -q -c 1 -W 2 "${IP4[gw1]}"
	expect "bob's own policy" sotto bob policy replace $LAN4 protect via "${IP4[gw1]}"
	dropped=$(stat gw1 in_drop_address)
	refuse "bob by his own policy" page bob $WEB4
	at_least "refused by the gateway" $(($(stat gw1 in_drop_address) - dropped)) 1
	expect "alice, meanwhile" page alice $WEB4
}

# Hosts there may open connections to those who may reach them.
the_way_back() {
	expect "the web server reaches alice" page web "${IP4[alice]}"
	expect "by IPv6" page web "[${IP6[alice]}]"
}

# by_way_of N: the clients' packets, and the answers, by that gateway.
by_way_of() {
	local h

	back_through "$1"
	for h in alice bob; do
		ip -n "$(ns_name $h)" route replace $LAN4 via "${IP4[gw$1]}"
		ip -n "$(ns_name $h)" -6 route replace $LAN6 via "${IP6[gw$1]}"
	done
}

online() {
	sotto gateway -j member show "$1" | jq -e .online
}

offline() {
	[ "$(sotto gateway -j member show "$1" | jq .online)" = false ]
}

# cable gwN up|down
cable() {
	ip -n "$(ns_name gateway)" link set "to-$1" "$2"
}

# When alice's gateway is given up there is no other one; then that comes, and hers does not.
both_are_cut_off_and_one_comes_back() {
	local g

	for g in gw2 gw1; do
		cable $g down
		await "$g is offline" 20 offline $g
	done
	at_least "SAs that alice has still" "$(sas alice)" 2
	by_way_of 2
	cable gw2 up
	await "gw2 is back" 20 online gw2
	within "pages through the other gateway" $TAKEOVER page alice $WEB4
	cable gw1 up
	await "gw1 is back" 20 online gw1
}

one_gateway_dies() {
	local since=$SECONDS

	power_off gw2
	by_way_of 1
	within "pages through the other gateway" $TAKEOVER page alice $WEB4
	note "after $((SECONDS - since)) s"
	await "by IPv6" 10 page alice "[$WEB6]"
}

wrong_is() {
	[ "$(sotto alice -j trace $WEB4 | jq -r '.wrong | "\(.where) \(.what)"')" = "$1" ]
}

# No other one leads there: what is keyed goes on, for as long as its kernel lives, and whoever
# asks is told that nobody knows whether it does.
the_last_gateways_agent_dies() {
	await "all is well" 10 wrong_is "null null"
	kill_agent gw1
	await "trace says who is away" 30 wrong_is "peer offline"
	expect "and still pages come" page alice $WEB4
	expect "gw1's agent again" sotto gw1 up
	await "all is well again" 10 wrong_is "null null"
}

# A rule that goes ends what it permitted.
rules_bite() {
	expect "no more" sotto gateway realm group del staff alice
	await "alice is refused" 10 no_page
}

no_page() {
	! page alice $WEB4
}

counters_add_up() {
	check_sums alice gw1
	keep_logs
}

run_tests setup clients_reach_the_web_server gateways_speak_to_each_other the_other_client_is_refused \
	a_part_is_no_more the_way_back \
	both_are_cut_off_and_one_comes_back one_gateway_dies the_last_gateways_agent_dies rules_bite counters_add_up
