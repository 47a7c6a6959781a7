#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
An attacker, or a peer that makes mistakes: packets of ESP in UDP to order, from whatever
address, with nothing but Python's standard library and the kernel's AEADs (AF_ALG), or
python3-cryptography's where the kernel does not hand out its own.

Reads one order per line and answers each with "ok" or "error: …":

  send src=A dst=A [WORDS]   one packet
      sport=N dport=N        of UDP (7689)
      data=HEX               the payload of UDP; without it, ESP is made:
      spi=N seq=N key=FILE   seq has all 64 bits; cipher=NAME (chacha20poly1305)
      nh=N                   next header (17)
      inner=HEX | udp=PORT   what is inside: bytes, or a small datagram to PORT (5003)
      from=A to=A            a whole packet is inside, between these (IPv4 or IPv6); and of that
      tos=N ttl=N id=N frag=N label=N
                             what stands in its IP header (0, 64, 77, 0x4000 and 0); frag has
                             IPv4's flags and offset, label is IPv6's
      within=HEX             IPv4 options of it
      broken=1 | broken=ip   its last byte is another than its checksum was made of; or IPv4's
                             checksum is wrong
      more=N                 bytes behind it that no length in it speaks of
      pad=wrong | pad=huge   a trailer that RFC 4303 does not allow
      flip=N                 one bit in byte N of the payload, from its end if negative
      cut=N | grow=N         bytes less or more in the IP packet, told to nobody
      length=N               what UDP claims, as it is
      csum=zero              no UDP checksum
      ext=TYPE:HEX           an IPv6 extension header of that type in front of UDP
      options=HEX            IPv4 options
      times=N                so many of them
      tcp=SPORT:DPORT:SEQ:ACK:FLAGS[:WINDOW]
                             instead, a TCP segment; FLAGS is a number
      text=WORD              payload of the datagram or segment (forged); text=N*WORD: N times
      save=FILE              what is behind ESP's header goes there, and nothing is sent
      pages=DEV:MAC          sent by that device to there, with only the headers up to UDP's in
                             one piece and the rest in pages (of 4096 bytes or more)
  add src=A dst=A [WORDS]    the same packet, as a segment of the next burst
  burst src=A dst=A [size=N] send what was added as one GSO packet from a socket; size=N:
                             the segments' (default: that of the first); tos=N: of IPv4 outside
  hear DEV                   start to keep what is sent to the data port on a device
  again [flip=N] [cut=N]     send what was heard once more; answers "ok COUNT"
"""
import ipaddress
import select
import socket
import struct
import sys

DATA_PORT = 7689
UDP_SEGMENT = 103
SOL_PACKET, PACKET_VNET_HDR = 263, 15
TRANSPARENT = {4: (socket.SOL_IP, 19), 6: (socket.IPPROTO_IPV6, 75)}
MTU = 1500
ALGORITHMS = {"aes256gcm": "gcm(aes)", "chacha20poly1305": "rfc7539(chacha20,poly1305)"}
ICV = 16


def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def udp(src, dst, sport, dport, payload, order):
    length = int(order.get("length", 8 + len(payload)))
    head = struct.pack("!HHHH", sport, dport, length, 0)
    if order.get("csum") == "zero":
        return head + payload
    pseudo = src.packed + dst.packed + struct.pack("!II", 8 + len(payload), 17)
    return head[:6] + struct.pack("!H", checksum(pseudo + head + payload) or 0xffff) + payload


def aead(cipher, key, salt, iv, aad, plain):
    try:
        return kernel_aead(cipher, key, salt, iv, aad, plain)
    except FileNotFoundError:
        from cryptography.hazmat.primitives.ciphers import aead as own
        made = {"aes256gcm": own.AESGCM, "chacha20poly1305": own.ChaCha20Poly1305}[cipher]
        return made(key).encrypt(salt + iv, plain, aad)


def kernel_aead(cipher, key, salt, iv, aad, plain):
    with socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET) as alg:
        alg.bind(("aead", ALGORITHMS[cipher]))
        alg.setsockopt(socket.SOL_ALG, socket.ALG_SET_KEY, key)
        alg.setsockopt(socket.SOL_ALG, socket.ALG_SET_AEAD_AUTHSIZE, None, ICV)
        op = alg.accept()[0]
        with op:
            op.sendmsg_afalg([aad + plain], op=socket.ALG_OP_ENCRYPT, iv=salt + iv,
                             assoclen=len(aad))
            return op.recv(len(aad) + len(plain) + ICV)[len(aad):]


def trailer(plain, next_header, kind):
    n = -(len(plain) + 2) % 4
    if kind == "wrong":
        n += 4
        return bytes(n) + bytes([n, next_header])
    if kind == "huge":
        return bytes(range(1, n + 1)) + bytes([255, next_header])
    return bytes(range(1, n + 1)) + bytes([n, next_header])


def tcp(src, dst, words, payload):
    words = [int(w, 0) for w in words.split(":")]
    sport, dport, seq, ack, flags = words[:5]
    window = words[5] if len(words) > 5 else 500
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 5 << 4, flags, window, 0, 0)
    pseudo = src.packed + dst.packed + struct.pack("!II", len(head + payload), 6)
    return head[:16] + struct.pack("!HH", checksum(pseudo + head + payload), 0) + payload


def whole_packet(order, text):
    src, dst = (ipaddress.ip_address(order[k]) for k in ("from", "to"))
    tos, ttl = (int(order.get(k, d), 0) for k, d in (("tos", "0"), ("ttl", "64")))
    if "tcp" in order:
        kind, data = 6, tcp(src, dst, order["tcp"], text)
    else:
        kind, data = 17, udp(src, dst, 4000, int(order.get("udp", 5003)), text, {})
    if order.get("broken") == "1":
        data = data[:-1] + bytes([data[-1] ^ 1])
    more = bytes(int(order.get("more", 0)))
    if src.version == 6:
        first = 6 << 28 | tos << 20 | int(order.get("label", 0))
        return struct.pack("!IHBB", first, len(data), kind, ttl) + src.packed + dst.packed + \
            data + more
    options = bytes.fromhex(order.get("within", ""))
    head = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, tos, 20 + len(options) + len(data),
                       int(order.get("id", 77)), int(order.get("frag", "0x4000"), 0), ttl, kind,
                       0) + src.packed + dst.packed + options
    head = head[:10] + struct.pack("!H", checksum(head) ^ (order.get("broken") == "ip")) + head[12:]
    return head + data + more


def inside(order, src, dst):
    times, word = ("1*" + order.get("text", "forged")).split("*")[-2:]
    text = word.encode() * int(times)
    if "inner" in order:
        return bytes.fromhex(order["inner"])
    if "from" in order:
        return whole_packet(order, text)
    if "tcp" in order:
        return tcp(src, dst, order["tcp"], text)
    return udp(src, dst, 4000, int(order.get("udp", 5003)), text, {})


def esp(order, src, dst):
    with open(order["key"], encoding="ascii") as f:
        key = bytes.fromhex(f.read().strip()[2:])
    seq, spi = int(order["seq"], 0), int(order["spi"], 0)
    plain = inside(order, src, dst)
    kind = 6 if "tcp" in order else 17
    if "from" in order:
        kind = 41 if ":" in order["from"] else 4
    plain += trailer(plain, int(order.get("nh", kind)), order.get("pad"))
    iv = struct.pack("!Q", seq)
    aad = struct.pack("!III", spi, seq >> 32, seq & 0xffffffff)
    sealed = aead(order.get("cipher", "chacha20poly1305"), key[:32], key[32:], iv, aad, plain)
    return struct.pack("!II", spi, seq & 0xffffffff) + iv + sealed


def in_pages(packet, to):
    dev, mac = to.split(":", 1)
    proto, head = (0x800, 28) if packet[0] >> 4 == 4 else (0x86dd, 48)
    virtio = struct.pack("=BBHHHH", 0, 0, 14 + head, 0, 0, 0)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
        s.bind((dev, proto))
        s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        s.send(virtio + bytes.fromhex(mac.replace(":", "")) + bytes(6) +
               struct.pack("!H", proto) + with_sum(packet))


def with_sum(packet):
    """IPv4's checksum, which the kernel does not fill in what is sealed."""
    if packet[0] >> 4 == 6:
        return packet
    return packet[:10] + struct.pack("!H", checksum(packet[:20])) + packet[12:]


def ip_packets(src, dst, payload, order):
    if src.version == 6:
        kind, ext = order.get("ext", "17:").split(":")
        payload = bytes.fromhex(ext) + payload
        return [struct.pack("!IHBB", 6 << 28, len(payload), int(kind), 64) + src.packed +
                dst.packed + payload]
    options = bytes.fromhex(order.get("options", ""))
    packets, room = [], (65535 if "pages" in order else MTU) - 20 - len(options) & ~7
    for at in range(0, len(payload), room):
        part = payload[at:at + room]
        flags = at >> 3 | (0x2000 if at + room < len(payload) else 0)
        # An id of our own, so that fragments belong together.
        head = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, 20 + len(options) + len(part),
                           77, flags, 64, 17, 0)
        packets.append(head + src.packed + dst.packed + options + part)
    return packets


def damage(data, order):
    data = bytearray(data)
    if "flip" in order:
        data[int(order["flip"])] ^= 0x10
    if "cut" in order:
        del data[-int(order["cut"]):]
    return bytes(data) + b"G" * int(order.get("grow", 0))


class Forger:
    def __init__(self):
        self.raw = {4: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
                    6: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)}
        self.ear = None
        self.segments = []

    def emit(self, packet, dst):
        self.raw[dst.version].sendto(packet, (str(dst), 0))

    def send(self, order):
        src, dst = (ipaddress.ip_address(order[k]) for k in ("src", "dst"))
        payload = bytes.fromhex(order["data"]) if "data" in order else esp(order, src, dst)
        if "save" in order:
            with open(order["save"], "wb") as f:
                f.write(payload[16:])
            return
        flipped = damage(payload, {k: order[k] for k in ("flip",) if k in order})
        whole = udp(src, dst, int(order.get("sport", DATA_PORT)),
                    int(order.get("dport", DATA_PORT)), flipped, order)
        order.pop("flip", None)
        for _ in range(int(order.get("times", 1))):
            for packet in ip_packets(src, dst, damage(whole, order), order):
                if "pages" in order:
                    in_pages(packet, order["pages"])
                else:
                    self.emit(packet, dst)

    def add(self, order):
        src, dst = (ipaddress.ip_address(order[k]) for k in ("src", "dst"))
        whole = bytes.fromhex(order["data"]) if "data" in order else esp(order, src, dst)
        self.segments.append(damage(whole, order))

    def burst(self, order):
        src, dst = (ipaddress.ip_address(order[k]) for k in ("src", "dst"))
        family = socket.AF_INET6 if src.version == 6 else socket.AF_INET
        size = int(order.get("size", len(self.segments[0])))
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            s.setsockopt(*TRANSPARENT[src.version], 1)
            s.bind((str(src), int(order.get("sport", 4500))))
            s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
            if "tos" in order:
                s.setsockopt(socket.SOL_IP, socket.IP_TOS, int(order["tos"], 0))
            s.sendto(b"".join(self.segments), (str(dst), DATA_PORT))
        self.segments = []

    def hear(self, dev):
        self.ear = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.ear.bind((dev, 3))

    @staticmethod
    def is_data(packet):
        at = 40 if packet[0] >> 4 == 6 else (packet[0] & 15) * 4
        proto = packet[6 if packet[0] >> 4 == 6 else 9]
        return proto == 17 and packet[at + 2:at + 4] == struct.pack("!H", DATA_PORT)

    def again(self, order):
        heard = []
        while select.select([self.ear], [], [], 0.1)[0]:
            packet, where = self.ear.recvfrom(65535)
            # Only what came to this device, not what left by it.
            if where[2] != socket.PACKET_OUTGOING and self.is_data(packet):
                heard.append(packet)
        for packet in heard:
            dst = packet[24:40] if packet[0] >> 4 == 6 else packet[16:20]
            self.emit(damage(packet, order), ipaddress.ip_address(dst))
        return len(heard)


def main():
    forger = Forger()
    print("ready", flush=True)
    for line in sys.stdin:
        words = line.split()
        order = dict(w.split("=", 1) for w in words[1:] if "=" in w)
        try:
            if words[0] in ("send", "add", "burst"):
                getattr(forger, words[0])(order)
                print("ok", flush=True)
            elif words[0] == "hear":
                forger.hear(words[1])
                print("ok", flush=True)
            elif words[0] == "again":
                print("ok", forger.again(order), flush=True)
            else:
                print("error: no such order", flush=True)
        except (OSError, KeyError, ValueError, IndexError) as e:
            print("error: %r" % e, flush=True)


if __name__ == "__main__":
    main()
