# SPDX-License-Identifier: GPL-2.0
# bench.json as tables for people: medians with their spread, then ratios.

def metrics: ["tcp_gbps", "cpu_s_per_gb", "udp64_kpps", "udp1200_kpps", "ping_us"];
def titles: ["TCP Gbit/s", "CPU s/GB", "UDP 64 kpps", "UDP 1200 kpps", "ping us"];
def cheap: . == "cpu_s_per_gb" or . == "ping_us";	# less is better
def order: ["plain", "sotto-chacha20", "sotto-aes256", "wireguard", "xfrm-chacha20", "xfrm-aes256"];
def pairs: [["sotto-chacha20", "wireguard"], ["sotto-chacha20", "xfrm-chacha20"],
	["sotto-aes256", "xfrm-aes256"], ["sotto-chacha20", "plain"], ["sotto-aes256", "plain"]];

def pad($n): . + (" " * ([$n - length, 1] | max));
def row($first): ($first | pad(33)) + (map(pad(22)) | join("")) | sub(" +$"; "");
def figure: "\(.median) (\(.min)-\(.max))";
def find($all; $system; $metric): first($all[] | select(.system == $system and .metric == $metric));
def ratio($all; $p; $m): (find($all; $p[0]; $m).median / find($all; $p[1]; $m).median)
	| if $m | cheap then 1 / . else . end | . * 100 | round / 100;

group_by([.setting, .cpus])[] as $all
| ([$all[].system] | unique) as $there
| (order - (order - $there)) as $systems
| "",
  ([titles[]] | row("\($all[0].setting), \($all[0].cpus) cpu(s), \($all[0].rounds) rounds")),
  ($systems[] as $s | [metrics[] as $m | find($all; $s; $m) | figure] | row($s)),
  "",
  ([titles[]] | row("ratio (above 1: Sotto is better)")),
  (pairs[] | select(. - $there == []) as $p
	| [metrics[] as $m | ratio($all; $p; $m) | tostring] | row("\($p[0]) / \($p[1])"))
