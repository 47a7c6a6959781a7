# SPDX-License-Identifier: GPL-2.0
# Samples (setting, cpus, system, metric, round, value, by tabs) to bench.json.

def median: sort | if length % 2 == 1 then .[length / 2 | floor]
	else (.[length / 2 - 1] + .[length / 2]) / 2 | . * 1000 | round / 1000 end;

[inputs | split("\t") |
	{setting: .[0], cpus: (.[1] | tonumber), system: .[2], metric: .[3], value: (.[5] | tonumber)}]
| group_by([.setting, .cpus, .system, .metric])
| map((map(.value)) as $v | {
	system: .[0].system, setting: .[0].setting, cpus: .[0].cpus, metric: .[0].metric,
	median: ($v | median), min: ($v | min), max: ($v | max), rounds: ($v | length)})
