#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The README's lines as an administrator types them, under a real systemd: the gateway and
# alice are containers booted with the installed programs and units, bob is a bare host.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/realm.sh"
begin
need_realm
need nsenter systemd-nspawn make ping
[ -e "$tree/packaging/sottod.service" ] || skip_all "there are no units to install: this is not Sotto's own tree"

BOOT=90			# seconds; emulated machines take long
declare -A leader	# HOST -> its systemd

# What a container does not need, and what takes long under emulation.
QUIET="systemd.unit=basic.target"
for unit in systemd-tmpfiles-setup.service systemd-tmpfiles-setup-dev.service \
	systemd-update-utmp.service systemd-journal-catalog-update.service ldconfig.service \
	systemd-journal-flush.service apparmor.service e2scrub_reap.service \
	systemd-sysusers.service systemd-firstboot.service dbus.socket; do
	QUIET+=" systemd.mask=$unit"
done

# boot HOST: a container in the host's network, with what is installed and a disk that stays.
boot() {
	local h=$1 pid

	mkdir -p "$tmp/root" "$tmp/$h/var" "$tmp/$h/conf"
	mountpoint -q "$tmp/root" || mount --bind / "$tmp/root"
	systemd-nspawn -q -D "$tmp/root" --volatile=overlay -M "sotto-$h" --register=no --keep-unit \
		--link-journal=no --console=pipe --capability=CAP_NET_ADMIN,CAP_IPC_LOCK \
		--rlimit=MEMLOCK=infinity --network-namespace-path="/run/netns/$(ns_name "$h")" \
		--bind-ro="$tmp/install/usr/local:/usr/local" --bind-ro=/lib/modules \
		--bind="$tmp/$h/var:/var/lib/sotto" --bind="$tmp/$h/conf:/etc/sotto" \
		-b $QUIET </dev/null >"$tmp/$h/console" 2>&1 &
	pid=$!
	disown $pid
	await "the container of $h" 20 pgrep -P $pid || return
	leader[$h]=$(pgrep -P $pid)
	await "the boot of $h" $BOOT booted "$h" || note "$(inside "$h" systemctl list-jobs 2>&1)"
}

booted() {
	inside "$1" systemctl is-active basic.target
}

# inside HOST COMMAND…: as its root types it.
inside() {
	local h=$1
	shift

	nsenter -t "${leader[$h]}" --all -- env -i PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

active() {
	inside "$1" systemctl is-active "$2"
}

# what_log HOST UNIT: why a unit is not as it should be.
what_log() {
	note "$(inside "$1" journalctl -q --no-pager -n 12 -u "$2" 2>&1)"
}

setup_wire() {
	make_wire
	expect "make install" make -s -C "$tree" install-programs DESTDIR="$tmp/install"
	boot gateway && boot alice
}

units_are_well_formed() {
	expect "systemd-analyze verify" inside gateway systemd-analyze verify --man=no \
		/usr/local/lib/systemd/system/{sottod,sotto-authd,sotto-policy}.service
}

the_server_starts_by_its_unit() {
	expect "realm init" inside gateway sotto realm init --address "${IP4[gateway]}" || return
	expect "systemctl enable --now" inside gateway systemctl enable --now sotto-authd ||
		{ what_log gateway sotto-authd; return; }
	# It is up when systemctl says so: the README's next line does not wait.
	expect "the server" inside gateway sotto realm show || what_log gateway sotto-authd
	same "the unit" "$(active gateway sotto-authd)" active
}

alice_enrols_and_comes_up() {
	local line

	line=$(inside gateway sotto member add alice --address "${IP4[alice]}" --address "${IP6[alice]}") ||
		{ fail "no line for alice"; return; }
	expect "enroll" inside alice sotto enroll - <<<"$line" || return
	expect "up" inside alice sotto up || { what_log alice sottod; return; }
	same "the agent's unit" "$(active alice sottod)" active
}

bob_joins_by_hand() {
	local line

	line=$(inside gateway sotto member add bob --address "${IP4[bob]}" --address "${IP6[bob]}") ||
		{ fail "no line for bob"; return; }
	echo "$line" >"$tmp/bob/line"
	expect "bob enrols" sotto bob enroll "$tmp/bob/line" && expect "bob comes up" sotto bob up &&
		await "bob's policy" 20 protected bob
}

they_talk_sealed() {
	capture talk gateway wire
	expect "ping from alice" inside alice ping -n -q -c 3 -i 0.2 -W 10 "${IP4[bob]}"
	expect "ping from bob" pings bob "${IP6[alice]}"
	end_capture talk
	at_least "sealed frames" "$(frames talk "udp port $DATA_PORT")" 6
	same "echoes in the clear" "$(frames talk "icmp or icmp6 and (ip6[40] = 128 or ip6[40] = 129)")" 0
}

# The agent ends and starts as a unit; what it put into the kernel stays.
the_agent_restarts() {
	local pid

	pid=$(inside alice systemctl show -P MainPID sottod)
	expect "restart" inside alice systemctl restart sottod || { what_log alice sottod; return; }
	refuse "the same process" test "$(inside alice systemctl show -P MainPID sottod)" = "$pid"
	expect "ping afterwards" pings bob "${IP4[alice]}"
}

# A host that boots protects before its network is up, with nobody to ask.
policy_is_there_from_the_boot() {
	expect "enable" inside alice systemctl enable sottod sotto-policy || return
	same "links made" "$(inside alice sh -c 'ls /etc/systemd/system/*.wants/ | grep -c sotto')" 2
	kill -RTMIN+4 "${leader[alice]}"
	await "the end of alice" 60 gone "${leader[alice]}" || return
	# A reboot would have emptied the kernel; the namespace is the same one.
	sotto alice down >/dev/null 2>&1
	same "prefixes before" "$(sotto alice -j policy show | jq length)" 0
	boot alice || return
	expect "sotto-policy" inside alice systemctl start sotto-policy || { what_log alice sotto-policy; return; }
	same "protected prefixes" "$(inside alice sotto -j policy show |
		jq --arg a "${IP4[bob]}/32" '[.[] | select(.action == "protect" and .prefix == $a)] | length')" 1
}

uninstalled() {
	expect "make uninstall" make -s -C "$tree" uninstall DESTDIR="$tmp/install"
	same "files left" "$(find "$tmp/install" -type f | wc -l)" 0
}

end_containers() {
	local h

	for h in "${!leader[@]}"; do
		inside "$h" sotto down >/dev/null 2>&1
		kill -KILL "${leader[$h]}"
		await "the end of $h" 20 gone "${leader[$h]}"
	done
	check_sums bob
	umount "$tmp/root"
}

run_tests setup_wire units_are_well_formed the_server_starts_by_its_unit alice_enrols_and_comes_up \
	bob_joins_by_hand they_talk_sealed the_agent_restarts policy_is_there_from_the_boot \
	uninstalled end_containers
