# SPDX-License-Identifier: GPL-2.0
"""Documentation/protocol.md once more: its cryptography, datagrams and messages.

Written from the page alone, on other libraries. second_implementation.py holds it against
the vectors, second_agent.py speaks it to a server.
"""
import base64
import copy
import hashlib
import hmac
import ipaddress
import os
import struct
import sys

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.x25519 import (
        X25519PrivateKey, X25519PublicKey)
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    from cryptography.hazmat.primitives.serialization import (
        Encoding, PublicFormat)
except ImportError:
    sys.exit(4)

# --- Section 1: primitives ---


def public(private):
    return X25519PrivateKey.from_private_bytes(private).public_key(
        ).public_bytes(Encoding.Raw, PublicFormat.Raw)


def dh(private, pub):
    """ValueError if the result is all zeros."""
    return X25519PrivateKey.from_private_bytes(private).exchange(
        X25519PublicKey.from_public_bytes(pub))


def blake(data, size=64, key=b""):
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


def hmac_sha256(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def hkdf(salt, ikm, info, length):
    """RFC 5869 with SHA-256."""
    prk = hmac_sha256(salt, ikm)
    block, out, i = b"", b"", 1
    while len(out) < length:
        block = hmac_sha256(prk, block + info + bytes([i]))
        out, i = out + block, i + 1
    return out[:length]


def nonce(n):
    return bytes(4) + struct.pack("<Q", n)


# --- Section 3: Noise ---


def noise_hkdf(ck, ikm, n):
    temp = hmac.new(ck, ikm, hashlib.blake2b).digest()
    out, block = [], b""
    for i in range(n):
        block = hmac.new(temp, block + bytes([i + 1]), hashlib.blake2b).digest()
        out.append(block)
    return out


class Noise:
    """Noise's SymmetricState for IKpsk2."""

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

    def split(self):
        """The keys of DATA to the server and to the agent."""
        return [k[:32] for k in noise_hkdf(self.ck, b"", 2)]


# --- Sections 2, 3 and 3a: datagrams and handshakes, as the agent ---

INIT, RESP, DATA, COOKIE, HINT, RESUME, RESUMED = range(1, 8)
MEMBER, ENROLMENT = 1, 2
HINTS = dict(enumerate(("wrong-server-key", "version", "not-known", "no-association", "busy",
                        "revoked"), 1))
RESUME_FEATURE = 1


def header(kind, index, third=0, version=1):
    return struct.pack(">BBBBI", kind, version, third, 0, index)


def mac(realm_key, data):
    return blake(data, 16, blake(b"sotto init mac v1" + realm_key, 32))


def echo_of(datagram):
    """What a COOKIE or HINT repeats of it."""
    at = 16 if datagram[0] == DATA else 8
    return datagram[at:at + 16]


def random_index():
    return int.from_bytes(os.urandom(4), "big")


def member_psk(token_secret):
    return lambda ei, er: hmac_sha256(token_secret, b"sotto association psk v1" + ei + er)


def code_id(code):
    return hkdf(b"sotto enrolment v1", code, b"id", 16)


def code_psk(code):
    return lambda ei, er: hkdf(b"sotto enrolment v1", code, b"psk", 32)


class Init:
    """INIT without its cookie, and what RESP needs. psk: of both public ephemerals."""

    def __init__(self, kind, static, realm_key, psk, code=None, features=RESUME_FEATURE,
                 version=1, index=None, ephemeral=None):
        self.index = random_index() if index is None else index
        self.static, self.psk, self.e = static, psk, ephemeral or os.urandom(32)
        start = header(INIT, self.index, kind, version)
        values = {"features": features}
        if code:
            values["code-id"] = code_id(code)
        s = self.noise = Noise(b"sotto association v1" + start, realm_key)
        s.ephemeral(public(self.e))
        s.mix_key(dh(self.e, realm_key))
        message = public(self.e) + s.seal(public(static))
        s.mix_key(dh(static, realm_key))
        message = start + message + s.seal(pack("assoc-init", values))
        self.datagram = message + mac(realm_key, message)

    def finish(self, resp):
        """assoc-resp and both keys; InvalidTag, and it can be tried again with another RESP."""
        s, er = copy.copy(self.noise), resp[8:40]
        s.ephemeral(er)
        s.mix_key(dh(self.e, er))
        s.mix_key(dh(self.static, er))
        s.mix_psk(self.psk(public(self.e), er))
        return (unpack("assoc-resp", s.open(resp[40:])), *s.split())


class Resume:
    """RESUME without its cookie, and what RESUMED needs."""

    def __init__(self, ticket, ticket_secret, token_secret, realm_key, features=RESUME_FEATURE,
                 index=None, own_nonce=None):
        self.index = random_index() if index is None else index
        self.nonce = own_nonce or os.urandom(32)
        self.start = header(RESUME, self.index) + self.nonce + struct.pack(">I", features) + ticket
        self.datagram = self.start + mac(realm_key, self.start)
        self.ticket_secret, self.token_secret = ticket_secret, token_secret

    def finish(self, resumed):
        theirs = resumed[8:40]
        salt = blake(b"sotto resumption v1" + self.start + theirs, 32)
        psk = hmac_sha256(self.token_secret, b"sotto resumption psk v1" + self.nonce + theirs)
        okm = hkdf(salt, self.ticket_secret + psk, b"sotto resumption keys v1", 96)
        plain = ChaCha20Poly1305(okm[:32]).decrypt(nonce(0), resumed[40:], resumed[:40])
        return unpack("assoc-resp", plain), okm[32:64], okm[64:]


# --- Section 4: the sealed channel ---

REQUEST, ANSWER, NOTE = 1, 2, 3


def frame(kind, type_, number, body=b""):
    return struct.pack(">BBHI", kind, 0, type_, number) + body


class Channel:
    WINDOW = 448

    def __init__(self, mine, theirs, tx, rx):
        self.mine, self.theirs = mine, theirs
        self.tx, self.rx = ChaCha20Poly1305(tx), ChaCha20Poly1305(rx)
        self.counter, self.highest, self.seen = 0, -1, set()

    def seal(self, plain):
        head = header(DATA, self.theirs) + struct.pack(">Q", self.counter)
        self.counter += 1
        return head + self.tx.encrypt(nonce(self.counter - 1), plain, head)

    def open(self, datagram):
        """The frame, or None of a replay; InvalidTag."""
        counter = struct.unpack(">Q", datagram[8:16])[0]
        if counter in self.seen or counter <= self.highest - self.WINDOW:
            return None
        plain = self.rx.decrypt(nonce(counter), datagram[16:], datagram[:16])
        self.highest = max(self.highest, counter)
        self.seen = {c for c in self.seen | {counter} if c > self.highest - self.WINDOW}
        return plain


# --- Section 5: attributes. Of each form what makes the bytes, and what reads them ---


class Malformed(Exception):
    pass


def need(right, what):
    if not right:
        raise Malformed(what)


def attribute(number, value):
    return struct.pack(">BH", number, len(value)) + value


def attributes(body):
    out = {}
    while body:
        number, length = struct.unpack(">BH", body[:3])
        out[number] = body[3:3 + length]
        body = body[3 + length:]
    return out


def address(text):
    packed = ipaddress.ip_address(text).packed
    return bytes([len(packed)]) + packed


def network(text):
    net = ipaddress.ip_network(text)
    return bytes([net.prefixlen]) + address(net.network_address)


def get_address(b):
    need(b and b[0] in (4, 16) and len(b) > b[0], "address")
    return str(ipaddress.ip_address(b[1:1 + b[0]])), b[1 + b[0]:]


def get_network(b):
    text, rest = get_address(b[1:])
    return str(ipaddress.ip_network((text, b[0]))), rest    # ValueError: bits past the prefix


def get_policy(b):
    net, rest = get_network(b[1:])
    need(b[0] in (0, 1, 2, 3, 255), "action")
    return (net, b[0]), rest


def get_via(b):
    end = 2 + b[1]
    return (b[0], name_form[1](b[2:end])), b[end:]


def get_live(b):
    return struct.unpack(">QI32s", b[:44]), b[44:]


def get_id(b):
    return struct.unpack(">Q", b[:8])[0], b[8:]


def number_form(form, least=0, most=None):
    def get(b):
        value = struct.unpack(form, b)[0]
        need(least <= value <= (value if most is None else most), "value")
        return value
    return (lambda v: struct.pack(form, v)), get


def list_form(put_one, get_one, least, most):
    def get(b):
        out = []
        while b:
            one, b = get_one(b)
            out.append(one)
        need(least <= len(out) <= most, "count")
        return out
    return (lambda v: b"".join(map(put_one, v))), get


def bytes_form(least, most=None):
    def get(b):
        need(least <= len(b) <= (most or least), "length")
        return b
    return bytes, get


def text_form(most, is_name=False):
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"

    def get(b):
        need(len(b) <= most and not any(c < 32 or c == 127 for c in b), "text")
        text = b.decode()
        need(not is_name or (text and text[0] in letters and set(text) <= set(letters + "-.")),
             "name")
        return text
    return str.encode, get


def get_lifetimes(b):
    life = struct.unpack(">IIQQQQ", b)
    need(life[1] and all(not h or s <= h for s, h in zip(life[::2], life[1::2])), "lifetimes")
    return life


name_form = text_form(63, True)
u8, u16, u32, u64 = map(number_form, (">B", ">H", ">I", ">Q"))
u64_set = number_form(">Q", 1)
one_address = address, lambda b: list_form(address, get_address, 1, 1)[1](b)[0]
address_list = list_form(address, get_address, 0, 16)
network_list = list_form(network, get_network, 1, 8)

ATTRIBUTES = {
    1: ("name", name_form), 2: ("static-key", bytes_form(32)), 3: ("ephemeral", bytes_form(32)),
    4: ("spi", number_form(">I", 256)), 5: ("data-port", number_form(">H", 1)),
    6: ("addresses", address_list), 7: ("own-addresses", address_list),
    8: ("destination", one_address), 9: ("ciphers", bytes_form(1, 4)),
    10: ("cipher", number_form(">B", 1)), 11: ("seed", bytes_form(32)),
    12: ("lifetimes", (lambda v: struct.pack(">IIQQQQ", *v), get_lifetimes)),
    13: ("session-id", u64_set), 14: ("request-id", u64_set), 15: ("rekey-of", u64_set),
    16: ("reason", u16), 17: ("hold-ms", u32), 18: ("text", text_form(159)),
    19: ("features", u32), 20: ("code-id", bytes_form(16)), 21: ("index", u32),
    22: ("instance", u64), 23: ("live-count", u32),
    24: ("policy-version", u64),
    25: ("seen-address", one_address), 26: ("seen-port", u16), 27: ("keepalive-s", u32),
    28: ("rekey-s", u32),
    29: ("live", list_form(lambda v: struct.pack(">QI32s", *v), get_live, 0, 26)),
    30: ("token-secret", bytes_form(32)),
    31: ("session-ids", list_form(lambda v: struct.pack(">Q", v), get_id, 0, 128)),
    32: ("policy-base", u64_set), 33: ("part", u16), 34: ("parts", u16),
    35: ("policies", list_form(lambda v: bytes([v[1]]) + network(v[0]), get_policy, 0, 52)),
    36: ("listing", u64_set), 37: ("mode", number_form(">B", 1, 1)), 38: ("routes", network_list),
    39: ("own-routes", network_list), 40: ("nat", number_form(">B", 1, 3)),
    41: ("endpoint", one_address), 129: ("software", text_form(63)),
    130: ("via", list_form(lambda v: bytes([v[0], len(v[1])]) + v[1].encode(), get_via, 1, 2)),
    131: ("ticket", bytes_form(32, 160)), 132: ("ticket-secret", bytes_form(32)),
    133: ("first-use", u8), 134: ("server-loss-s", u32), 135: ("realm-key", bytes_form(32)),
    136: ("local-address", one_address), 137: ("seen-now", one_address), 138: ("twin", one_address),
}
NUMBERS = {name: number for number, (name, _) in ATTRIBUTES.items()}

# --- Section 6: messages ---

ENDS = (" static-key ephemeral spi data-port addresses own-addresses cipher seed lifetimes "
        "session-id mode? routes? own-routes? nat? endpoint?")
MESSAGES = {
    0x01: ("assoc-init", "features code-id?"),
    0x02: ("assoc-resp", "features index"),
    0x08: ("ack", "seen-now?"),
    0x09: ("error", "reason text"),
    0x10: ("hello", "data-port ciphers instance live-count policy-version listing software? "
           "local-address?"),
    0x11: ("hello-ack", "name addresses policy-version seen-address seen-port keepalive-s rekey-s "
           "software? ticket? ticket-secret? first-use? server-loss-s? realm-key? twin?"),
    0x12: ("live", "live listing"),
    0x13: ("keepalive", ""),
    0x14: ("bye", "reason"),
    0x20: ("register", "software?"),
    0x21: ("registered", "name addresses token-secret"),
    0x30: ("session-request", "ephemeral spi destination ciphers request-id rekey-of?"),
    0x31: ("session-offer", "name destination ciphers rekey-of?" + ENDS),
    0x32: ("session-accept", "ephemeral spi session-id"),
    0x33: ("session-grant", "name request-id" + ENDS),
    0x34: ("session-refusal", "session-id? reason hold-ms"),
    0x35: ("session-close", "reason session-ids"),
    0x36: ("session-gone", "reason session-ids"),
    0x37: ("spi-unknown", "spi destination"),
    0x38: ("session-check", "destination"),
    0x40: ("policy", "policy-version policy-base? part parts policies via?"),
    0x41: ("policy-get", ""),
    0x50: ("peer-gone", "name static-key reason"),
    0x51: ("revoked", ""),
}
TYPES = {name: number for number, (name, _) in MESSAGES.items()}
REASONS = dict(enumerate((
    "not-a-member", "denied", "peer-offline", "peer-refused", "pending", "limit",
    "no-common-cipher", "own-address", "bad-request", "revoked", "peer-restarted", "closed",
    "expired", "pin-mismatch", "internal", "code-expired", "code-used", "storage", "unsupported",
    "key-in-use", "twin", "readdressed"), 1))
REASON = {name: number for number, name in REASONS.items()}


def pack(message, values):
    """{name: value} as the attributes of a message."""
    need(set(values) <= set(MESSAGES[TYPES[message]][1].replace("?", "").split()), message)
    return b"".join(attribute(n, ATTRIBUTES[n][1][0](values[ATTRIBUTES[n][0]]))
                    for n in sorted(NUMBERS[name] for name in values))


def unpack(message, body):
    """The attributes of a message as {name: value}; Malformed."""
    wanted = MESSAGES[TYPES[message]][1].split()
    known = {NUMBERS[name.rstrip("?")] for name in wanted}
    out, last = {}, 0
    while body:
        need(len(body) >= 3, "form")
        number, length = struct.unpack(">BH", body[:3])
        value, body = body[3:3 + length], body[3 + length:]
        need(len(value) == length and number > last, "order or length")
        need(number in known or number >= 128, "attribute %d in %s" % (number, message))
        last = number
        if number in known:
            name, (_, get) = ATTRIBUTES[number]
            try:
                out[name] = get(value)
            except (struct.error, ValueError, IndexError) as e:
                raise Malformed(name) from e
    for name in wanted:
        need(name.endswith("?") or name in out, "%s without %s" % (message, name))
    return out


# --- Section 7: the enrolment line ---


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def read_line(line):
    """([(host, port)], realm key, code)"""
    need(line.startswith("sotto://"), "line")
    hosts, secrets = line[len("sotto://"):].split("/")
    key, code = map(unb64, secrets.split("#"))
    need(len(key) == 32 and len(code) == 18, "line")
    need(code[16:] == blake(key + code[:16], 16)[:2], "check")
    servers = []
    for host in hosts.split(","):
        name, colon, port = host.rpartition(":")
        if not colon or host.endswith("]"):
            name, port = host, 7688
        servers.append((name.strip("[]"), int(port)))
    return servers, key, code[:16]


# --- Section 10: session keys ---


class End:
    """What goes into a session's keys of A or B."""

    def __init__(self, name, static, ephemeral, spi, addresses, routes):
        self.name, self.static, self.ephemeral, self.spi = name, static, ephemeral, spi
        self.addresses, self.routes = addresses, routes


def counted(put_one, values):
    return bytes([len(values)]) + b"".join(map(put_one, values))


def session_encoding(realm_key, a, b, common, destination, ciphers):
    """a, b: End. common: what an offer and its grant have alike."""
    out = b"sotto session v1\x01" + realm_key + struct.pack(">Q", common["session-id"])
    for end in (a, b):
        out += bytes([len(end.name)]) + end.name.encode()
    out += a.static + b.static + a.ephemeral + b.ephemeral
    out += struct.pack(">II", a.spi, b.spi) + address(destination)
    out += counted(address, a.addresses) + counted(address, b.addresses)
    out += bytes([len(ciphers)]) + ciphers + bytes([common["cipher"]])
    out += struct.pack(">IIQQQQ", *common["lifetimes"])
    if "mode" in common:
        out += bytes([common["mode"]]) + counted(network, a.routes) + counted(network, b.routes)
    return out


def session_keys(seed, ikm, encoding):
    """key A->B, salt A->B, key B->A, salt B->A in one."""
    return hkdf(seed, ikm, hashlib.sha256(encoding).digest(), 72)
