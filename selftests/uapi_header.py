# SPDX-License-Identifier: GPL-2.0
"""uapi/linux/sotto.h as data, for tests: its names, values and attribute types."""
import os
import re

# The project's folder: in a kernel tree it is not the one above this.
TOP = os.environ.get("SOTTO_TOP") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
PATH = os.path.join(TOP, "uapi", "linux", "sotto.h")

# How a comment on an attribute begins: the type word, then its limits or meaning.
TYPES = ("u8", "u16", "u32", "u64", "string", "binary", "flag", "nest")


class Header:
    """
    consts: #define NAME number or string
    enums:  enum name -> {enumerator: value}
    types:  attribute -> type word of its comment; "pad" for the pads
    nests:  attribute of type nest -> the enum of what is in it, or "" (counters)
    stats:  [(SYMBOL, "name")] of SOTTO_STATS
    cmds:   command -> what its kernel-doc says it is: {"do", "dump"} or {"event"}
    """

    def __init__(self, path=PATH):
        with open(path, encoding="utf-8") as f:
            text = f.read()
        self.stats = re.findall(r'_\((\w+), "(\w+)"\)', text)
        self.consts = self._consts(text)
        self.types, self.nests = self._types(text)
        self.cmds = self._cmds(text)
        self.enums = self._enums(text)
        self.values = {n: v for e in self.enums.values() for n, v in e.items()}

    @staticmethod
    def _consts(text):
        consts = {}
        for name, value in re.findall(r'^#define (SOTTO_\w+)\s+("[^"]*"|\d+)', text, re.M):
            consts[name] = value[1:-1] if value[0] == '"' else int(value)
        return consts

    @staticmethod
    def _types(text):
        types, nests = {}, {}
        for name, rest in re.findall(r"^\t(SOTTO_A_\w+),[ \t]*(.*)$", text, re.M):
            word = re.match(r"/\* (\w+)", rest)
            if word and word.group(1) in TYPES:
                types[name] = word.group(1)
            elif name.endswith("_PAD") and not rest:
                types[name] = "pad"
            elif not name.endswith("_UNSPEC"):
                types[name] = "(none in its comment)"
            if types.get(name) == "nest":
                inner = re.search(r"enum (sotto_\w+_attr)\b", rest)
                nests[name] = inner.group(1) if inner else ""
        return types, nests

    @staticmethod
    def _cmds(text):
        cmds = {}
        for name, words in re.findall(r"^ \* @(SOTTO_CMD_\w+): (.*)$", text, re.M):
            kinds = set(re.findall(r"\b(do|dump|event)\b", re.split(r": ", words)[0]))
            cmds[name] = kinds
        return cmds

    def _enums(self, text):
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        enums = {}
        for name, body in re.findall(r"^enum (\w+) \{(.*?)^\};", text, re.M | re.S):
            if "SOTTO_STATS(SOTTO_STAT_ENUM)" in body:
                body = "".join("SOTTO_STAT_%s,\n" % s for s, _ in self.stats) + body
                body = body.replace("SOTTO_STATS(SOTTO_STAT_ENUM)", "")
            enums[name] = self._enumerators(body)
        return enums

    @staticmethod
    def _enumerators(body):
        values, following = {}, 0
        for entry in re.findall(r"[^,\s][^,]*", body):
            name, _, value = (x.strip() for x in entry.partition("="))
            if value.endswith("- 1"):
                following = values[value[:-3].strip()] - 1
            elif value:
                following = int(value, 0)
            values[name] = following
            following += 1
        return values
