#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Open a capture of ESP in UDP with scapy's IPsec layer and the lines of `sotto keylog`.

usage: open_esp.py CAPTURE KEYS COUNT MARKER --esn-out N --esn-in N

Status 0 if COUNT packets authenticate and hold MARKER. The high words of the sequence
numbers are not in the packets: the ones of SAs to (out) and from the peer are given.
"""
import argparse
import re
import sys

from scapy.all import IP, UDP, IPv6, Raw, conf, rdpcap
from scapy.layers.ipsec import ESP, SecurityAssociation

LINE = re.compile(r'^# scapy (\S+) > (\S+): .*spi=(0x[0-9a-f]+), crypt_algo="([^"]+)", '
                  r'crypt_key=bytes\.fromhex\("([0-9a-f]+)"\)', re.M)


def associations(text):
    return {int(spi, 16): (SecurityAssociation(ESP, spi=int(spi, 16), crypt_algo=algo,
                                               crypt_key=bytes.fromhex(key), esn_en=True),
                           src == "*")
            for src, _, spi, algo, key in LINE.findall(text)}


def without_udp(packet):
    """What scapy expects: ESP straight behind IP."""
    ip = packet[IPv6] if IPv6 in packet else packet[IP]
    esp = ESP(bytes(ip[UDP].payload))
    head = ip.copy()
    head.remove_payload()
    if IPv6 in packet:
        head.nh = 50
        head.plen = None
    else:
        head.proto = 50
        head.len = head.chksum = None
    return head / esp


def main():
    p = argparse.ArgumentParser()
    p.add_argument("capture")
    p.add_argument("keys")
    p.add_argument("count", type=int)
    p.add_argument("marker")
    p.add_argument("--esn-out", type=int, default=0)
    p.add_argument("--esn-in", type=int, default=0)
    args = p.parse_args()
    conf.verb = 0

    with open(args.keys, encoding="utf-8") as f:
        keys = associations(f.read())
    print("%d keys" % len(keys))
    opened = 0
    for packet in rdpcap(args.capture):
        if UDP not in packet or Raw not in packet[UDP] and not packet[UDP].payload:
            continue
        packet = without_udp(packet)
        if packet[ESP].spi not in keys:
            print("no key for SPI 0x%08x" % packet[ESP].spi)
            continue
        sa, out = keys[packet[ESP].spi]
        plain = sa.decrypt(packet, esn_en=True, esn=args.esn_out if out else args.esn_in)
        print(plain.summary())
        opened += args.marker.encode() in bytes(plain)
    print("%d of %d packets hold the marker" % (opened, args.count))
    return opened != args.count


if __name__ == "__main__":
    sys.exit(main())
