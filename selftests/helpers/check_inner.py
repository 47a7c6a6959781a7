#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Open a capture of ESP in UDP, one packet per frame, and check the packets inside as a peer
would that believes nothing: checksums, lengths, and which TCP flags stand where.

usage: check_inner.py CAPTURE KEYS MINIMUM

KEYS: the lines of `sotto keylog`. Prints what is wrong. Status 0 if nothing is, and at
least MINIMUM packets with payload were opened.
"""
import re
import socket
import struct
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from scapy.all import IP, UDP, IPv6, PcapReader, conf

LINE = re.compile(r'^# scapy .*spi=(0x[0-9a-f]+), crypt_algo="([^"]+)", '
                  r'crypt_key=bytes\.fromhex\("([0-9a-f]+)"\)', re.M)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def keys(path):
    with open(path, encoding="utf-8") as f:
        for spi, algo, key in LINE.findall(f.read()):
            key = bytes.fromhex(key)
            cipher = AESGCM if "AES" in algo else ChaCha20Poly1305
            yield int(spi, 16), (cipher(key[:-4]), key[-4:])


def opened(esp, found):
    """The payload and next header of an ESP packet whose high sequence number is 0."""
    spi, low, iv = esp[:4], esp[4:8], esp[8:16]
    aead, salt = found[struct.unpack("!I", spi)[0]]
    plain = aead.decrypt(salt + iv, esp[16:], spi + bytes(4) + low)
    pad, nexthdr = plain[-2], plain[-1]
    assert plain[-2 - pad:-2] == bytes(range(1, pad + 1)), "padding"
    return plain[:-2 - pad], nexthdr


def complaints(ip, data, nexthdr):
    """What is wrong with this packet inside?"""
    family = socket.AF_INET6 if isinstance(ip, IPv6) else socket.AF_INET
    ends = socket.inet_pton(family, ip.src) + socket.inet_pton(family, ip.dst)
    if checksum(ends + struct.pack("!IBBH", len(data), 0, 0, nexthdr) + data) != 0xffff:
        yield "checksum"
    if nexthdr == 17 and struct.unpack("!H", data[4:6])[0] != len(data):
        yield "length"


def taken_out(data, nexthdr):
    """Of a whole packet, as tunnel mode has it: itself, what is in there, and of which kind."""
    ip = IP(data) if nexthdr == 4 else IPv6(data)
    at = data[0] % 16 * 4 if nexthdr == 4 else 40
    length = struct.unpack("!H", data[2:4] if nexthdr == 4 else data[4:6])[0]
    said = []
    if length + (0 if nexthdr == 4 else 40) != len(data):
        said.append("length of IP")
    if nexthdr == 4 and checksum(data[:at]) != 0xffff:
        said.append("checksum of IP")
    return ip, data[at:], data[9 if nexthdr == 4 else 6], said


class Flow:
    """TCP's view of one direction: numbers that fit, and no flag in the middle of a burst."""
    def __init__(self):
        self.next = None

    def complaints(self, data):
        seq, = struct.unpack("!I", data[4:8])
        size = len(data) - (data[12] >> 4) * 4
        flags = data[13]
        if flags & 0x02:
            size += 1
        if self.next is not None and (seq - self.next) & 0xffffffff < 1 << 31 and seq != self.next:
            yield "a gap of %d in sequence numbers" % (seq - self.next)
        if self.next is None or (seq - self.next) & 0xffffffff < 1 << 31:
            self.next = (seq + size + (flags & 0x01)) & 0xffffffff
        if flags & 0x01 and size > 0 and not flags & 0x08:
            yield "FIN with data and no PSH"


def main():
    conf.verb = 0
    found = dict(keys(sys.argv[2]))
    flows, ids, payloads, wrong, pushes, fins = {}, set(), 0, 0, 0, 0
    for packet in PcapReader(sys.argv[1]):
        ip = packet[IPv6] if IPv6 in packet else packet[IP] if IP in packet else None
        if ip is None or UDP not in ip or ip[UDP].dport != 7689:
            continue
        data, nexthdr = opened(bytes(ip[UDP].payload), found)
        said = []
        if nexthdr in (4, 41):
            ip, data, nexthdr, said = taken_out(data, nexthdr)
            if ip.version == 4 and nexthdr == 6:
                said += ["the same ID"] * (ip.id in ids)
                ids.add(ip.id)
        said += complaints(ip, data, nexthdr)
        if nexthdr == 6:
            flow = flows.setdefault((ip.src, data[:4]), Flow())
            said += flow.complaints(data)
            payloads += len(data) > 100
            pushes += bool(data[13] & 0x08)
            fins += data[13] & 0x01
        else:
            payloads += 1
        wrong += bool(said)
        if said and wrong < 10:
            print("%s > %s, %d bytes of %d: %s" % (ip.src, ip.dst, len(data), nexthdr, said))
    print("%d with payload, %d wrong, %d PSH, %d FIN" % (payloads, wrong, pushes, fins))
    if fins > 2 * len(flows):
        print("FIN stands where it does not belong")
        wrong += 1
    return 1 if wrong or payloads < int(sys.argv[3]) else 0


if __name__ == "__main__":
    sys.exit(main())
