# SPDX-License-Identifier: GPL-2.0
# Samples (setting, cpus, system, metric, round, value, by tabs) to bench.json, with what they
# tell beside plaintext and the cipher alone of the same round.

def round3: . * 1000 | round / 1000;
def median: sort | if length % 2 == 1 then .[length / 2 | floor]
	else (.[length / 2 - 1] + .[length / 2]) / 2 | round3 end;
def its_cipher: if endswith("aes256") then "aes256" else "chacha20" end;

# What plaintext has not: of the CPU time per gigabyte, and of a ping.
def beyond($value; $cipher):
	. as $s
	| if .system == "plain" or .setting == $cipher then empty
	  elif .metric == "cpu_s_per_gb" then
		$value["\(.setting) \(.cpus) plain \(.metric) \(.round)"] as $plain
		| $value["\($cipher) \(.cpus) \(.system | its_cipher) cipher_s_per_gb \(.round)"] as $floor
		| select($plain and $floor)
		| .metric = "overhead_s_per_gb" | .value = ($s.value - $plain - $floor | round3)
	  elif .metric == "insn_per_packet" then
		$value["\(.setting) \(.cpus) plain \(.metric) \(.round)"] as $plain
		| $value["\($cipher) \(.cpus) \(.system | its_cipher) cipher_s_per_gb \(.round)"] as $floor
		| select($plain and $floor)
		# a nanosecond is an instruction there, a packet 1400 bytes
		| .metric = "insn_beyond" | .value = ($s.value - $plain - $floor * 1400 | round)
	  elif .metric == "ping_us" then
		$value["\(.setting) \(.cpus) plain \(.metric) \(.round)"] as $plain
		| select($plain)
		| .metric = "ping_added_us" | .value = ($s.value - $plain | round3)
	  else empty end;

[inputs | split("\t") | {setting: .[0], cpus: (.[1] | tonumber), system: .[2], metric: .[3],
	round: .[4], value: (.[5] | tonumber)}]
| (map({key: "\(.setting) \(.cpus) \(.system) \(.metric) \(.round)", value: .value}) | from_entries)
	as $value
| (first(.[].setting | select(startswith("cipher"))) // "cipher") as $cipher
| . + map(beyond($value; $cipher))
| group_by([.setting, .cpus, .system, .metric])
| map((map(.value)) as $v | {
	system: .[0].system, setting: .[0].setting, cpus: .[0].cpus, metric: .[0].metric,
	median: ($v | median), min: ($v | min), max: ($v | max), rounds: ($v | length)})
