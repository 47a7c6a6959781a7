#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
stamps.py tcp|udp|burst ADDRESS PORT: sends once, and prints the timestamps that come back, as
"KIND KEY" lines: sched is when the packet was queued, sent when the device had it; KEY is
SOF_TIMESTAMPING_OPT_ID's. Ends when there are two, or none for a while.
"""
import select
import socket
import struct
import sys

SO_TIMESTAMPING, UDP_SEGMENT, IP_RECVERR, IPV6_RECVERR = 37, 103, 11, 25
TX_SOFTWARE, SOFTWARE, OPT_ID, TX_SCHED, OPT_TSONLY = 1 << 1, 1 << 4, 1 << 7, 1 << 8, 1 << 11
KINDS = {0: "sent", 1: "sched"}


def stamp(ancillary):
    for _, kind, data in ancillary:
        if kind in (IP_RECVERR, IPV6_RECVERR):
            _, _, _, _, _, what, key = struct.unpack("=IBBBBII", data[:16])
            return "%s %d" % (KINDS.get(what, what), key)
    return None


def main():
    how, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if how == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as s:
        s.connect((address, port))
        if how == "burst":
            s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
        s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING,
                     TX_SOFTWARE | SOFTWARE | OPT_ID | TX_SCHED | OPT_TSONLY)
        s.sendall(bytes(100 if how == "udp" else 20000))
        poll, found = select.poll(), 0
        poll.register(s, select.POLLERR)
        while found < 2 and poll.poll(3000 if found else 10000):
            what = stamp(s.recvmsg(2048, 2048, socket.MSG_ERRQUEUE)[1])
            if what:
                print(what)
                found += 1


if __name__ == "__main__":
    main()
