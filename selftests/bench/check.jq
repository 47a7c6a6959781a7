# SPDX-License-Identifier: GPL-2.0
# Is this bench.json what it has to be? $systems: those that were asked for; $rounds: how many.

def complain(f): error("bench.json: " + f);

def metrics: ["cpu_s_per_gb", "ping_us", "tcp_gbps", "udp1200_kpps", "udp64_kpps"];

def entry:
	if type != "object" then complain("an entry is no object") else . end
	| if keys != (["cpus", "max", "median", "metric", "min", "rounds", "setting", "system"])
	  then complain("keys of \(tojson)") else . end
	| if [.system, .setting, .metric] | all(type == "string") | not
	  then complain("a name of \(tojson) is no string") else . end
	| if [.cpus, .median, .min, .max, .rounds] | all(type == "number") | not
	  then complain("a value of \(tojson) is no number") else . end
	| if .min > 0 and .min <= .median and .median <= .max | not
	  then complain("min, median, max of \(tojson)") else . end
	| if .rounds != $rounds then complain("\($rounds) rounds wanted: \(tojson)") else . end
	| if .cpus < 1 then complain("cpus of \(tojson)") else . end;

if type != "array" then complain("no list") else . end
| map(entry)
| . as $all
| [$systems | split(",")[] as $s | metrics[] as $m | [$s, $m]] as $wanted
| [.[].setting] | unique
| if length == 0 then complain("empty") else . end
| .[] as $setting
| [$all[] | select(.setting == $setting) | [.system, .metric]] as $there
| if ($there | sort) != ($wanted | sort)
  then complain("setting \($setting) lacks \($wanted - $there), has beyond it or twice \($there - $wanted)") else true end
