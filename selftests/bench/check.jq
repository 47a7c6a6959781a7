# SPDX-License-Identifier: GPL-2.0
# Is this bench.json what it has to be? $systems and $settings: those that were asked for;
# $rounds: how many.

def complain(f): error("bench.json: " + f);

# The metrics of a system in a setting.
def metrics($setting; $system; $beside_plain):
	if $setting == "icount" then
		["insn_per_packet"] + (if $beside_plain then ["insn_beyond"] else [] end)
	else
	["cpu_s_per_gb", "tcp_gbps"]
	+ (if $beside_plain then ["overhead_s_per_gb"] else [] end)
	+ (if $setting == "offloads-on"
	   then ["ping_us", "udp1200_kpps", "udp64_kpps"]
		+ (if $system | startswith("xfrm") then [] else ["udp_gso_gbps"] end)
		+ (if $beside_plain then ["ping_added_us"] else [] end)
	   else [] end)
	end;

def is_difference: . == "overhead_s_per_gb" or . == "ping_added_us" or . == "insn_beyond";

def entry:
	if type != "object" then complain("an entry is no object") else . end
	| if keys != (["cpus", "max", "median", "metric", "min", "rounds", "setting", "system"])
	  then complain("keys of \(tojson)") else . end
	| if [.system, .setting, .metric] | all(type == "string") | not
	  then complain("a name of \(tojson) is no string") else . end
	| if [.cpus, .median, .min, .max, .rounds] | all(type == "number") | not
	  then complain("a value of \(tojson) is no number") else . end
	| if (.min > 0 or (.metric | is_difference)) and .min <= .median and .median <= .max | not
	  then complain("min, median, max of \(tojson)") else . end
	| if .rounds != $rounds then complain("\($rounds) rounds wanted: \(tojson)") else . end
	| if .cpus < 1 then complain("cpus of \(tojson)") else . end;

if type != "array" then complain("no list") else . end
| map(entry)
| . as $all
| ($systems | split(",")) as $systems
| [$settings | split(",")[] as $setting | $systems[] as $s
   | metrics($setting; $s; $s != "plain" and ($systems | index("plain")) != null)[]
   | [$setting, $s, .]] as $wanted
| [$all[] | .setting |= split("/")[0] | select(.setting != "cipher") | [.setting, .system, .metric]]
| if sort != ($wanted | sort)
  then complain("it lacks \($wanted - .), has beyond it or twice \(. - $wanted)") else true end
