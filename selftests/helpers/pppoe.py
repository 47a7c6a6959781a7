#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
pppoe.py DEV MAC SESSION: an established session of PPPoE with MAC by DEV, until killed. It says
the name of its PPP device.
"""
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys

AF_PPPOX, PX_PROTO_OE = 24, 0
PPPIOCGCHAN, PPPIOCATTCHAN = 0x80047437, 0x40047438
PPPIOCNEWUNIT, PPPIOCCONNECT = 0xc004743e, 0x4004743a


def ioctl(fd, what, value):
    return struct.unpack("i", fcntl.ioctl(fd, what, struct.pack("i", value)))[0]


def main():
    dev, mac, session = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", "")), int(sys.argv[3])
    sock = socket.socket(AF_PPPOX, socket.SOCK_STREAM, PX_PROTO_OE)
    to = struct.pack("=HI", AF_PPPOX, PX_PROTO_OE) + struct.pack("!H", session) + mac
    to += dev.encode().ljust(16, b"\0")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.connect(sock.fileno(), to, len(to)):
        sys.exit(os.strerror(ctypes.get_errno()))
    channel, unit = (os.open("/dev/ppp", os.O_RDWR) for _ in range(2))
    ioctl(channel, PPPIOCATTCHAN, ioctl(sock.fileno(), PPPIOCGCHAN, 0))
    number = ioctl(unit, PPPIOCNEWUNIT, -1)
    ioctl(channel, PPPIOCCONNECT, number)
    print(f"ppp{number}", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
