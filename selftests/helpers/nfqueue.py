#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Let every packet of an NFQUEUE pass, bursts as they are, and from a process.

  nfqueue.py QUEUE     prints "ready", and at SIGTERM how many passed
"""
import signal
import socket
import struct
import sys

NETLINK_NETFILTER, SUBSYS_QUEUE = 12, 3
MSG_PACKET, MSG_VERDICT, MSG_CONFIG = 0, 1, 2
CFG_CMD, CFG_PARAMS, CFG_MASK, CFG_FLAGS, CFG_F_GSO = 1, 2, 4, 5, 4
VERDICT_HDR, PACKET_HDR, NF_ACCEPT = 2, 1, 1

queue = int(sys.argv[1])
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
s.bind((0, 0))
passed = 0


def nla(kind, payload):
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def say(kind, *attrs, flags=1):
    body = struct.pack(">BBH", 0, 0, queue) + b"".join(attrs)
    s.send(struct.pack("=IHHII", 16 + len(body), SUBSYS_QUEUE << 8 | kind, flags, 0, 0) + body)


def config(*attrs):
    say(MSG_CONFIG, *attrs, flags=5)		# with an acknowledgement
    err = struct.unpack_from("=i", s.recv(65536), 16)[0]
    if err:
        sys.exit(f"NFQUEUE: error {-err}")


def packet_id(data):
    at = 20
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if kind & 0x3fff == PACKET_HDR:
            return struct.unpack_from(">I", data, at + 4)[0]
        at += length + 3 & ~3
    return None


def end(*_):
    print(passed)
    sys.exit(0)


config(nla(CFG_CMD, struct.pack(">BxH", 1, 0)))
config(nla(CFG_PARAMS, struct.pack(">IB", 0, 1)))
config(nla(CFG_FLAGS, struct.pack(">I", CFG_F_GSO)), nla(CFG_MASK, struct.pack(">I", CFG_F_GSO)))
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True:
    data = s.recv(65536)
    number = packet_id(data)
    if struct.unpack_from("=H", data, 4)[0] == SUBSYS_QUEUE << 8 | MSG_PACKET and number is not None:
        passed += 1
        say(MSG_VERDICT, nla(VERDICT_HDR, struct.pack(">II", NF_ACCEPT, number)))
