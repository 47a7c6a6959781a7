#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Ways to send that don't begin with an ordinary socket.

  beneath.py frames DEV MAC SRC DST KIND…   one frame of each kind, by a packet socket
  beneath.py raw SRC DST KIND…              the same by raw sockets: IP's own output
  beneath.py xdp native|generic DEV TO      redirect what comes in by DEV to TO, until killed
  beneath.py pin redirect|neighbour TO FILE a tc program that does so, pinned
  beneath.py tun SRC DST            by a device without a link header, said to be this and that

Every packet is UDP to port 9 with the payload b"PLAINTEXT", or a piece of that.
"""
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
import time

SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20
IP_NODEFRAG = 22
SIOCGIFHWADDR = 0x8927
IPV6_HDRINCL = 36
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000
PAYLOAD = b"PLAINTEXT" + bytes(31)
UDP, GRE, HOPOPTS, ROUTING, FRAGMENT, DSTOPTS = 17, 47, 0, 43, 44, 60


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Packets:
    """Packets from one address to another, of either family."""

    def __init__(self, src, dst):
        self.v4 = ":" not in dst
        self.family = socket.AF_INET if self.v4 else socket.AF_INET6
        self.ethertype = 0x0800 if self.v4 else 0x86dd
        self.dst_name = dst
        self.src = socket.inet_pton(self.family, src)
        self.dst = socket.inet_pton(self.family, dst)

    def ip(self, proto, body, options=b"", fragment=0, dst=None):
        dst = dst or self.dst
        if not self.v4:
            return struct.pack("!IHBB", 6 << 28, len(body), proto, 64) + self.src + dst + body
        head = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, 20 + len(options) + len(body),
                           0x4242, fragment, 64, proto, 0) + self.src + dst + options
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body

    def udp(self):
        body = struct.pack("!HHHH", 9, 9, 8 + len(PAYLOAD), 0) + PAYLOAD
        pseudo = self.src + self.dst + struct.pack("!HHHH", 0, UDP, 0, len(body))
        return body[:6] + struct.pack("!H", checksum(pseudo + body)) + body[8:]

    def plain(self):
        return [self.ip(UDP, self.udp())]

    def fragments(self):
        body = self.udp()
        if self.v4:
            return [self.ip(UDP, body[:24], fragment=0x2000), self.ip(UDP, body[24:], fragment=3)]
        return [self.ip(FRAGMENT, struct.pack("!BBHI", UDP, 0, at | more, 77) + part)
                for part, at, more in ((body[:24], 0, 1), (body[24:], 24, 0))]

    def options(self):
        """A timestamp and padding; on IPv6, a hop-by-hop header and destination options."""
        if self.v4:
            return [self.ip(UDP, self.udp(), options=bytes([68, 12, 5, 0]) + bytes(8))]
        padded = struct.pack("!BBBB", DSTOPTS, 0, 1, 4) + bytes(4)
        return [self.ip(HOPOPTS, padded + struct.pack("!BBBB", UDP, 0, 1, 4) + bytes(4) + self.udp())]

    def gre(self):
        return [self.ip(GRE, struct.pack("!HH", 0, self.ethertype) + self.ip(UDP, self.udp()))]

    def source_route(self, stop):
        """By way of another stop: the last address is not the one in the header."""
        stop = socket.inet_pton(self.family, stop)
        if self.v4:
            return [self.ip(UDP, self.udp(), options=bytes([131, 7, 4]) + self.dst + b"\0", dst=stop)]
        head = struct.pack("!BBBBI", UDP, 2, 2, 1, 0) + self.dst
        return [self.ip(ROUTING, head + self.udp(), dst=stop)]


def frame(mac, kind, packets):
    """A frame, and what the packet socket is told that it is."""
    tag = {"vlan": [0x8100], "qinq": [0x88a8, 0x8100], "three-tags": [0x88a8, 0x8100, 0x8100]}
    body, proto = packets.plain()[0], packets.ethertype
    if kind in ("fragments", "options", "gre"):
        return [(mac + struct.pack("!H", proto) + p, proto) for p in getattr(packets, kind)()]
    if kind == "pppoe":
        ppp = 0x21 if packets.v4 else 0x57
        body = struct.pack("!BBHHH", 0x11, 0, 1, len(body) + 2, ppp) + body
        proto = 0x8864
    for tpid in reversed(tag.get(kind, [])):
        body = struct.pack("!HH", 5, proto) + body
        proto = tpid
    said = {"zero": 0, "lie": 0x88b5, "lie-arp": 0x0806}.get(kind, proto)
    return [(mac + struct.pack("!H", proto) + body, said)]


def send(sock, kind, packets):
    for data, to in packets:
        try:
            sock.sendto(data, to)
        except OSError as err:  # some paths tell of the drop
            print(f"{kind}: {err.strerror}")


def frames(dev, mac, src, dst, *kinds):
    with socket.socket() as s:
        own = fcntl.ioctl(s, SIOCGIFHWADDR, struct.pack("16s16x", dev.encode()))[18:24]
    mac = bytes.fromhex(mac.replace(":", ""))
    packets = Packets(src, dst)
    for kind in kinds:
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM if kind == "dgram" else socket.SOCK_RAW) as s:
            if kind == "bypass":
                s.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
            if kind == "dgram":
                out = [(packets.plain()[0], (dev, packets.ethertype, 0, 0, mac))]
            else:
                out = [(data, (dev, said)) for data, said in frame(mac + own, kind, packets)]
            send(s, kind, out)


def raw(src, dst, *kinds):
    packets = Packets(src, dst)
    for kind in kinds:
        to = dst
        with socket.socket(packets.family, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
            if kind == "nodefrag":
                s.setsockopt(socket.IPPROTO_IP, IP_NODEFRAG, 1)
            if not packets.v4:
                s.setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
            if kind.startswith("by:"):
                to = kind[3:]
                out = packets.source_route(to)
            else:
                out = getattr(packets, {"nodefrag": "fragments"}.get(kind, kind))()
            send(s, kind, [(data, (to, 0)) for data in out])


def tun(src, dst):
    """Print what came out of the device."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"bare", IFF_TUN | IFF_NO_PI))
    subprocess.run(["ip", "link", "set", "bare", "up"], check=True)
    packets, got = Packets(src, dst), 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        for said in (packets.ethertype, 0x0806, 0x88b5):
            send(s, "tun", [(packets.plain()[0], ("bare", said))])
    while True:
        try:
            got += PAYLOAD in os.read(fd, 2048)
        except BlockingIOError:
            break
    print(got)


# --- bpf ---------------------------------------------------------------------------------

SYS_BPF, BPF_PROG_LOAD, BPF_OBJ_PIN, BPF_LINK_CREATE = 321, 5, 6, 28
SCHED_CLS, XDP, ATTACH_XDP = 3, 6, 37
SKB_MODE, DRV_MODE = 2, 4
REDIRECT, REDIRECT_NEIGH = 23, 152


def bpf(command, attr):
    buf = ctypes.create_string_buffer(attr, len(attr))
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(SYS_BPF, command, buf, len(attr))
    if fd < 0:
        sys.exit("bpf: " + os.strerror(ctypes.get_errno()))
    return fd


def load(kind, helper, ifindex):
    """return helper(ifindex, 0, 0, 0)"""
    code = struct.pack("<BBhi", 0xb7, 1, 0, ifindex)
    code += b"".join(struct.pack("<BBhi", 0xb7, r, 0, 0) for r in (2, 3, 4))
    code += struct.pack("<BBhi", 0x85, 0, 0, helper) + struct.pack("<BBhi", 0x95, 0, 0, 0)
    insns, lic = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(b"GPL")
    attr = struct.pack("<IIQQ", kind, len(code) // 8, ctypes.addressof(insns), ctypes.addressof(lic))
    return bpf(BPF_PROG_LOAD, attr + bytes(48))


def xdp(mode, dev, to):
    prog = load(XDP, REDIRECT, socket.if_nametoindex(to))
    flags = SKB_MODE if mode == "generic" else DRV_MODE
    bpf(BPF_LINK_CREATE, struct.pack("<IIII", prog, socket.if_nametoindex(dev), ATTACH_XDP, flags) + bytes(16))
    print("attached", flush=True)
    time.sleep(600)


def pin(what, to, path):
    prog = load(SCHED_CLS, REDIRECT_NEIGH if what == "neighbour" else REDIRECT, socket.if_nametoindex(to))
    name = ctypes.create_string_buffer(path.encode())
    bpf(BPF_OBJ_PIN, struct.pack("<QII", ctypes.addressof(name), prog, 0))


if __name__ == "__main__":
    {"frames": frames, "raw": raw, "xdp": xdp, "pin": pin, "tun": tun}[sys.argv[1]](*sys.argv[2:])
