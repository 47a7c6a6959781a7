#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# Holds Documentation/netlink/specs/sotto.yaml against uapi/linux/sotto.h: names,
# values and types. Whichever of the two changes alone makes this fail. Needs no
# kernel and no root. Other files than these two: uapi_spec.py HEADER SPEC.
import os
import re
import shutil
import subprocess
import sys
import tempfile

import uapi_header
from ktap import Ktap, skip_all

try:
    import yaml
except ImportError:
    skip_all("needs PyYAML (Debian: python3-yaml)")

SPEC = os.path.join(uapi_header.TOP, "Documentation", "netlink", "specs", "sotto.yaml")

# Bookkeeping of the C enums, which a specification has no words for.
META = re.compile(r"^__|_MAX$")


def symbol(prefix, name):
    return (prefix + name).replace("-", "_").upper()


def numbered(entries, first):
    """[name or {name, value}] -> {name: value}, values going on from the last."""
    values = {}
    for entry in entries:
        entry = entry if isinstance(entry, dict) else {"name": entry}
        first = entry.get("value", first)
        values[entry["name"]] = first
        first += 1
    return values


def real(enum):
    """What is left of a C enum without bookkeeping."""
    return {n: v for n, v in enum.items() if not META.search(n)}


def without_unspec(enum):
    return {n: v for n, v in enum.items() if not n.endswith("_UNSPEC")}


def check_family(t, h, spec):
    t.equal((spec["name"], spec["version"]),
            (h.consts["SOTTO_GENL_NAME"], h.consts["SOTTO_GENL_VERSION"]),
            "family: name and version")
    t.equal([g["name"] for g in spec["mcast-groups"]["list"]],
            [v for n, v in h.consts.items() if n.startswith("SOTTO_MCGRP_")],
            "family: multicast groups")


def check_consts(t, h, spec):
    ours = {symbol("sotto-", d["name"]): d["value"]
            for d in spec["definitions"] if d["type"] == "const"}
    theirs = {n: v for n, v in h.consts.items()
              if isinstance(v, int) and n != "SOTTO_GENL_VERSION"}
    t.equal(ours, theirs, "constants: names and values")


def check_enums(t, h, spec):
    defs = [d for d in spec["definitions"] if d["type"] == "enum"]
    sets = {s.get("enum-name") for s in spec["attribute-sets"]}
    wanted = set(h.enums) - {"sotto_cmd"} - {(s or "").replace("-", "_") for s in sets}
    t.equal({d["enum-name"].replace("-", "_") for d in defs}, wanted,
            "enums: all of them")
    for d in defs:
        name = d["enum-name"].replace("-", "_")
        ours = {symbol(d["name-prefix"], n): v
                for n, v in numbered(d["entries"], d.get("value-start", 0)).items()}
        t.equal(ours, real(h.enums.get(name, {})), "enum %s: names and values" % name)


def attributes(spec_set):
    """[(symbol, value, attribute)] of a set of the specification."""
    values = numbered(spec_set["attributes"], 1)
    return [(symbol(spec_set["name-prefix"], a["name"]), values[a["name"]], a)
            for a in spec_set["attributes"]]


def check_sets(t, h, spec):
    sets = {s["enum-name"].replace("-", "_"): s
            for s in spec["attribute-sets"] if "enum-name" in s}
    t.equal(set(sets), {n for n in h.enums if n.endswith("_attr")},
            "attribute sets: all of them")
    inner = {s["name"]: n for n, s in sets.items()}
    for name, s in sets.items():
        attrs = attributes(s)
        t.equal({n: v for n, v, _ in attrs}, without_unspec(real(h.enums.get(name, {}))),
                "attribute set %s: names and values" % name)
        t.equal({n: a["type"] for n, _, a in attrs},
                {n: h.types.get(n) for n in without_unspec(real(h.enums.get(name, {})))},
                "attribute set %s: types" % name)
        t.equal({n: inner.get(a["nested-attributes"], "")
                 for n, _, a in attrs if a["type"] == "nest"},
                {n: h.nests[n] for n, _, a in attrs if n in h.nests},
                "attribute set %s: what is nested" % name)


def check_refs(t, spec):
    """An attribute's enum must exist, and bear on what the attribute is called."""
    enums = {d["name"] for d in spec["definitions"] if d["type"] == "enum"}
    used = {a["enum"] for s in spec["attribute-sets"] for a in s["attributes"] if "enum" in a}
    t.equal(used, enums, "attributes: every enum is used, and every one used exists")


def check_enum_comments(t, h, spec):
    """Where the header's comment names an enum, so does the specification."""
    with open(h.path, encoding="utf-8") as f:
        text = f.read()
    theirs = {n: e.replace("_", "-") for n, e in
              re.findall(r"^\t(SOTTO_A_\w+),[ \t]*/\* u\d+[^\n]*?: enum (sotto_\w+)", text, re.M)}
    ours = {}
    names = {d["name"]: d["enum-name"] for d in spec["definitions"] if d["type"] == "enum"}
    for s in spec["attribute-sets"]:
        if "enum-name" in s:
            ours.update({n: names[a["enum"]] for n, _, a in attributes(s) if "enum" in a})
    t.equal({n: e for n, e in ours.items() if n in theirs}, theirs,
            "attributes: enums as the header's comments say")


def check_stats(t, h, spec):
    s = next(s for s in spec["attribute-sets"] if s["name"] == "stats")
    t.equal([(n, v, a["type"]) for n, v, a in attributes(s)],
            [("SOTTO_STAT_" + sym, h.values["SOTTO_STAT_" + sym] + 1, "u64")
             for sym, _ in h.stats],
            "counters: attribute N + 1, u64")
    t.equal([n for _, n in h.stats], [s.lower() for s, _ in h.stats],
            "counters: printed names are the symbols'")


def check_commands(t, h, spec):
    ops = spec["operations"]["list"]
    prefix = spec["operations"]["name-prefix"]
    t.equal({symbol(prefix, n): v for n, v in numbered(ops, 1).items()},
            without_unspec(real(h.enums["sotto_cmd"])), "commands: names and values")
    t.equal({symbol(prefix, o["name"]): {k for k in ("do", "dump", "event") if k in o}
             for o in ops}, h.cmds, "commands: do, dump or event")
    t.equal([o["name"] for o in ops if "event" not in o and
             o.get("flags") != ["uns-admin-perm"]], [],
            "commands: all want CAP_NET_ADMIN of the namespace")
    top = {a["name"] for s in spec["attribute-sets"] if s["name"] == "sotto"
           for a in s["attributes"]}
    used = set()
    for o in ops:
        for side in (o.get("do") or {}, o.get("dump") or {}, {"event": o.get("event")}):
            for part in side.values():
                used |= set((part or {}).get("attributes", []))
    t.equal(used, top - {"pad"}, "commands: carry the objects there are")


def check_compiler(t, h, path):
    """The values that this test read are those that a C compiler sees."""
    name = "header: values as the C compiler has them"
    cc = shutil.which(os.environ.get("CC", "cc"))
    if not cc:
        t.skip(name, "no C compiler")
        return
    names = sorted(h.values)
    with tempfile.TemporaryDirectory() as tmp:
        source, program = os.path.join(tmp, "v.c"), os.path.join(tmp, "v")
        with open(source, "w", encoding="utf-8") as f:
            f.write('#include <stdio.h>\n#include "%s"\nint main(void)\n{\n' % os.path.abspath(path))
            f.writelines('\tprintf("%%d\\n", %s);\n' % n for n in names)
            f.write("\treturn 0;\n}\n")
        subprocess.run([cc, "-o", program, source], check=True)
        out = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    t.equal(dict(zip(names, map(int, out.split()))), h.values, name)


def main(header=uapi_header.PATH, spec_path=SPEC):
    h = uapi_header.Header(header)
    h.path = header
    with open(spec_path, encoding="utf-8") as f:
        spec = yaml.safe_load(f)
    t = Ktap()
    check_compiler(t, h, header)
    check_family(t, h, spec)
    check_consts(t, h, spec)
    check_enums(t, h, spec)
    check_sets(t, h, spec)
    check_refs(t, spec)
    check_enum_comments(t, h, spec)
    check_stats(t, h, spec)
    check_commands(t, h, spec)
    t.end()


main(*sys.argv[1:])
