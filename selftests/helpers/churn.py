#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Put one SA in again and again, as fast as one process can: its predecessor goes meanwhile.

usage: churn.py in|out SPI PEER CIPHER KEYFILE ROUNDS
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from sotto_nl import Sock, V, obj	# noqa: E402

CIPHERS = {"aes256gcm": "AES256_GCM", "chacha20poly1305": "CHACHA20_POLY1305"}
APART = 1 << 20		# numbers: more than are sent before the next one


def main():
    direction, spi, peer, cipher, keyfile, rounds = sys.argv[1:]
    with open(keyfile, encoding="ascii") as f:
        key = bytes.fromhex(f.read().strip()[2:])
    fields = dict(DIR=int(direction == "out"), SPI=int(spi, 0), KEY=key[:32], SALT=key[32:],
                  CIPHER=V["SOTTO_CIPHER_" + CIPHERS[cipher]], PEER_ADDR=peer.split(","))
    with Sock() as s:
        for i in range(1, int(rounds) + 1):
            if direction == "in":
                s.ask("SA_DEL", obj("SA", SPI=fields["SPI"]))	# not there at first
            s.do("SA_ADD", obj("SA", **fields, SEQ=i * APART if direction == "out" else 0))


if __name__ == "__main__":
    main()
