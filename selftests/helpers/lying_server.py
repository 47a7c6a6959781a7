#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
An authentication server that lies: it has the realm's key and one member's token
secret, and speaks the protocol of Documentation/protocol.md by the second
implementation of its cryptography.

	lying_server.py REALM.KEY TOKEN.KEY PORT NAME=KEY:ADDRESS,…… LIE

The first NAME is the member that it serves, the second the one it lies about; keys
are in base64url. LIE is a file with the lie of the hour, read at each request; a lie
"offer-WHAT" is offered to the member without being asked. It prints what it does.
"""
import base64
import hashlib
import hmac
import ipaddress
import os
import select
import socket
import struct
import sys

TOP = os.environ.get("SOTTO_TOP", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path.insert(0, os.path.join(TOP, "selftests/unit"))
from second_protocol import (Noise, attributes, ChaCha20Poly1305, dh, noise_hkdf,
                             nonce, public)

REQUEST, ANSWER = 1, 2
ACK, HELLO, HELLO_ACK, ASK, OFFER, GRANT, REFUSAL = 8, 0x10, 0x11, 0x30, 0x31, 0x33, 0x34


def say(*words):
    print(*words, flush=True)


def address(text):
    packed = ipaddress.ip_address(text).packed
    return bytes([len(packed)]) + packed


def addresses(texts):
    return b"".join(map(address, texts))


def network(text):
    net = ipaddress.ip_network(text)
    return bytes([net.prefixlen]) + address(net.network_address)


def body(**attrs):
    """a1=…, a2=…: in ascending order."""
    pairs = sorted((int(k[1:]), v) for k, v in attrs.items())
    return b"".join(struct.pack(">BH", n, len(v)) + v for n, v in pairs)


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Member:
    def __init__(self, text):
        self.name, rest = text.split("=", 1)
        key, addrs = rest.split(":", 1)
        self.key, self.addrs = unb64(key), addrs.split(",")


class Server:
    def __init__(self, argv):
        with open(argv[0], "rb") as f:
            self.priv = f.read()
        with open(argv[1], "rb") as f:
            self.token = f.read()
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("", int(argv[2])))
        self.us, self.peer = Member(argv[3]), Member(argv[4])
        self.lie_file = argv[5]
        self.own, self.eph = os.urandom(32), os.urandom(32)   # what it puts in the middle
        self.chan = self.answered = None
        self.offered = set()

    def lie(self):
        with open(self.lie_file, encoding="ascii") as f:
            return f.read().strip()

    # ---- handshake, as the responder

    def init(self, d, source):
        if self.answered == d:      # a repeat gets the same RESP
            self.sock.sendto(self.resp, source)
            return
        s = Noise(b"sotto association v1" + d[:8], public(self.priv))
        ei, er = d[8:40], os.urandom(32)
        s.ephemeral(ei)
        s.mix_key(dh(self.priv, ei))
        si = s.open(d[40:88])
        if si != self.us.key:
            return
        s.mix_key(dh(self.priv, si))
        s.open(d[88:-32])
        s.ephemeral(public(er))
        s.mix_key(dh(er, ei))
        s.mix_key(dh(er, si))
        s.mix_psk(hmac.new(self.token, b"sotto association psk v1" + ei + public(er),
                           hashlib.sha256).digest())
        resp = s.seal(body(a19=bytes(4), a21=struct.pack(">I", 7)))
        self.answered, self.resp = d, bytes([2, 1, 0, 0]) + d[4:8] + public(er) + resp
        self.sock.sendto(self.resp, source)
        rx, tx = [k[:32] for k in noise_hkdf(s.ck, b"", 2)]
        self.chan = dict(index=d[4:8], rx=rx, tx=tx, counter=0, source=source, id=0)

    # ---- the channel

    def send(self, kind, number, type_, content=b""):
        c = self.chan
        head = bytes([3, 1, 0, 0]) + c["index"] + struct.pack(">Q", c["counter"])
        frame = struct.pack(">BBHI", kind, 0, type_, number) + content
        self.sock.sendto(head + ChaCha20Poly1305(c["tx"]).encrypt(nonce(c["counter"]), frame, head),
                         c["source"])
        c["counter"] += 1

    def data(self, d):
        if not self.chan:
            return
        counter = struct.unpack(">Q", d[8:16])[0]
        try:
            frame = ChaCha20Poly1305(self.chan["rx"]).decrypt(nonce(counter), d[16:], d[:16])
        except Exception:  # of an association before this one
            return
        kind, _, type_, number = struct.unpack(">BBHI", frame[:8])
        if kind == REQUEST:
            self.request(number, type_, attributes(frame[8:]))
        elif kind == ANSWER and type_ != ACK:
            answer = attributes(frame[8:])
            reason = struct.unpack(">H", answer[16])[0] if 16 in answer else 0
            say("answer", hex(type_), reason)

    def request(self, number, type_, asked):
        if type_ == HELLO:
            self.send(ANSWER, number, HELLO_ACK, body(
                a1=self.us.name.encode(), a6=addresses(self.us.addrs), a24=asked[24],
                a25=address(self.chan["source"][0]), a26=struct.pack(">H", self.chan["source"][1]),
                a27=struct.pack(">I", 3), a28=struct.pack(">I", 3600), a133=b"\1"))
            say("associated")
        elif type_ == ASK:
            lie = self.lie()
            say("asked, says", lie)
            self.send(ANSWER, number, GRANT, self.tell(lie, a14=asked[14], a10=asked[9][:1]))
        else:
            self.send(ANSWER, number, ACK)

    # ---- lies

    def tell(self, lie, **more):
        true = dict(a1=self.peer.name.encode(), a2=self.peer.key, a3=public(self.eph),
                    a4=struct.pack(">I", 4711), a5=struct.pack(">H", 7689),
                    a6=addresses(self.peer.addrs), a7=addresses(self.us.addrs), a11=os.urandom(32),
                    a12=struct.pack(">IIQQQQ", 100, 200, 0, 0, 0, 0), a13=os.urandom(8), **more)
        mine = public(self.own)
        behind = network(self.peer.addrs[0])
        lies = {
            "key": dict(a2=mine),
            "name": dict(a1=b"robert", a2=mine),
            "behind": dict(a1=b"robert", a2=mine, a6=addresses(["10.99.0.1"]), a37=b"\1", a38=behind),
            "cipher": dict(a10=b"\7"),
            "own": dict(a7=addresses(["10.99.0.1"])),
            "ours": dict(a6=addresses(self.peer.addrs + self.us.addrs)),
            "elsewhere": dict(a6=addresses(["10.99.0.1"])),
            "self": dict(a2=self.us.key),
            "zero": dict(a3=bytes(32)),
            "another": dict(a14=os.urandom(8)) if "a14" in more else {},
            "swallow": dict(a37=b"\1", a38=network("10.7.9.0/24")),
            "default": dict(a37=b"\1", a38=network("0.0.0.0/0")),
            "loop": dict(a37=b"\1", a38=network("127.0.0.0/8")),
            "link": dict(a37=b"\1", a38=network("fe80::/10")),
            "group": dict(a6=addresses(self.peer.addrs + ["224.0.0.1"])),
            "at-us": dict(a37=b"\1", a39=network("::1/128")),
            "rest": dict(a1=b"roland", a2=mine, a6=addresses(["10.99.0.2"]), a37=b"\1",
                         a38=network("128.0.0.0/1") + network("2000::/3")),
        }
        return body(**{**true, **lies[lie]})

    def offer(self):
        lie = self.lie()
        if not lie.startswith("offer-") or lie in self.offered or not self.chan:
            return
        self.offered.add(lie)
        self.chan["id"] += 1
        self.send(REQUEST, self.chan["id"], OFFER, self.tell(
            lie[6:], a8=address(self.us.addrs[0]), a9=b"\1\2", a10=b"\2"))

    def run(self):
        say("ready")
        while True:
            if select.select([self.sock], [], [], 0.1)[0]:
                d, source = self.sock.recvfrom(2048)
                if d[0] == 1 and len(d) > 120:
                    self.init(d, source)
                elif d[0] == 3 and len(d) >= 40:
                    self.data(d)
            self.offer()


if __name__ == "__main__":
    Server(sys.argv[1:]).run()
