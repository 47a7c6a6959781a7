# SPDX-License-Identifier: GPL-2.0
"""That keys stay inside, and what the debugging call says where it is permitted."""
import errno
import sys

from sotto_nl import H, NLA_F_NESTED, NLM_F_DUMP, V, NLM_F_ACK, Sock, obj
from uapi_env import host, key, load_module, sa, unload_module

KEY, SALT = key(4711), b"\xde\xad\xbe\xef"
AES, CHACHA = V["SOTTO_CIPHER_AES256_GCM"], V["SOTTO_CIPHER_CHACHA20_POLY1305"]


def install(s, **more):
    fields = dict(DIR=0, SPI=300, KEY=KEY, SALT=SALT, PEER_ADDR=["10.9.0.2"])
    return s.ask("SA_ADD", sa(**{**fields, **more}))


def more(data):
    """The same SA as one that stands behind another."""
    return data[:2] + (V["SOTTO_A_SA_MORE"] | NLA_F_NESTED).to_bytes(2, sys.byteorder) + data[4:]


def all_answers(s):
    """Every byte that the module says of itself."""
    raw = b"".join(s.ask(c).raw for c in ("NS_GET", "STATS_GET", "SPI_ALLOC"))
    for c in ("ADDR_GET", "POLICY_GET", "TUNNEL_GET", "SA_GET"):
        raw += s.ask(c, b"", NLM_F_DUMP).raw
    raw += s.ask("TRACE", obj("TRACE", DST="10.9.0.2")).raw
    return raw + s.ask("TUNNEL_GET", obj("TUNNEL", DST="10.9.0.2")).raw


def echoed(s, data, **wrong):
    """A refused SA_ADD: what the kernel sends back of the request itself."""
    answer = s.ask("SA_ADD", data, **wrong)
    return answer.errno, KEY in answer.raw, SALT in answer.raw


def stay_inside(t):
    with host() as s:
        raw = install(s).raw + install(s, DIR=1, SPI=301).raw
        raw += all_answers(s)
        t.equal((KEY in raw, SALT in raw), (False, False), "keys: no answer has them")
        refused = s.ask("KEYLOG_GET", obj("SA", SPI=300))
        t.result(refused.errno == errno.EPERM and "keylog=1" in (refused.msg or ""),
                 "keys: the debugging call is refused, and says what it needs", refused)
        loud = Sock(cap_ack=False)	# the kernel sends refused requests back
        good = dict(SPI=302, DIR=0, KEY=KEY, SALT=SALT, PEER_ADDR=["10.9.0.2"])
        for what, data, wrong, err in (
                ("that exists", sa(**dict(good, SPI=300)), {}, errno.EEXIST),
                ("that is contradictory", sa(**dict(good, SPORT=1)), {}, errno.EINVAL),
                ("with an unknown attribute", sa(**good) + b"\4\0\x3f\0", {}, errno.EINVAL),
                ("with an unsupported one", sa(**dict(good, CONFIRMED=1)), {}, errno.EINVAL),
                ("with two keys", sa(**dict(good, KEY=[KEY, KEY])), {}, errno.EINVAL),
                ("twice in one message", sa(**good) * 2, {}, errno.EINVAL),
                ("whose second SA exists", sa(**dict(good, SPI=303, KEY=key(1))) + more(sa(**dict(good, SPI=300))),
                 {}, errno.EEXIST),
                ("with a broken end", sa(**good) + b"\xff\xff\0\0", {}, errno.EINVAL),
                ("with a reserved field", sa(**good), dict(reserved=1), errno.EINVAL),
                ("with a flag too many", sa(**good), dict(flags=0x800), errno.EINVAL)):
            t.equal(echoed(loud, data, **wrong), (err, False, False),
                    "keys: wiped from a request " + what)
        # It is the wiping that is seen here: other requests do come back.
        mark = b"a mark that comes back"
        t.result(mark in loud.ask("TUNNEL_DEL", obj("TUNNEL", DST=mark)).raw,
                 "keys: other refused requests come back whole")


def lines(s, **which):
    answer = s.ask("KEYLOG_GET", obj("SA", **which))
    if answer.errno:
        return answer
    return answer.replies[0]["KEYLOG"].split("\n")


def wireshark(family, src, dst, spi):
    return '"%s","%s","%s","0x%08x","AES-GCM with 16 octet ICV [RFC4106]","0x%s","NULL",""' % (
        family, src, dst, spi, (KEY + SALT).hex())


def with_keylog(t):
    if not t.result(load_module("keylog=1") == 0, "keylog: the module loads with keylog=1"):
        return
    with host() as s:
        t.equal(s.do("NS_GET")["KEYLOG"], 1, "keylog: and says so")
        install(s, PEER_ADDR=["10.9.0.2", "fd09::2"], LOCAL_ADDR=["10.9.0.1", "fd09::1", "10.9.0.9"])
        t.equal(lines(s, SPI=300, DIR=0),
                [wireshark("IPv4", "10.9.0.2", "10.9.0.1", 300),
                 wireshark("IPv4", "10.9.0.2", "10.9.0.9", 300),
                 wireshark("IPv6", "fd09::2", "fd09::1", 300)],
                "keylog: a line for each pair of addresses, inbound")
        number = install(s, DIR=1, SPI=301).replies[0]["SA"]["ID"]
        t.equal(lines(s, ID=number), [wireshark("IPv4", "*", "10.9.0.2", 301)],
                "keylog: any address of ours, outbound")
        install(s, SPI=302, CIPHER=CHACHA)
        got = lines(s, SPI=302)
        t.result(len(got) == 1 and got[0].startswith("# scapy 10.9.0.2 > *: ") and
                 (KEY + SALT).hex() in got[0], "keylog: a comment for ChaCha20-Poly1305", got)
        many = ["fd09:ffff:ffff:ffff:ffff:ffff:ffff:ff%02x" % i for i in range(16)]
        install(s, SPI=0xffffffff, PEER_ADDR=many, LOCAL_ADDR=[a.replace("fd09", "fd08") for a in many])
        t.equal(len(lines(s, SPI=0xffffffff)), 256, "keylog: as many lines as there can be")
        t.equal(lines(s, SPI=9999).errno, errno.ENOENT, "keylog: not of an SA that is not there")
        raw = all_answers(s)
        t.equal((KEY in raw, SALT in raw), (False, False), "keylog: no other answer has keys")
    t.equal(unload_module(), 0, "keylog: the module unloads")
