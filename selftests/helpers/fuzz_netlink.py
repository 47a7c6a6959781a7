#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Requests that no program makes, to the module's interface, as root: right ones of every
command with attributes changed, left out, doubled, nested and cut at random.

  fuzz_netlink.py SECONDS SEED

Prints how many were sent and how many of them were taken. Fails when the module does not
answer any more.
"""
import os
import random
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from sotto_nl import NLA_F_NESTED, NLM_F_ACK, NLM_F_DUMP, Sock, V, nla, split  # noqa: E402
import uapi_fuzz  # noqa: E402

EDGES = [0, 1, 2, 7, 255, 256, 257, 65535, 65536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 60, 2 ** 64 - 1]
COMMANDS = [v for k, v in V.items() if k.startswith("SOTTO_CMD_")]


class Fuzz:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def payload(self, old):
        r = self.r
        kind = r.randrange(6)
        if kind == 0:
            return struct.pack("<Q", r.choice(EDGES))[:r.choice((1, 2, 4, 8))]
        if kind == 1:
            return r.randbytes(r.choice((0, 1, 2, 3, 4, 8, 16, 17, 32, 33, 64, 300)))
        if kind == 2 and old:
            data = bytearray(old)
            data[r.randrange(len(data))] ^= 1 << r.randrange(8)
            return bytes(data)
        if kind == 3:
            return old[:r.randrange(len(old) + 1)]
        if kind == 4:
            return old * r.choice((2, 3, 17))
        return struct.pack("<Q", r.choice(EDGES))[:max(1, len(old))]

    def attrs(self, data, depth=0):
        """The same attributes, with something done to some of them."""
        r, out = self.r, []
        try:
            parts = split(data)
        except ValueError:
            return data
        for kind, payload in parts:
            nested = depth == 0 and len(payload) >= 4 and kind != V["SOTTO_A_ADDR"]
            if nested and r.random() < 0.9:
                payload = self.attrs(payload, depth + 1)
            elif r.random() < 0.15:
                payload = self.payload(payload)
            what = r.random()
            flags = NLA_F_NESTED if nested else 0
            if what < 0.04:
                continue
            if what < 0.08:
                kind = r.choice((0, r.randrange(64), r.randrange(0x4000)))
            elif what < 0.10:
                flags ^= NLA_F_NESTED
            elif what < 0.11:
                flags |= 0x4000
            one = nla(kind | flags, payload)
            out.append(one * (2 if what > 0.97 else 1))
        if r.random() < 0.05:
            r.shuffle(out)
        if r.random() < 0.02:
            out.append(r.randbytes(r.randrange(12)))
        return b"".join(out)

    def request(self):
        r = self.r
        c = r.choice(uapi_fuzz.COMMANDS)
        fields = dict(c.right)
        for a, v in c.others.items():
            if r.random() < 0.3:
                fields[a] = v
        for a, v in c.bad.items():
            if r.random() < 0.05:
                fields[a] = r.choice(v)
        if "SPI" in fields and r.random() < 0.5:
            fields["SPI"] = r.randrange(256, 600)
        data = c.data(fields)
        if r.random() < 0.7:
            data = self.attrs(data)
        cmd = V["SOTTO_CMD_" + c.name] if r.random() < 0.97 else r.choice(COMMANDS + [99, 255])
        flags = NLM_F_ACK | (r.choice((NLM_F_DUMP, 0x100, 0x400, 0xffff & ~1)) if r.random() < 0.1 else 0)
        return cmd, data, flags


def main():
    seconds, seed = int(sys.argv[1]), int(sys.argv[2])
    fuzz, until = Fuzz(seed), time.monotonic() + seconds
    sent = taken = 0
    s = Sock()
    while time.monotonic() < until:
        cmd, data, flags = fuzz.request()
        try:
            s.send(cmd, data, flags)
            answer = s.receive(lambda d: None)
        except (TimeoutError, BlockingIOError):
            sys.exit(f"no answer to request {sent} of seed {seed}: command {cmd}, flags {flags:#x}, "
                     + data.hex())
        sent += 1
        taken += not answer.errno
        if sent % 500 == 0:
            s.events.clear()
            s.ask("TUNNEL_FLUSH")
            s.ask("POLICY_FLUSH")
    s.do("POLICY_FLUSH")
    s.do("TUNNEL_FLUSH")
    print(f"{sent} sent, {taken} taken")


main()
