# SPDX-License-Identifier: GPL-2.0
# bench.json as tables for people: medians with their spread, then the ratios that are wanted.

def titles: {tcp_gbps: "TCP Gbit/s", cpu_s_per_gb: "CPU s/GB", overhead_s_per_gb: "overhead s/GB",
	udp64_kpps: "UDP 64 kpps", udp1200_kpps: "UDP 1200 kpps", udp_gso_gbps: "UDP GSO Gbit/s",
	ping_us: "ping us", ping_added_us: "ping added us", cipher_s_per_gb: "cipher s/GB",
	insn_per_packet: "instr/packet", insn_beyond: "beyond cipher"};
def cheap: test("s_per_gb|ping|insn");	# less is better
def order: ["plain", "sotto-chacha20", "sotto-aes256", "wireguard", "xfrm-chacha20", "xfrm-aes256",
	"chacha20", "aes256"];

# Setting, processors, metric, times better than WireGuard and than xfrm (null: no target).
def targets: [
	["offloads-on", 1, "overhead_s_per_gb", 5, 5],
	["offloads-on/vector", 1, "overhead_s_per_gb", 5, 5],
	["offloads-on", 1, "tcp_gbps", 1.5, 1.5],
	["offloads-on/vector", 1, "tcp_gbps", 2, 2],
	["gro", 1, "tcp_gbps", 1.4, 1.4],
	["gro/vector", 1, "tcp_gbps", 1.8, 1.8],
	["offloads-off", 1, "tcp_gbps", 1.3, 1.3],
	["offloads-off/vector", 1, "tcp_gbps", 1.4, 1.4],
	["flows-8", 2, "tcp_gbps", 1, null],
	["flows-1", 2, "tcp_gbps", 1, null],
	["offloads-on", 1, "udp64_kpps", 1.3, null], ["offloads-on/vector", 1, "udp64_kpps", 1.3, null],
	["offloads-on", 1, "udp1200_kpps", 1.3, null], ["offloads-on/vector", 1, "udp1200_kpps", 1.3, null],
	["offloads-on", 1, "udp_gso_gbps", 1.8, null], ["offloads-on/vector", 1, "udp_gso_gbps", 1.8, null],
	["offloads-on", 1, "ping_added_us", 2, null], ["offloads-on/vector", 1, "ping_added_us", 2, null],
	["forward", 1, "tcp_gbps", 1.5, null], ["forward/vector", 1, "tcp_gbps", 1.5, null]];

def pad($n): . + (" " * ([$n - length, 1] | max));
def row($first): ($first | pad(18)) + (map(pad(21)) | join("")) | sub(" +$"; "");
def figure: if . then "\(.median) (\(.min)-\(.max))" else "-" end;
def find($all; $system; $metric):
	first($all[] | select(.system == $system and .metric == $metric)) // null;

# Five metrics side by side.
def table:
	. as $all
	| (order - (order - [.[].system])) as $systems
	| [titles | keys_unsorted[] as $m | select(any($all[]; .metric == $m)) | $m] as $metrics
	| "", "\($all[0].setting), \($all[0].cpus) processor(s), \($all[0].rounds) rounds",
	  (range(0; $metrics | length; 5) as $i | $metrics[$i:$i + 5] as $five
	   | ([$five[] | titles[.]] | row("")),
	     ($systems[] as $s | [$five[] as $m | find($all; $s; $m) | figure] | row("  \($s)")));

# How much better the one is than the other, in round figures; a cost of nothing beats any.
def better($metric; $one; $other):
	if ($metric | cheap) then
		if $one <= 0 then "beats any" else $other / $one * 100 | round / 100 end
	else $one / $other * 100 | round / 100 end;
def verdict($ratio; $target):
	if ($ratio | type) == "string" or $ratio >= $target then "met" else "not met" end;

def against($all; $t; $ours; $theirs; $target):
	find($all; $ours; $t[2]) as $one | find($all; $theirs; $t[2]) as $other
	| select($target and $one and $other)
	| better($t[2]; $one.median; $other.median) as $ratio
	| ["\($t[0])\(if $t[1] > 1 then ", \($t[1]) CPUs" else "" end)", titles[$t[2]], "\($ours) : \($theirs)", "\($ratio)", "\($target)",
	   verdict($ratio; $target)];

def ratios:
	. as $all
	| targets[] as $t
	| [$all[] | select(.setting == $t[0] and .cpus == $t[1])] as $here
	| against($here; $t; "sotto-chacha20"; "wireguard"; $t[3]),
	  against($here; $t; "sotto-chacha20"; "xfrm-chacha20"; $t[4]),
	  against($here; $t; "sotto-aes256"; "xfrm-aes256"; $t[4]);

def line: (.[0] | pad(22)) + (.[1] | pad(18)) + (.[2] | pad(32)) + (.[3] | pad(11)) + (.[4] | pad(8)) + .[5];

(group_by([.setting, .cpus])[] | table),
"",
([ratios] | select(length > 0)
	| (["setting", "metric", "Sotto : other", "better by", "target", ""] | line), (.[] | line))
