#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
An agent that answers acquires as a test wants: late, with keys from files, with a
refusal, or not at all. It prints "registered", and a line for each acquire:

	acquire ID DESTINATION SOURCE PROTOCOL ACTION ATTEMPT

SPIs are those of ESP: --out is what we send with, --in what the peer sends with.
"""
import argparse
import os
import sys
import time

# Inside a kernel tree this folder stands alone; SOTTO_TOP then names the project's own.
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.environ.get("SOTTO_TOP")
sys.path.insert(0, os.path.join(TOP, "selftests") if TOP else os.path.join(HERE, ".."))
import sotto_nl
from sotto_nl import V, obj


def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--delay", type=int, default=0, help="ms between question and answer")
    p.add_argument("--when", metavar="FILE", help="answer when there is such a file")
    p.add_argument("--ignore", action="store_true", help="never answer")
    p.add_argument("--fail", nargs=2, metavar=("REASON", "HOLD_MS"))
    p.add_argument("--peer", help="its addresses, with commas between")
    p.add_argument("--out", nargs=2, metavar=("SPI", "KEYFILE"))
    p.add_argument("--in", nargs=2, metavar=("SPI", "KEYFILE"), dest="inbound")
    p.add_argument("--flow", nargs=4, metavar=("LOCAL", "PORT", "REMOTE", "PORT"),
                   help="the exempt control flow")
    return p.parse_args()


def say(*words):
    print(*words, flush=True)


def sa(direction, spi, keyfile, peer):
    with open(keyfile, encoding="ascii") as f:
        key = bytes.fromhex(f.read().strip()[2:])
    return obj("SA", DIR=V["SOTTO_SA_" + direction], SPI=int(spi, 0),
               CIPHER=V["SOTTO_CIPHER_CHACHA20_POLY1305"], KEY=key[:32], SALT=key[32:],
               PEER_ADDR=peer.split(","), PEER_NAME="peer", SESSION=int(spi, 0))


def answer(s, args, question):
    if args.fail:
        reason, hold = args.fail
        s.ask("ACQUIRE_FAIL", obj("ACQUIRE", ID=question["ID"], DST=question["DST"],
                                  REASON=V["SOTTO_REASON_" + reason], HOLD_MS=int(hold)))
        return
    for direction, which in (("IN", args.inbound), ("OUT", args.out)):
        got = s.ask("SA_ADD", sa(direction, *which, args.peer))
        if got.errno:
            say("refused", got)


def main():
    args = arguments()
    s = sotto_nl.Sock()
    flow = {}
    if args.flow:
        flow = dict(LOCAL=args.flow[0], LOCAL_PORT=int(args.flow[1]),
                    REMOTE=args.flow[2], REMOTE_PORT=int(args.flow[3]))
    s.do("AGENT_REGISTER", obj("AGENT", **flow))
    say("registered")
    while True:
        q = s.acquire(3600)
        if not q:
            continue
        say("acquire", q["ID"], q["DST"], q.get("SRC", "-"), q["PROTO"], q["ACTION"],
            q["ATTEMPT"])
        if args.ignore:
            continue
        time.sleep(args.delay / 1000)
        while args.when and not os.path.exists(args.when):
            time.sleep(0.01)
        answer(s, args, q)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
