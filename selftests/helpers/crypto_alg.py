#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Wrap an AEAD of the kernel in one of its templates, so that what asks for the algorithm gets
the wrapper, and take the wrapper away again (CRYPTO_MSG_NEWALG, CRYPTO_MSG_DELALG).

  crypto_alg.py wrap TEMPLATE NAME   e.g. cryptd "gcm(aes)"; prints the driver that it made
  crypto_alg.py unwrap DRIVER
  crypto_alg.py users DRIVER         how many hold it (its reference count)
"""
import os
import socket
import struct
import sys

NETLINK_CRYPTO = 21
NEWALG, DELALG = 0x10, 0x11
NLM_F_REQUEST, NLM_F_ACK = 1, 4
PRIORITY_VAL = 1
TYPE_AEAD, TYPE_MASK = 3, 0xf
ABOVE_ALL = 100000

# What every kernel can make of its generic ciphers, where all that there is completes later.
GENERIC = {"gcm(aes)": "gcm_base(ctr(aes-generic),ghash-generic)"}


def algorithms():
    with open("/proc/crypto", encoding="ascii") as f:
        for block in f.read().split("\n\n"):
            lines = (line.split(":", 1) for line in block.splitlines() if ":" in line)
            yield {key.strip(): value.strip() for key, value in lines}


def best(name):
    """The best driver of NAME that completes at once: cryptd wraps no other."""
    found = [a for a in algorithms()
             if a.get("name") == name and a.get("internal") == a.get("async") == "no"]
    if found:
        return max(found, key=lambda a: int(a["priority"]))["driver"]
    if name not in GENERIC:
        sys.exit(f"this kernel has no {name} that completes at once")
    return GENERIC[name]


def request(kind, driver, priority=None):
    body = struct.pack("=64s64s64sIIII", b"", driver.encode(), b"", TYPE_AEAD, TYPE_MASK, 0, 0)
    if priority is not None:
        body += struct.pack("=HHI", 8, PRIORITY_VAL, priority)
    message = struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | NLM_F_ACK, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_CRYPTO) as s:
        s.send(message)
        error = struct.unpack_from("=i", s.recv(4096), 16)[0]
    if error:
        sys.exit(f"{driver}: {os.strerror(-error)}")


def main():
    what, *words = sys.argv[1:]
    if what == "wrap":
        driver = f"{words[0]}({best(words[1])})"
        request(NEWALG, driver, ABOVE_ALL)
        print(driver)
    elif what == "unwrap":
        request(DELALG, words[0])
    elif what == "users":
        print(next((a["refcnt"] for a in algorithms() if a.get("driver") == words[0]), 0))
    else:
        sys.exit(__doc__)


main()
