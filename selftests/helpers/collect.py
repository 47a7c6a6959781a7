#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
collect.py [--gro] ADDRESS PORT FILE: write each datagram that comes as a line, with --gro as
"LENGTH/SEGMENT" of what the kernel merged, in hexadecimal otherwise.

collect.py --send SIZE LENGTH ADDRESS PORT COUNT: send COUNT times LENGTH numbered bytes as
datagrams of SIZE (UDP_SEGMENT).
"""
import socket
import sys

UDP_SEGMENT, UDP_GRO = 103, 104


def endpoint(address, port):
    return socket.getaddrinfo(address, int(port), type=socket.SOCK_DGRAM)[0]


def collect(gro, address, port, name):
    family, _, _, _, where = endpoint(address, port)
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    if gro:
        s.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
    s.bind(where)
    with open(name, "a", encoding="ascii", buffering=1) as f:
        print("ready", flush=True)
        while True:
            data, control, _, _ = s.recvmsg(65536, 64)
            size = [int.from_bytes(c[2][:4], sys.byteorder) for c in control if c[1] == UDP_GRO]
            f.write("%d/%d\n" % (len(data), size[0] if size else 0) if gro else data.hex() + "\n")


def send(size, length, address, port, count):
    family, _, _, _, where = endpoint(address, port)
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
    s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, int(size))
    for i in range(int(count)):
        s.sendto(bytes((i + j) % 251 for j in range(int(length))), where)


if sys.argv[1] == "--send":
    send(*sys.argv[2:])
else:
    collect(sys.argv[1] == "--gro", *sys.argv[-3:])
