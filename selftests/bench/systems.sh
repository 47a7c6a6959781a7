# SPDX-License-Identifier: GPL-2.0
# The systems under measurement, each between namespaces of its own; sourced by guest.
#
# setup_NAME makes the system NAME work from the namespace A (address $a) to B ($b), and sets
# $target if B is to be spoken to at another address.

# way_of SETTING: how A and B are joined: "direct" by one veth, or "routed" by a third
# namespace that forwards between two.
way_of() {
	case $1 in
	forward) echo routed ;;
	*) echo direct ;;
	esac
}

declare -A target_of

die() {
	printf 'bench: %s\n' "$*" >&2
	exit 1
}

in_a() {
	ip netns exec "bench-$way-$system-a" "$@"
}

in_b() {
	ip netns exec "bench-$way-$system-b" "$@"
}

in_gw() {
	ip netns exec "bench-$way-$system-gw" "$@"
}

# Vectorised ciphers for all that ask for one, before anybody does; see vector/.
load_vector_ciphers() {
	local module

	[ -n "${SOTTO_VECTOR:-}" ] || return 0
	modprobe cryptd || die "this kernel has no cryptd"
	for module in chacha-x86_64 poly1305-x86_64 libchacha20poly1305 crypto_simd \
		ghash-clmulni-intel aesni-intel; do
		insmod "$SOTTO_VECTOR/$module.ko" || die "$module cannot be loaded"
	done
}

# enter SYSTEM WAY: what follows is about this one.
enter() {
	system=$1 way=$2
	target=${target_of[$way/$system]}
}

# offloads SETTING: make the devices of the pair so. The link's, and those of the tunnel if it
# has any: in offloads-off no packet is ever merged with another.
offloads() {
	local end

	for end in in_a in_b; do
		case $1 in
		gro) $end ethtool -K eth0 tso off gso off tx-udp-segmentation off gro on ;;
		offloads-off)
			$end ethtool -K eth0 tso off gso off tx-udp-segmentation off gro off &&
				{ [ "$system" != wireguard ] || $end ethtool -K wg0 tso off gso off gro off; }
			;;
		*) $end ethtool -K eth0 tso on gso on tx-udp-segmentation on gro off ;;
		esac >/dev/null || die "$system: the offloads cannot be set for $1"
	done
}

# key: 36 random bytes as 0x… (32 of key, 4 of salt)
key() {
	echo "0x$(od -An -vtx1 -N36 /dev/urandom | tr -d ' \n')"
}

setup_plain() {
	:
}

# sotto_sa in_a|in_b DIRECTION SPI PEER CIPHER KEY
sotto_sa() {
	"$1" sotto sa add "$2" spi "$3" peer "$4" cipher "$5" key-file - <<<"$6"
}

setup_sotto() {
	local cipher=$1 there back

	there=$(key) back=$(key)
	in_a sotto up --no-agent && in_b sotto up --no-agent &&
		in_a sotto addr add "$a" && in_b sotto addr add "$b" &&
		in_a sotto policy add "$b/32" protect && in_b sotto policy add "$a/32" protect &&
		sotto_sa in_a in 0x1001 "$b" "$cipher" "$back" &&
		sotto_sa in_b in 0x1002 "$a" "$cipher" "$there" &&
		sotto_sa in_a out 0x1002 "$b" "$cipher" "$there" &&
		sotto_sa in_b out 0x1001 "$a" "$cipher" "$back"
}

setup_sotto-chacha20() {
	setup_sotto chacha20poly1305
}

setup_sotto-aes256() {
	setup_sotto aes256gcm
}

# wireguard_end in_a|in_b ADDRESS PRIVATE-KEY PEER'S-PUBLIC-KEY PEER'S-ADDRESS ENDPOINT
wireguard_end() {
	"$1" ip link add wg0 type wireguard &&
		"$1" wg set wg0 private-key /dev/stdin listen-port 51820 \
			peer "$4" allowed-ips "$5/32" endpoint "$6:51820" <<<"$3" &&
		"$1" ip address add "$2/24" dev wg0 &&
		"$1" ip link set wg0 mtu 1440 up	# all that 1500 carries over IPv4
}

setup_wireguard() {
	local key_a key_b

	key_a=$(wg genkey) key_b=$(wg genkey)
	wireguard_end in_a "10.$n.1.1" "$key_a" "$(wg pubkey <<<"$key_b")" "10.$n.1.2" "$b" &&
		wireguard_end in_b "10.$n.1.2" "$key_b" "$(wg pubkey <<<"$key_a")" "10.$n.1.1" "$a" &&
		target_of[$way/$system]=10.$n.1.2
}

# The receiving side of ESP in UDP: a UDP (17) socket with UDP_ENCAP (100) set to
# UDP_ENCAP_ESPINUDP (2).
espinudp='socket(S, PF_INET, SOCK_DGRAM, 0) && setsockopt(S, 17, 100, pack("i", 2)) &&
	bind(S, pack_sockaddr_in(4500, INADDR_ANY)) || die "espinudp: $!\n"; sleep'

# xfrm_state in_a|in_b SOURCE DESTINATION SPI ALGORITHM KEY
xfrm_state() {
	"$1" ip xfrm state add src "$2" dst "$3" proto esp spi "$4" reqid 1 mode transport \
		replay-window 2048 flag esn aead "$5" "$6" 128 encap espinudp 4500 4500 0.0.0.0
}

# xfrm_policy in_a|in_b DIRECTION SOURCE DESTINATION SELECTOR…
# A selector that spares the outer packets: the kernel asks the policy about them, too.
xfrm_policy() {
	"$1" ip xfrm policy add dir "$2" src "$3" dst "$4" "${@:5}" \
		tmpl src "$3" dst "$4" proto esp reqid 1 mode transport
}

xfrm_policies() {
	local proto

	for proto in "proto tcp" "proto icmp" "proto udp dport 5201"; do
		xfrm_policy in_a out "$a" "$b" $proto && xfrm_policy in_b in "$a" "$b" $proto || return
	done
	for proto in "proto tcp" "proto icmp" "proto udp sport 5201"; do
		xfrm_policy in_b out "$b" "$a" $proto && xfrm_policy in_a in "$b" "$a" $proto || return
	done
}

setup_xfrm() {
	local algorithm=$1 there back end

	there=$(key) back=$(key)
	for end in in_a in_b; do
		xfrm_state $end "$a" "$b" 0x1001 "$algorithm" "$there" &&
			xfrm_state $end "$b" "$a" 0x1002 "$algorithm" "$back" || return
	done
	xfrm_policies || return
	for end in a b; do
		(exec ip netns exec "bench-$way-$system-$end" perl -MSocket -e "$espinudp") &
		disown
	done
}

setup_xfrm-chacha20() {
	setup_xfrm 'rfc7539esp(chacha20,poly1305)'
}

setup_xfrm-aes256() {
	setup_xfrm 'rfc4106(gcm(aes))'
}

# sealed_so_far: packets that A has encrypted, by the system's own account.
sealed_so_far() {
	case $system in
	sotto-*) in_a sotto -j stats | jq .out_sealed ;;
	wireguard) in_a wg show wg0 transfer | awk '{ print int($3 / 1440) }' ;;
	xfrm-*) in_a ip -s xfrm state | awk '
		/^src/ { out = $2 ~ /\.2\.1$/ }
		out && /[0-9]\(packets\)/ { sub(/.*, /, ""); print $1 + 0 }' ;;
	*) echo 0 ;;
	esac
}

# sealed_bytes: of what A has encrypted, likewise; headers are in it.
sealed_bytes() {
	case $system in
	sotto-*) in_a sotto -j tunnel show | jq 'map(.tx_bytes) | add' ;;
	wireguard) in_a wg show wg0 transfer | awk '{ print $3 }' ;;
	xfrm-*) in_a ip -s xfrm state | awk '
		/^src/ { out = $2 ~ /\.2\.1$/ }
		out && /[0-9]\(bytes\)/ { printf "%.0f\n", $1 }' ;;	# past 2^31, too
	*) echo 0 ;;
	esac
}

# assert_all_sealed BEFORE BYTES: of payload that reached B since then, A has encrypted it all.
assert_all_sealed() {
	local now

	[ "$system" != plain ] || return 0
	now=$(sealed_bytes)
	[ $((now - $1)) -ge "$2" ] ||
		die "$system: $2 bytes arrived, and only $((now - $1)) were encrypted"
}

# A benchmark that measures plaintext by mistake is worse than none.
assert_sealed() {
	local now

	[ "$system" != plain ] || return 0
	now=$(sealed_so_far)
	[ $((now - $1)) -gt 1000 ] || die "$system: the traffic was not encrypted (${1} packets before, $now after)"
}

# join_WAY: set $a and $b, and connect them.
join_direct() {
	a=10.$n.2.1 b=10.$n.2.2
	in_a ip link add eth0 type veth peer name eth0 netns "bench-$way-$system-b" &&
		in_a ip address add "$a/24" dev eth0 && in_b ip address add "$b/24" dev eth0 &&
		in_a ip link set eth0 up && in_b ip link set eth0 up
}

join_routed() {
	a=10.$n.2.1 b=10.$n.3.1
	ip netns add "bench-$way-$system-gw" &&
		in_gw sysctl -qw net.ipv4.ip_forward=1 &&
		in_a ip link add eth0 type veth peer name eth0 netns "bench-$way-$system-gw" &&
		in_b ip link add eth0 type veth peer name eth1 netns "bench-$way-$system-gw" &&
		in_a ip address add "$a/24" dev eth0 && in_b ip address add "$b/24" dev eth0 &&
		in_gw ip address add "10.$n.2.2/24" dev eth0 &&
		in_gw ip address add "10.$n.3.2/24" dev eth1 &&
		in_gw ip link set eth0 up && in_gw ip link set eth1 up &&
		in_a ip link set eth0 up && in_b ip link set eth0 up &&
		in_a ip route add default via "10.$n.2.2" && in_b ip route add default via "10.$n.3.2"
}

pair_up() {
	local a b

	ip netns add "bench-$way-$system-a" && ip netns add "bench-$way-$system-b" &&
		in_a ip link set lo up && in_b ip link set lo up &&
		"join_$way" || return
	target_of[$way/$system]=$b
	"setup_$system" || return
	in_b iperf3 -s -D || return
	in_a ping -n -q -c 3 -i 0.2 -W 2 "${target_of[$way/$system]}" >/dev/null ||
		die "$system: no ping comes through"
}

# pairs_up SYSTEM/WAY…
pairs_up() {
	local n=20 pair

	for pair; do
		system=${pair%/*} way=${pair#*/}
		[ "$(type -t "setup_$system")" = function ] || die "there is no system '$system'"
		pair_up || die "$system cannot be set up on this kernel ($(uname -r))"
		n=$((n + 1))
	done
}

# What this made goes, too: the machine may not be a throw-away one.
pairs_down() {
	local name

	for name in $(ip netns list | sed -n 's/^\(bench-[^ ]*\).*/\1/p'); do
		case $name in
		bench-*-sotto-*)
			ip netns exec "$name" sotto policy flush
			ip netns exec "$name" sotto down
			;;
		esac >/dev/null 2>&1
		ip netns pids "$name" | xargs -r kill
		ip netns delete "$name"
	done
}
