# SPDX-License-Identifier: GPL-2.0
# Judge one test program by its KTAP output.
#
#   awk -v name=NAME -v status=EXIT [-v nested=1] -f ktap.awk LOG
#
# Prints a first line "PASSED FAILED SKIPPED", then a line for each failure and each skip.
# nested: the program ran under the kernel's kselftest runner, which prefixes its output with
# "# " and adds a line of its own. A program without a plan, with fewer or more results than
# planned, or with a bad status but no failed test counts as one failure more.

function fail(what) {
	failed++
	lines = lines "not ok " name ": " what "\n"
}

function skip(what, why) {
	skipped++
	lines = lines "skip " name ": " what (why != "" ? " (" why ")" : "") "\n"
}

# The text of a result without its number, and without its directive.
function title(line) {
	sub(/^(not )?ok [0-9]+ *-? */, "", line)
	sub(/ *# *(SKIP|TODO|XFAIL).*/, "", line)
	return line
}

function reason(line) {
	return sub(/.*# *SKIP */, "", line) ? line : ""
}

nested && /^not ok .* # (exit=|TIMEOUT)/ {
	bad = $0
	sub(/.* # /, "", bad)
	next
}
nested && !/^# ?/ { next }
nested { sub(/^# ?/, "") }

/^1\.\.[0-9]+/ && plan == "" {
	plan = $1
	sub(/^1\.\./, "", plan)
	if (plan == 0)
		skip("all of it", reason($0))
	next
}
/^ok [0-9]+/ {
	results++
	if ($0 ~ /# *SKIP/)
		skip(title($0), reason($0))
	else
		passed++
	next
}
/^not ok [0-9]+/ {
	results++
	fail(title($0))
	next
}
/^Bail out!/ { fail($0) }

END {
	if (plan == "")
		fail("it gave no plan")
	else if (plan + 0 != results + 0)
		fail("it planned " plan " tests and gave " results + 0 " results")
	if (status == 0 && bad != "" && bad != "exit=4" && !failed)
		fail("it ended with " bad)
	if (status != 0 && status != 4 && !failed)
		fail("it ended with status " status)
	printf "%d %d %d\n%s", passed, failed, skipped, lines
}
