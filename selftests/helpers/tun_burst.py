#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
tun_burst.py DEV SRC DST BURSTS SEGMENTS: TCP over IPv4 from a tun device that is there, as a
virtual machine sends it: bursts that may be fragmented, and do not say of how many segments they
are.
"""
import fcntl
import ipaddress
import os
import struct
import sys

TUNSETIFF = 0x400454ca
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
NEEDS_CSUM, GSO_TCPV4 = 1, 1
MSS = 1000


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def burst(src, dst, seq, segments):
    length = 20 + segments * MSS
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 1, 0, 64, 6, 0) + src + dst
    ip = ip[:10] + struct.pack("!H", ~checksum(ip) & 0xffff) + ip[12:]
    pseudo = checksum(src + dst + struct.pack("!II", 6, length))
    tcp = struct.pack("!HHIIBBHHH", 4000, 7000, seq, 1, 5 << 4, 0x10, 500, pseudo, 0)
    virtio = struct.pack("=BBHHHH", NEEDS_CSUM, GSO_TCPV4, 40, MSS, 20, 16)
    return virtio + ip + tcp + bytes(segments * MSS)


def main():
    dev, src, dst = sys.argv[1:4]
    bursts, segments = (int(n) for n in sys.argv[4:6])
    tun = os.open("/dev/net/tun", os.O_RDWR)
    flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", dev.encode(), flags))
    src, dst = (ipaddress.ip_address(a).packed for a in (src, dst))
    for i in range(bursts):
        os.write(tun, burst(src, dst, 1000 + i * segments * MSS, segments))


if __name__ == "__main__":
    main()
