#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Seeds for the fuzzers of bytes: seeds.py NAME FOLDER, from the protocol's vectors."""

import json
import os
import struct
import sys


def load():
    top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
    with open(os.path.join(top, "Documentation/protocol-vectors.json"),
              encoding="ascii") as f:
        return json.load(f)


def proto(vectors):
    for m in vectors["messages"]:
        yield struct.pack(">H", m["type"]) + bytes.fromhex(m["attributes"])


def frames(vectors):
    """As fuzz_chan.c reads them: a request, an answer and a note of each."""
    for m in vectors["messages"]:
        body = bytes.fromhex(m["attributes"])
        out = b""
        for kind, ident in ((1, 1), (2, 1), (3, 0)):
            frame = struct.pack(">BBHI", kind, 0, m["type"], ident) + body
            out += struct.pack(">H", len(frame)) + frame
        yield out


def datagrams(value):
    """Whatever in the vectors begins as a datagram does."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for v in value:
            yield from datagrams(v)
    elif isinstance(value, str) and len(value) >= 32:
        try:
            b = bytes.fromhex(value)
        except ValueError:
            return
        if b[0] in range(1, 6) and b[1] == 1:
            yield b


def text(s):
    return struct.pack(">H", len(s)) + s.encode()


def number(n):
    return struct.pack(">Q", n)


def prefix(b, plen):
    return bytes([len(b)]) + bytes(b) + bytes([plen])


ADMIN = text("admin")
NET4 = prefix([10, 8, 0, 0], 16)
NET6 = prefix([0xfd] + 15 * [0], 8)
CODE = 16 * b"c" + 72 * b"s" + number(1 << 32)
RULE = b"\1\1" + text("web") + b"\3" + NET4
POLICY = (b"\0" + number(1) + text("web") + b"\1" + text("alice") + b"\2" + RULE +
          b"\3" + NET4 + b"\1" + text("web") + b"\3" + NET6 + b"\2" + text("") + b"\4\1")
ADDRS = bytes([2, 4, 10, 0, 0, 1, 16]) + 15 * b"\0" + b"\1"
MEMBER = (number(1) + text("alice") + b"\1" + 32 * b"k" + 72 * b"t" + ADDRS +
          number(1) + number(2) + number(0) + number(0))


def framed(op, data, last=1):
    return struct.pack(">HBB", len(data) + 2, op, last) + data


def requests(_):
    """As fuzz_storage.c reads them; the numbers are enum store_op's."""
    bodies = {
        0: b"", 1: ADMIN + text("alice") + ADDRS + number(1) + CODE,
        2: ADMIN + number(1) + b"\0" + number(1) + CODE, 3: 16 * b"c",
        4: 16 * b"c" + 32 * b"k" + 72 * b"t" + number(1), 5: ADMIN + number(1) + number(1),
        6: b"", 7: ADMIN + text("policy.apply") + b"\1" + number(1) + b"\1" + number(9) +
        number(9) + struct.pack(">I", 5) + b"allow" + POLICY,
        8: ADMIN + NET4 + b"\1" + text("") + b"\1" + number(1),
        9: ADMIN + text("a rule") + b"\1" + number(1) + RULE + RULE,
        10: ADMIN + text("web") + number(1) + text("alice") + b"\1" + number(1),
        11: ADMIN + text("web") + number(1),
        12: ADMIN + number(1) + text("alice") + number(1) + b"\7" + ADDRS + b"\2" + NET4 + NET6,
        13: b"", 14: number(0), 15: b"", 16: ADMIN + number(1), 17: b"", 18: b"",
        19: ADMIN + text("member.register.refused") + text("") + text("code-used") + number(1),
        20: struct.pack(">I", 10), 21: text("ticket_keys") + struct.pack(">H", 140),
        22: text("ticket_keys") + 140 * b"t", 23: b"",
    }
    for op, body in bodies.items():
        yield framed(op, body)
    yield b"".join(framed(op, bodies[op]) for op in (1, 4, 10, 12, 7, 6, 13, 14, 15, 5, 0, 20))
    cut = len(bodies[7]) // 2
    yield framed(7, bodies[7][:cut], 0) + framed(7, bodies[7][cut:])
    grants = framed(24, number(1) + 2 * (4 * number(1) + b"\1"))
    yield bytes([grants[0] | 0x80]) + grants[1:]


def answers(_):
    """As fuzz_store.c reads them: which question, then the frames of the answer."""
    good = b"\0" + text("")
    bad = b"\5" + text("no")
    change = number(1) + b"\1" + number(0) + number(0)
    yield b"\0" + framed(0, MEMBER + MEMBER, 0) + framed(0, good)
    yield b"\1" + framed(4, good + MEMBER)
    yield b"\1" + framed(4, b"\x13" + text("refused") + b"\x11")
    yield b"\2" + framed(3, good + 3 * number(1) + 32 * b"k" + 72 * b"s")
    yield b"\3" + framed(6, POLICY, 0) + framed(6, POLICY, 0) + framed(6, good)
    yield b"\4" + framed(15, text("allow") + text("all"), 0) + framed(15, good + 2 * number(9))
    yield b"\5" + framed(14, change + NET6 + change + b"\0\0", 0) + framed(14, good)
    yield b"\6" + framed(13, number(1) + NET4, 0) + framed(13, bad)
    yield b"\7" + framed(20, 2 * number(1) + 4 * text("word"), 0) + framed(20, good)
    yield b"\x08" + framed(18, good + text("gw:1")) + framed(17, good + number(9))


MAKERS = {"storage": requests, "store": answers,
          "proto": proto, "chan": frames, "handshake": datagrams}


def main():
    name, folder = sys.argv[1:]
    made = MAKERS[name](load()) if name in MAKERS else []
    for n, data in enumerate(made):
        with open(os.path.join(folder, f"made-{n}"), "wb") as f:
            f.write(data)


if __name__ == "__main__":
    main()
