#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A second implementation of Documentation/protocol.md's cryptography.

Written from the page alone, on other libraries, and held against
Documentation/protocol-vectors.json: the page and the code cannot drift apart
unnoticed. Exits 0, 1 with what differs, or 4 without python3-cryptography.
"""
import base64
import hashlib
import hmac
import ipaddress
import json
import os
import struct
import sys

try:
    from cryptography.hazmat.primitives.asymmetric.x25519 import (
        X25519PrivateKey, X25519PublicKey)
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    from cryptography.hazmat.primitives.serialization import (
        Encoding, PublicFormat)
except ImportError:
    sys.exit(4)

HX = bytes.fromhex


def public(private):
    return X25519PrivateKey.from_private_bytes(private).public_key(
        ).public_bytes(Encoding.Raw, PublicFormat.Raw)


def dh(private, pub):
    return X25519PrivateKey.from_private_bytes(private).exchange(
        X25519PublicKey.from_public_bytes(pub))


def blake(data, size=64, key=b""):
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


def hkdf(salt, ikm, info, length):
    """RFC 5869 with SHA-256."""
    prk = hmac.new(salt, ikm, hashlib.sha256).digest()
    block, out, i = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([i]), hashlib.sha256).digest()
        out, i = out + block, i + 1
    return out[:length]


def noise_hkdf(ck, ikm, n):
    temp = hmac.new(ck, ikm, hashlib.blake2b).digest()
    out, block = [], b""
    for i in range(n):
        block = hmac.new(temp, block + bytes([i + 1]), hashlib.blake2b).digest()
        out.append(block)
    return out


def nonce(n):
    return bytes(4) + struct.pack("<Q", n)


class Noise:
    """Noise's SymmetricState for IKpsk2, the initiator's side."""

    def __init__(self, prologue, server_key):
        name = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b"
        self.h = self.ck = name + bytes(64 - len(name))
        self.mix_hash(prologue)
        self.mix_hash(server_key)

    def mix_hash(self, data):
        self.h = blake(self.h + data)

    def set_key(self, key):
        self.cipher, self.n = ChaCha20Poly1305(key[:32]), 0

    def mix_key(self, ikm):
        self.ck, key = noise_hkdf(self.ck, ikm, 2)
        self.set_key(key)

    def mix_psk(self, psk):
        self.ck, h, key = noise_hkdf(self.ck, psk, 3)
        self.mix_hash(h)
        self.set_key(key)

    def ephemeral(self, pub):
        self.mix_hash(pub)
        self.mix_key(pub)

    def seal(self, plain):
        out = self.cipher.encrypt(nonce(self.n), plain, self.h)
        self.n += 1
        self.mix_hash(out)
        return out

    def open(self, sealed):
        out = self.cipher.decrypt(nonce(self.n), sealed, self.h)
        self.n += 1
        self.mix_hash(sealed)
        return out


def attributes(body):
    out = {}
    while body:
        number, length = struct.unpack(">BH", body[:3])
        out[number] = body[3:3 + length]
        body = body[3 + length:]
    return out


def psk_of(v, e_init, e_resp):
    if v["kind"] == 2:
        return hkdf(b"sotto enrolment v1", HX(v["code"]), b"psk", 32)
    return hmac.new(HX(v["token_secret"]), b"sotto association psk v1" +
                    e_init + e_resp, hashlib.sha256).digest()


def handshake(v):
    """Returns the keys (to server, to agent) and the server's index."""
    init, resp, server = HX(v["init"]), HX(v["resp"]), HX(v["server_public"])
    ei, si = HX(v["init_ephemeral_private"]), HX(v["member_private"])
    mac_key = blake(b"sotto init mac v1" + server, 32)
    assert init[:4] == bytes([1, 1, v["kind"], 0]), "outer header"
    assert blake(init[:-32], 16, mac_key) == init[-32:-16], "mac"

    s = Noise(b"sotto association v1" + init[:8], server)
    s.ephemeral(public(ei))
    s.mix_key(dh(ei, server))
    message = public(ei) + s.seal(public(si))
    s.mix_key(dh(si, server))
    body = struct.pack(">BHI", 19, 4, 0)
    if v["kind"] == 2:
        code_id = hkdf(b"sotto enrolment v1", HX(v["code"]), b"id", 16)
        body += struct.pack(">BH", 20, 16) + code_id
    assert init[8:-32] == message + s.seal(body), "message 1"

    er = resp[8:40]
    s.ephemeral(er)
    s.mix_key(dh(ei, er))
    s.mix_key(dh(si, er))
    psk = psk_of(v, public(ei), er)
    assert psk == HX(v["psk"]), "psk"
    s.mix_psk(psk)
    answer = attributes(s.open(resp[40:]))
    assert list(answer) == [19, 21], "assoc-resp"
    keys = [k[:32] for k in noise_hkdf(s.ck, b"", 2)]
    assert keys == [HX(v["key_to_server"]), HX(v["key_to_agent"])], "split"
    return keys, answer[21]


def first_data(dgram, key, index):
    assert dgram[:4] == bytes([3, 1, 0, 0]) and dgram[4:8] == index, "DATA"
    counter = struct.unpack(">Q", dgram[8:16])[0]
    frame = ChaCha20Poly1305(key).decrypt(nonce(counter), dgram[16:], dgram[:16])
    assert frame == struct.pack(">BBHI", 1, 0, 0x13, 1), "keepalive"


def resumption(v):
    resume, resumed = HX(v["resume"]), HX(v["resumed"])
    mac_key = blake(b"sotto init mac v1" + HX(v["server_public"]), 32)
    assert resume[:4] == bytes([6, 1, 0, 0]), "RESUME"
    assert blake(resume[:-32], 16, mac_key) == resume[-32:-16], "mac"
    assert resume[40:44] == struct.pack(">I", 1), "features"
    nonce_a, nonce_s = resume[8:40], resumed[8:40]
    salt = blake(b"sotto resumption v1" + resume[:-32] + nonce_s, 32)
    psk = hmac.new(HX(v["token_secret"]), b"sotto resumption psk v1" +
                   nonce_a + nonce_s, hashlib.sha256).digest()
    okm = hkdf(salt, HX(v["ticket_secret"]) + psk,
               b"sotto resumption keys v1", 96)
    assert resumed[:8] == bytes([7, 1, 0, 0]) + resume[4:8], "RESUMED"
    answer = attributes(ChaCha20Poly1305(okm[:32]).decrypt(
        nonce(0), resumed[40:], resumed[:40]))
    assert list(answer) == [19, 21], "assoc-resp"
    assert okm[32:] == HX(v["key_to_server"] + v["key_to_agent"]), "keys"


def address(text):
    packed = ipaddress.ip_address(text).packed
    return bytes([len(packed)]) + packed


def addresses(party):
    return bytes([len(party["addresses"])]) + b"".join(
        map(address, party["addresses"]))


def routes(party):
    nets = [ipaddress.ip_network(r) for r in party.get("routes", [])]
    return bytes([len(nets)]) + b"".join(
        bytes([n.prefixlen]) + address(n.network_address) for n in nets)


def encoding(v):
    a, b, life = v["a"], v["b"], v["lifetimes"]
    out = b"sotto session v1\x01" + HX(v["realm_key"]) + HX(v["session_id"])
    for p in (a, b):
        out += bytes([len(p["name"])]) + p["name"].encode()
    for key in ("static_public", "ephemeral_public"):
        out += HX(a[key]) + HX(b[key])
    out += struct.pack(">II", a["spi"], b["spi"]) + address(v["destination"])
    out += addresses(a) + addresses(b)
    out += bytes([len(v["offered"])] + v["offered"] + [v["cipher"]])
    out += struct.pack(">IIQQQQ", *(life[k] for k in (
        "soft_s", "hard_s", "soft_packets", "hard_packets", "soft_bytes",
        "hard_bytes")))
    if "mode" in v:
        out += bytes([v["mode"]]) + routes(a) + routes(b)
    return out


def session_keys(v):
    """As B derives them."""
    a, b = v["a"], v["b"]
    enc = encoding(v)
    assert enc == HX(v["encoding"]), "encoding"
    e, s = HX(b["ephemeral_private"]), HX(b["static_private"])
    ikm = (dh(e, HX(a["ephemeral_public"])) + dh(e, HX(a["static_public"])) +
           dh(s, HX(a["ephemeral_public"])))
    okm = hkdf(HX(v["seed"]), ikm, hashlib.sha256(enc).digest(), 72)
    want = v["key_ab"] + v["salt_ab"] + v["key_ba"] + v["salt_ba"]
    assert okm == HX(want), "session keys"


def enrolment_line(v):
    def decode(text):
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    hosts, secrets = v["line"][len("sotto://"):].split("/")
    key, code = map(decode, secrets.split("#"))
    assert hosts == "gw.example:7688,[fd00::1]:7000", "hosts"
    assert key == HX(v["server_key"]) and code[:16] == HX(v["code"]), "line"
    assert code[16:] == blake(key + code[:16], 16)[:2], "check"


def main():
    top = os.environ.get("SOTTO_TOP", ".")
    with open(os.path.join(top, "Documentation/protocol-vectors.json"),
              encoding="ascii") as f:
        vectors = json.load(f)
    (to_server, _), index = handshake(vectors["member_handshake"])
    first_data(HX(vectors["member_first_data"]), to_server, index)
    handshake(vectors["enrolment_handshake"])
    resumption(vectors["resumption"])
    for v in vectors["session_keys"]:
        session_keys(v)
    enrolment_line(vectors["enrolment_line"])


if __name__ == "__main__":
    try:
        main()
    except AssertionError as e:
        print("# differs:", e)
        sys.exit(1)
