#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
A SYN whose MSS does not lie where checksums are summed: behind a single NOP.

	odd_mss.py SRC DST PORT		prints "answered" when a SYN-ACK came
"""
import socket
import struct
import sys

SYN, ACK = 2, 16
OURS = 40000
OPTIONS = bytes([1, 2, 4]) + struct.pack("!H", 1460) + bytes([1, 1, 0])


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def main():
    src, dst, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    ends = socket.inet_aton(src) + socket.inet_aton(dst)
    tcp = struct.pack("!HHIIBBHHH", OURS, port, 1, 0, (20 + len(OPTIONS)) << 2, SYN, 65535, 0, 0) + OPTIONS
    tcp = tcp[:16] + struct.pack("!H", checksum(ends + struct.pack("!HH", 6, len(tcp)) + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0x4000, 64, 6, 0) + ends
    listener = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    listener.settimeout(15)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
        s.sendto(ip + tcp, (dst, 0))
    while True:
        got = listener.recv(2048)[20:]
        if struct.unpack("!HH", got[:4]) == (port, OURS) and got[13] == SYN | ACK:
            print("answered")
            return


if __name__ == "__main__":
    main()
