#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Documentation/state-tables.md and protocol.md against the code: the same states, the same
messages, the same tests."""
import os
import re

from ktap import Ktap

TREE = os.environ.get("SOTTO_TOP") or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Heading of a table -> file, enum, prefix, rows that are no value of the enum.
TABLES = {
    "An association, on the server": ("server/authd.h", "assoc_state", "ASSOC_", {"none"}),
    "An association, on the agent": ("agent/association.h", "assoc_state", "ASSOC_", set()),
    "An ask, on the agent": ("agent/ask.c", "ask_state", "ASK_", set()),
    "A session, on the server": ("server/authd.h", "session_state", "SESSION_", {"none", "waits"}),
    "What the server knows of the sessions a member holds":
        ("server/authd.h", "live_state", "LIVE_", set()),
}


def read(path):
    with open(os.path.join(TREE, path), encoding="utf-8") as f:
        return f.read()


def enum_values(path, name, prefix):
    body = re.search(r"enum %s \{(.*?)\n\};" % name, read(path), re.S).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    return {v.lower().replace("_", " ") for v in re.findall(r"\b%s(\w+)" % prefix, body)}


def rows(section):
    names = re.findall(r"^\| ([^|]+?) \|", section, re.M)
    return {re.sub(r" \(.*", "", n) for n in names if n not in ("state", "---")}


def main():
    k = Ktap()
    text = read("Documentation/state-tables.md")
    sections = {s.split("\n")[0].split(" (")[0].strip(): s for s in re.split(r"^## ", text, flags=re.M)}
    for title, (path, name, prefix, more) in TABLES.items():
        k.equal(rows(sections.get(title, "")), enum_values(path, name, prefix) | more,
                "states of: " + title)
    tests = set(re.findall(r"`(\w+\.sh)`", text))
    k.equal({t for t in tests if not os.path.exists(os.path.join(TREE, "selftests", t))}, set(),
            "scripts that are named are there")
    missing = {(program, test)
               for program, group in re.findall(r"`(test_\w+)` \(([^)]*)\)", text)
               for test in group.split(", ")
               if '{ "%s", ' % test not in read("selftests/unit/%s.c" % program)}
    k.equal(missing, set(), "unit tests that are named are there")
    table = {int(n, 16): m for n, m in re.findall(r"^\| (0x[0-9a-f]+) \| ([a-z-]+) \|",
                                                  read("Documentation/protocol.md"), re.M)}
    types = {s: int(v, 16) for s, v in re.findall(r"SOTTO_MSG_(\w+) = (0x[0-9a-f]+)",
                                                  read("tools/lib/proto.h"))}
    code = {types[s]: m for s, m in re.findall(r'(?:MSG|BARE)\((\w+), "([a-z-]+)"',
                                               read("tools/lib/proto_table.c"))}
    k.equal(table, code, "messages of the protocol page")
    k.end()


main()
