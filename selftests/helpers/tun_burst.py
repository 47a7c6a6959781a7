#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
From a tun device that is there, as a virtual machine sends it:

  tun_burst.py DEV SRC DST BURSTS SEGMENTS      TCP over IPv4: bursts that may be fragmented, and
                                                do not say of how many segments they are
  tun_burst.py DEV SRC DST datagram PORT SIZE   one of UDP, for the device to cut into fragments
"""
import fcntl
import ipaddress
import os
import struct
import sys

TUNSETIFF = 0x400454ca
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
NEEDS_CSUM, GSO_TCPV4, GSO_UDP = 1, 1, 3
MSS = 1000
FRAGMENT = 1400


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def header(src, dst, proto, length):
    if len(src) == 16:
        return struct.pack("!IHBB", 6 << 28, length, proto, 64) + src + dst
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 1, 0, 64, proto, 0) + src + dst
    return ip[:10] + struct.pack("!H", ~checksum(ip) & 0xffff) + ip[12:]


def datagram(src, dst, port, size):
    ip = header(src, dst, 17, 8 + size)
    pseudo = checksum(src + dst + struct.pack("!II", 17, 8 + size))
    virtio = struct.pack("=BBHHHH", NEEDS_CSUM, GSO_UDP, len(ip) + 8, FRAGMENT, len(ip), 6)
    return virtio + ip + struct.pack("!HHHH", 4000, port, 8 + size, pseudo) + bytes(size)


def burst(src, dst, seq, segments):
    length = 20 + segments * MSS
    ip = header(src, dst, 6, length)
    pseudo = checksum(src + dst + struct.pack("!II", 6, length))
    tcp = struct.pack("!HHIIBBHHH", 4000, 7000, seq, 1, 5 << 4, 0x10, 500, pseudo, 0)
    virtio = struct.pack("=BBHHHH", NEEDS_CSUM, GSO_TCPV4, 40, MSS, 20, 16)
    return virtio + ip + tcp + bytes(segments * MSS)


def main():
    dev, src, dst = sys.argv[1:4]
    tun = os.open("/dev/net/tun", os.O_RDWR)
    flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", dev.encode(), flags))
    src, dst = (ipaddress.ip_address(a).packed for a in (src, dst))
    if sys.argv[4] == "datagram":
        os.write(tun, datagram(src, dst, *(int(n) for n in sys.argv[5:7])))
        return
    bursts, segments = (int(n) for n in sys.argv[4:6])
    for i in range(bursts):
        os.write(tun, burst(src, dst, 1000 + i * segments * MSS, segments))


if __name__ == "__main__":
    main()
