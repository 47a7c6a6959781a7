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


MAKERS = {"proto": proto, "chan": frames, "handshake": datagrams}


def main():
    name, folder = sys.argv[1:]
    made = MAKERS[name](load()) if name in MAKERS else []
    for n, data in enumerate(made):
        with open(os.path.join(folder, f"made-{n}"), "wb") as f:
            f.write(data)


if __name__ == "__main__":
    main()
