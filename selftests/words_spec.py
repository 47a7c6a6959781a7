#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The manual pages and the completion against the programs: the same commands, options, settings
and keys of configuration, no more and no less."""
import glob
import os
import re
import shutil
import subprocess

from ktap import Ktap

TREE = os.environ.get("SOTTO_TOP") or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SAME = {"list": "show"}		# either is taken everywhere; one of them is told of
ARGUMENTS = r"\bAr [^ ]+(?: \| [^ ]+)*|\bFl [^ ]+"
MACROS = r"\b(Cm|Op|Oo|Oc|Bro|Brc|Brq|Ns)\b"


def read(path):
    with open(os.path.join(TREE, path), encoding="utf-8") as f:
        return f.read()


def one_name(words):
    return {SAME.get(w, w) for w in words}


def tables(text):
    """struct command NAME[] -> its words."""
    found = re.findall(r"static const struct command (\w+)\[\] = \{(.*?)\n\};", text, re.S)
    return {name: set(re.findall(r'\{ "([a-z]+)",', body)) for name, body in found}


def commands():
    """Object -> words; "" is the program."""
    out = {}
    for path in glob.glob(os.path.join(TREE, "tools/*.c")):
        text = read(path)
        known = tables(text)
        for where, table in re.findall(r'dispatch\((?:a|&a), (NULL|"[a-z ]+"), (\w+),', text):
            out["" if where == "NULL" else where.strip('"')] = known[table]
    return out


def cli_options():
    """The long ones of commands, and the short ones that stand anywhere."""
    text = "".join(read(p) for p in glob.glob(os.path.join(TREE, "tools/*.c")))
    return set(re.findall(r'args_is\(a, "(--[a-z-]+)"\)', text))


def sa_words():
    text = read("tools/sa_add.c")
    return (set(re.findall(r'!strcmp\(word, "([a-z-]+)"\)', text)) |
            set(re.findall(r'\{ "([a-z-]+)", &sa->', text)))


def getopt_options(path):
    return set(re.findall(r'\{ "([a-z-]+)", (?:no|required)_argument', read(path)))


def conf_keys(path):
    return set(re.findall(r'\{ "[a-z]+", "([a-z_]+)",', read(path)))


# --- what is written about them -------------------------------------------------------------

def items(page):
    return re.findall(r"^\.It (.*)", read("tools/man/" + page), re.M)


def man_commands(objects):
    """Object -> words, from the headings of sotto.8."""
    out = {o: set() for o in objects}
    for item in items("sotto.8"):
        words = " ".join(re.sub(MACROS, " ", re.sub(ARGUMENTS, " ", item)).split())
        if not item.startswith("Cm ") or words.split()[0] not in objects[""]:
            continue	# of a list within
        for where in objects:
            if (words + " ").startswith(where + " ") or not where:
                first = re.match(r"(?:[a-z]+(?: \| [a-z]+)*)?", words[len(where):].lstrip())
                out[where] |= set(first.group().split(" | ")) - {""}
    return out


def man_options(page):
    return set(re.findall(r"\bFl -([a-z-]+)", "\n".join(items(page))))


def man_keys(page):
    names = [re.findall(r"[a-z_]+", i[3:]) for i in items(page) if i.startswith("Cm ")]
    return {n for name in names for n in name}


def completed(*words):
    script = 'complete() { :; }; . "$0"; _sotto_words "$@"'
    out = subprocess.run(["bash", "-c", script, os.path.join(TREE, "tools/completion/sotto"), *words],
                         capture_output=True, text=True, check=True)
    return set(out.stdout.split())


def check_commands(k):
    objects = commands()
    told = man_commands(objects)
    for where in sorted(objects):
        name = where or "sotto"
        k.equal(one_name(told[where]), one_name(objects[where]), "sotto.8: words of " + name)
        words = completed(*where.split()) - {"help"}
        k.equal(one_name(words), one_name(objects[where]), "completion: words of " + name)


def check_options(k):
    have = cli_options()
    told = {"--" + o for o in man_options("sotto.8")}
    anywhere = {"--batch", "--json", "--statistics", "--details", "--color", "--help", "--version"}
    k.equal(told, have | anywhere - {"--batch"}, "sotto.8: options")
    text = read("tools/completion/sotto")
    k.equal(set(re.findall(r"--[a-z]+(?:-[a-z]+)*", text)) - anywhere, have, "completion: options")


def check_values(k):
    sa = sa_words()
    told = set(re.findall(r"[a-z-]+", "\n".join(i for i in items("sotto.8") if i.startswith("Cm "))))
    k.equal(sa - told - {"key"}, set(), "sotto.8: words of sa add")
    k.equal(completed("sa", "add", "in") | {"key"}, sa, "completion: words of sa add")
    names = set(re.findall(r'^\t\{ "([a-z-]+)", "', read("tools/set.c"), re.M))
    k.equal(completed("set"), names, "completion: settings")
    k.equal({n for n in names if n not in read("tools/man/sotto.8")}, set(), "sotto.8: settings")


def check_daemons(k):
    k.equal(man_options("sotto-authd.8"), getopt_options("server/main.c"), "sotto-authd.8: options")
    k.equal(man_options("sottod.8"), getopt_options("agent/main.c"), "sottod.8: options")
    k.equal(man_keys("sotto-authd.8"), conf_keys("server/conf.c"), "sotto-authd.8: configuration")
    k.equal(man_keys("sotto.conf.5"), conf_keys("agent/conf.c"), "sotto.conf.5: configuration")


def check_pages(k):
    for page in sorted(os.listdir(os.path.join(TREE, "tools/man"))):
        name = page + ": renders without a warning"
        if not shutil.which("groff"):
            k.skip(name, "there is no groff")
            continue
        out = subprocess.run(["groff", "-mdoc", "-ww", "-Tutf8", "-z",
                              os.path.join(TREE, "tools/man", page)],
                             capture_output=True, text=True, check=False)
        k.result(not out.returncode and not out.stderr, name, out.stderr)


def main():
    k = Ktap()
    check_commands(k)
    check_options(k)
    check_values(k)
    check_daemons(k)
    check_pages(k)
    k.end()


if __name__ == "__main__":
    main()
