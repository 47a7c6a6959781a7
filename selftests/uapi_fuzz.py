# SPDX-License-Identifier: GPL-2.0
"""
Wrong requests of every kind, made from a right one for each command. Each is to be
refused with the right error and a message, and nothing may have changed after it.
"""
import errno
import random
import struct

from sotto_nl import (H, V, NLA_F_NESTED, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP,
                      NLM_F_EXCL, addr, nest, nla, obj, pack, prefix)

# What changes by itself, or by being looked at.
VOLATILE = {"AGE_MS", "IDLE_MS", "HOLD_MS"}

BAD_HOSTS = ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255",
             "::", "::1", "ff02::1", "::ffff:10.0.0.1"]
BAD_LIMITS = [0, 2 ** 32 - 1]
MALFORMED = {errno.EINVAL, errno.ERANGE}
KEY, SALT = bytes(range(32)), b"salt"
SEQ_MAX = 1 << 60	# kmod/wire.h: nothing is sealed past it


class Command:
    """
    name:     without SOTTO_CMD_
    object:   its nest, or "" where the attribute stands at the top level
    right:    {attribute: value}: a request that is right in form
    required: attributes it cannot do without
    others:   {attribute: value} that it takes as well
    bad:      {attribute: [value]} out of range
    wrong:    [(what, {attribute: value}, errno)]: contradictions
    """

    def __init__(self, name, obj_name, right, required=(), others=None, bad=None, wrong=()):
        self.name, self.object, self.right = name, obj_name, right
        self.required, self.others = required, others or {}
        self.bad, self.wrong = bad or {}, wrong

    def full(self, attr):
        return "SOTTO_A_" + (self.object + "_" if self.object else "") + attr

    def data(self, fields):
        if self.object:
            return obj(self.object, **fields)
        return b"".join(pack(self.full(a), v) for a, v in fields.items())

    def enum(self):
        return "sotto_%s_attr" % self.object.lower() if self.object else "sotto_attr"


SA_IN = dict(DIR=V["SOTTO_SA_IN"], SPI=70000, CIPHER=1, KEY=KEY, SALT=SALT,
             PEER_ADDR=["10.9.0.2", "fd09::2"])
SA_OUT = dict(SA_IN, DIR=V["SOTTO_SA_OUT"])
SA_BAD = {"DIR": [2, 255], "SPI": [0, 1, 255], "CIPHER": [0, 3, 255], "SEQ": [SEQ_MAX, 2 ** 64 - 1],
          "PAIR_SPI": [0, 255], "PEER_ADDR": BAD_HOSTS, "LOCAL_ADDR": BAD_HOSTS}
SA_SELECT_BAD = {"DIR": [2], "SPI": [0, 255]}
MANY = ["10.9.1.%d" % i for i in range(1, 18)]


def sa_wrong():
    for attr, value in (("SPORT", 1), ("DPORT", 1), ("PAIR_SPI", 300), ("CONFIRM", True),
                        ("PROBE", True), ("KEEPALIVE", True), ("ENDPOINT", "10.9.0.9")):
        yield "inbound with " + attr, dict(SA_IN, **{attr: value}), errno.EINVAL
    yield "outbound with CONFIRM_SECONDS", dict(SA_OUT, CONFIRM_SECONDS=1), errno.EINVAL
    yield "CONFIRM without PAIR_SPI", dict(SA_OUT, CONFIRM=True), errno.EINVAL
    yield "PROBE without PAIR_SPI", dict(SA_OUT, PROBE=True), errno.EINVAL
    yield "NAT without PAIR_SPI", dict(SA_OUT, NAT=True), errno.EINVAL
    yield "KEEPALIVE without PAIR_SPI", dict(SA_OUT, KEEPALIVE=True), errno.EINVAL
    yield "ENDPOINT without NAT", dict(SA_OUT, ENDPOINT="10.9.0.9"), errno.EINVAL
    yield "NAT by an SA that is not there", dict(SA_OUT, NAT=True, PAIR_SPI=301), errno.ENOENT
    yield "CONFIRM by an SA that is not there", dict(SA_OUT, CONFIRM=True, PAIR_SPI=301), errno.ENOENT
    for unit in ("SECONDS", "PACKETS", "BYTES"):
        yield ("soft above hard, " + unit,
               dict(SA_IN, **{"SOFT_" + unit: 2, "HARD_" + unit: 1}), errno.EINVAL)
    yield "a peer's address twice", dict(SA_IN, PEER_ADDR=["10.9.0.2"] * 2), errno.EINVAL
    yield "an address of ours twice", dict(SA_IN, LOCAL_ADDR=["10.9.0.1"] * 2), errno.EINVAL
    yield "17 addresses of the peer", dict(SA_IN, PEER_ADDR=MANY), errno.E2BIG
    yield "17 addresses of ours", dict(SA_IN, LOCAL_ADDR=MANY), errno.E2BIG
    for which in ("PEER_PREFIX", "LOCAL_PREFIX"):
        yield which + " in transport mode", dict(SA_IN, **{which: [prefix("10.5.0.0/16")]}), errno.EINVAL
        yield (which + " of an outbound SA", dict(SA_OUT, MODE=1, **{which: [prefix("10.5.0.0/16")]}),
               errno.EINVAL)
        for what, value in (("bits past the length", prefix("10.5.0.1/16")),
                            ("33 bits of IPv4", addr("10.5.0.0") + b"\x21"),
                            ("129 bits of IPv6", addr("fd05::") + b"\x81"),
                            ("no length", addr("10.5.0.0")), ("nothing", b"")):
            yield which + " with " + what, dict(SA_IN, MODE=1, **{which: [value]}), errno.EINVAL
        yield ("65 of " + which, dict(SA_IN, MODE=1, **{which: [prefix("10.5.%d.0/24" % i)
                                                                for i in range(65)]}), errno.E2BIG)
    yield "a name without end", dict(SA_IN, PEER_NAME=b"bob"), errno.EINVAL
    yield "a name too long", dict(SA_IN, PEER_NAME="b" * 64), errno.EINVAL


AGENT = dict(LOCAL="10.9.0.1", LOCAL_PORT=40000, REMOTE="10.9.0.3", REMOTE_PORT=7688)

COMMANDS = [
    Command("NS_GET", "", {}), Command("POLICY_FLUSH", "", {}), Command("TUNNEL_FLUSH", "", {}),
    Command("SPI_ALLOC", "", {}), Command("STATS_GET", "", {}),
    Command("NS_SET", "NS", dict(EVENT_RATE=77),
            others=dict(UP=0, DATA_PORT=7000, **{k: 10 for k in (
                "MAX_TUNNELS", "MAX_SAS", "MAX_POLICIES", "MAX_ACQUIRES", "MAX_QUEUE_PACKETS",
                "MAX_QUEUE_BYTES", "MAX_NS_QUEUE_PACKETS", "MAX_NS_QUEUE_BYTES",
                "ACQUIRE_TIMEOUT", "CONTROL_PORT", "KEEPALIVE")}, GSO=0, GRO=0),
            bad=dict(UP=[2, 255], DATA_PORT=[0], EVENT_RATE=[2 ** 32 - 1], GSO=[2], GRO=[2],
                     CONTROL_PORT=[65536, 2 ** 32 - 1], KEEPALIVE=[3601, 2 ** 32 - 1],
                     ACQUIRE_TIMEOUT=BAD_LIMITS,
                     **{"MAX_" + k: BAD_LIMITS for k in (
                         "TUNNELS", "SAS", "POLICIES", "ACQUIRES", "QUEUE_PACKETS", "QUEUE_BYTES",
                         "NS_QUEUE_PACKETS", "NS_QUEUE_BYTES")})),
    Command("AGENT_REGISTER", "AGENT", AGENT, required=tuple(AGENT),
            bad=dict(LOCAL=BAD_HOSTS, REMOTE=BAD_HOSTS, LOCAL_PORT=[0], REMOTE_PORT=[0]),
            wrong=[("addresses of two families", dict(AGENT, REMOTE="fd09::3"), errno.EINVAL)]),
    Command("ADDR_ADD", "", dict(ADDR="10.9.9.9"), required=("ADDR",), others=dict(ADDR_PLEN=24),
            bad=dict(ADDR=BAD_HOSTS, ADDR_PLEN=[33, 129, 255]),
            wrong=[("an address that is there", dict(ADDR="10.9.0.1"), errno.EEXIST),
                   ("the same with its length", dict(ADDR="10.9.0.1", ADDR_PLEN=32), errno.EEXIST),
                   ("bits past the length", dict(ADDR="10.9.9.9", ADDR_PLEN=24), errno.EINVAL)]),
    Command("ADDR_DEL", "", dict(ADDR="10.9.0.1"), required=("ADDR",), others=dict(ADDR_PLEN=24),
            bad=dict(ADDR=BAD_HOSTS, ADDR_PLEN=[33, 129, 255]),
            wrong=[("an address that is not there", dict(ADDR="10.9.9.9"), errno.ENOENT),
                   ("a network that is not there", dict(ADDR="10.9.0.0", ADDR_PLEN=24), errno.ENOENT)]),
    Command("POLICY_ADD", "POLICY", dict(PREFIX="10.77.0.0", PLEN=16, ACTION=1),
            required=("PREFIX", "PLEN", "ACTION"), others=dict(GATEWAY="10.9.0.9"),
            bad=dict(PLEN=[129, 255], ACTION=[4, 255], GATEWAY=BAD_HOSTS),
            wrong=[("a gateway to bypass",
                    dict(PREFIX="10.77.0.0", PLEN=16, ACTION=0, GATEWAY="10.9.0.9"), errno.EINVAL),
                   ("a gateway to block",
                    dict(PREFIX="10.77.0.0", PLEN=16, ACTION=3, GATEWAY="10.9.0.9"), errno.EINVAL),
                   ("33 bits of IPv4", dict(PREFIX="10.77.0.0", PLEN=33, ACTION=1), errno.EINVAL),
                   ("bits past the length", dict(PREFIX="10.77.0.1", PLEN=16, ACTION=1), errno.EINVAL),
                   ("bits past the length, IPv6",
                    dict(PREFIX="fd77::1", PLEN=64, ACTION=1), errno.EINVAL),
                   ("bits past length 0", dict(PREFIX="0.0.0.1", PLEN=0, ACTION=1), errno.EINVAL),
                   ("a prefix that is there", dict(PREFIX="10.9.0.0", PLEN=24, ACTION=0), errno.EEXIST)]),
    Command("POLICY_DEL", "POLICY", dict(PREFIX="10.9.0.0", PLEN=24), required=("PREFIX", "PLEN"),
            bad=dict(PLEN=[129, 255]),
            wrong=[("33 bits of IPv4", dict(PREFIX="10.9.0.0", PLEN=33), errno.EINVAL),
                   ("bits past the length", dict(PREFIX="10.9.0.1", PLEN=24), errno.EINVAL),
                   ("another length", dict(PREFIX="10.9.0.0", PLEN=25), errno.ENOENT),
                   ("a prefix that is not there", dict(PREFIX="10.78.0.0", PLEN=16), errno.ENOENT)]),
    Command("TUNNEL_GET", "TUNNEL", dict(DST="10.9.0.2"), required=("DST",),
            wrong=[("no such tunnel", dict(DST="10.9.0.99"), errno.ENOENT)]),
    Command("TUNNEL_DEL", "TUNNEL", dict(DST="10.9.0.2"), required=("DST",),
            wrong=[("no such tunnel", dict(DST="10.9.0.99"), errno.ENOENT)]),
    Command("SA_ADD", "SA", SA_IN, required=("DIR", "SPI", "CIPHER", "KEY", "SALT", "PEER_ADDR"),
            others=dict(SESSION=1, PEER_NAME="bob", LOCAL_ADDR=["10.9.0.1"], SPORT=1, DPORT=1, SEQ=1,
                        SOFT_SECONDS=1, HARD_SECONDS=1, SOFT_PACKETS=1, HARD_PACKETS=1, SOFT_BYTES=1,
                        HARD_BYTES=1, PAIR_SPI=300, CONFIRM=True, PROBE=True, CONFIRM_SECONDS=1, MODE=1,
                        PEER_PREFIX=[prefix("10.5.0.0/16")], LOCAL_PREFIX=[prefix("10.6.0.0/16")],
                        NAT=True, KEEPALIVE=True, ENDPOINT="10.9.0.9"),
            bad=SA_BAD, wrong=list(sa_wrong())),
    Command("SA_DEL", "SA", dict(SPI=300), required=("SPI",), others=dict(DIR=0, ID=1, SESSION=1),
            bad=dict(SA_SELECT_BAD, SESSION=[0]),
            wrong=[("no such SPI", dict(SPI=65536), errno.ENOENT),
                   ("no such id", dict(ID=65536), errno.ENOENT),
                   ("no such session", dict(SESSION=65536), errno.ENOENT),
                   ("SPI and id", dict(SPI=300, ID=1), errno.EINVAL),
                   ("SPI and session", dict(SPI=300, SESSION=1), errno.EINVAL),
                   ("a direction of a session", dict(DIR=0, SESSION=1), errno.EINVAL),
                   ("outbound by SPI", dict(DIR=1, SPI=300), errno.EINVAL),
                   ("inbound by id", dict(DIR=0, ID=1), errno.EINVAL)]),
    Command("TRACE", "TRACE", dict(DST="10.9.0.2"), required=("DST",), others=dict(SRC="10.9.0.1"),
            bad=dict(SRC=BAD_HOSTS),
            wrong=[("two families", dict(DST="10.9.0.2", SRC="fd09::1"), errno.EINVAL)]),
    Command("ACQUIRE_FAIL", "ACQUIRE", dict(ID=1, DST="10.9.0.7", REASON=4),
            required=("ID", "DST", "REASON"), others=dict(HOLD_MS=1000),
            bad=dict(ID=[0], REASON=[0, 13, 255]),
            wrong=[("no such acquire", dict(ID=0x70000000, DST="10.9.0.7", REASON=4), errno.ENOENT)]),
]
DUMPS = ["ADDR_GET", "POLICY_GET", "TUNNEL_GET", "SA_GET"]


def samples(name):
    """A payload that is right for an attribute's type."""
    return {"u8": b"\1", "u16": b"\1\0", "u32": b"\1\0\0\0", "u64": bytes(8), "string": b"x\0",
            "flag": b"", "binary": addr("10.9.0.1"), "pad": b"", "nest": b""}[H.types[name]]


def wrong_lengths(kind, payload):
    if kind == "flag":
        return [b"\0"]
    if kind == "string":
        return []
    return [payload[:-1], payload + b"\0", b"", payload * 9]


def requests(c):
    """(what, data, {errno}, the attribute that is missing or None)"""
    fine = c.data(c.right)
    top = V["SOTTO_A_" + c.object] if c.object else None
    attrs = [nla(V[c.full(a)], split_value(c.full(a), v)) for a, v in flat(c.right)]
    for a in c.required:
        rest = {k: v for k, v in c.right.items() if k != a}
        yield "without " + a, c.data(rest), {errno.EINVAL}, V[c.full(a)]
    for a, v in flat({**c.right, **c.others}):
        rest = {k: w for k, w in c.right.items() if k != a}
        payload = split_value(c.full(a), v)
        for bad in wrong_lengths(H.types[c.full(a)], payload):
            yield ("%s of %d bytes" % (a, len(bad)), c.data({**rest, a: bad}), MALFORMED, None)
        if a in c.right and not isinstance(c.right[a], list):
            yield "twice " + a, wrap(c, attrs + [nla(V[c.full(a)], payload)]), {errno.EINVAL}, None
        yield (a + " as a nest", wrap(c, [nla(V[c.full(a)] | NLA_F_NESTED, payload)] +
                                      [pack(c.full(k), w) for k, w in flat(rest)]), MALFORMED, None)
    for a, values in c.bad.items():
        for v in values:
            rest = {**c.right, a: [v] if isinstance(c.right.get(a), list) else v}
            yield "%s = %s" % (a, v), c.data(rest), MALFORMED, None
    for what, fields, err in c.wrong:
        yield what, c.data(fields), {err} if err != errno.EINVAL else MALFORMED, None
    for name, value in H.enums[c.enum()].items():
        if name in H.types and not known(c, name):
            yield ("with " + name, wrap(c, attrs + [nla(value, samples(name))]), MALFORMED, None)
    highest = max(H.enums[c.enum()].values())
    for kind in (0, highest, highest + 1, 63, 64, 0x3fff):
        yield ("with attribute %d" % kind, wrap(c, attrs + [nla(kind, b"abcd")]), {errno.EINVAL}, None)
    yield "a broken attribute's header", wrap(c, attrs + [b"\xff\xff\x01\x00"]), {errno.EINVAL}, None
    yield "an attribute longer than its message", wrap(c, attrs + [b"\x40\x00\x01\x00"]), {errno.EINVAL}, None
    yield "one more object", fine + obj("TRACE" if c.object != "TRACE" else "NS"), {errno.EINVAL}, None
    if c.object:
        yield "nothing", b"", {errno.EINVAL}, top
        yield "the nest without its flag", nla(top, fine[4:]), {errno.EINVAL}, None
        yield "its nest twice", fine + fine, {errno.EINVAL}, None
        yield "bytes in place of the nest", nla(top | NLA_F_NESTED, b"\1\2\3"), MALFORMED, None
        if c.name != "AGENT_REGISTER":	# there it means that nothing is exempt
            yield "an empty nest", nest(top), {errno.EINVAL}, None


def known(c, name):
    prefix = "SOTTO_A_" + (c.object + "_" if c.object else "")
    short = name[len(prefix):]
    return short in c.right or short in c.others


def flat(fields):
    for a, v in fields.items():
        for one in v if isinstance(v, list) else [v]:
            yield a, one


def split_value(name, value):
    data = pack(name, b"" if value is True else value)
    return data[4:struct.unpack_from("=H", data)[0]]


def wrap(c, attrs):
    return nest(V["SOTTO_A_" + c.object], *attrs) if c.object else b"".join(attrs)


def snapshot(s):
    """All that a namespace holds, but for what ages."""
    state = {"NS": s.do("NS_GET"), "STATS": s.do("STATS_GET")}
    for d in DUMPS:
        found, _ = s.dump(d)
        state[d] = [{k: v for k, v in o.items() if k not in VOLATILE} if isinstance(o, dict) else o
                    for o in found]
    return state


def check(s, c, before, what, answer, errnos, missing):
    """What is wrong with this refusal: a list of words, empty if nothing."""
    faults = []
    if answer.errno not in errnos:
        faults.append("error %s, wanted %s" % (errno.errorcode.get(answer.errno, answer.errno),
                                               [errno.errorcode[e] for e in errnos]))
    if not answer.msg:
        faults.append("no message")
    if missing is not None and answer.miss_type != missing:
        faults.append("attribute %s said to be missing, not %s" % (answer.miss_type, missing))
    if snapshot(s) != before:
        faults.append("something changed")
    return ["%s, %s: %s (%r)" % (c.name, what, f, answer) for f in faults]


def fuzz_command(s, c):
    """Every wrong request of one command. Returns (how many, faults)."""
    before, faults, n = snapshot(s), [], 0
    for what, data, errnos, missing in requests(c):
        n += 1
        faults += check(s, c, before, what, s.ask(c.name, data), errnos, missing)
    return n, faults


def fuzz_headers(s):
    """Flags and fields of the headers."""
    before, faults, n = snapshot(s), [], 0
    for c in COMMANDS:
        tries = [("reserved field", dict(reserved=1)), ("NLM_F_APPEND", dict(flags=NLM_F_APPEND))]
        if c.name != "POLICY_ADD":
            tries += [("NLM_F_CREATE", dict(flags=NLM_F_CREATE)), ("NLM_F_EXCL", dict(flags=NLM_F_EXCL))]
        for what, wrong in tries:
            n += 1
            answer = s.ask(c.name, c.data(c.right), **wrong)
            faults += check(s, c, before, what, answer, {errno.EINVAL}, None)
    return n, faults


def fuzz_dumps(s):
    """Dumps take nothing; what is no dump and what is none at all."""
    before, faults, n = snapshot(s), [], 0
    for name in DUMPS:
        c = Command(name, "", {})
        for what, data, wrong in (("attributes", obj("TUNNEL", DST="10.9.0.2"), {}),
                                  ("an unknown attribute", nla(63, b""), {}),
                                  ("reserved field", b"", dict(reserved=1)),
                                  ("NLM_F_APPEND", b"", dict(flags=NLM_F_APPEND))):
            n += 1
            wrong = dict(wrong, flags=NLM_F_DUMP | wrong.get("flags", 0))
            faults += check(s, c, before, "dump with " + what, s.ask(name, data, **wrong),
                            {errno.EINVAL}, None)
    for name in ("ADDR_GET", "POLICY_GET", "SA_GET"):
        faults += no_such(s, name, 0)
    for c in COMMANDS:
        if c.name not in DUMPS:
            faults += no_such(s, c.name, NLM_F_DUMP)
    for name in ("UNSPEC", "ACQUIRE", "EVENT"):
        faults += no_such(s, name, 0)
    if snapshot(s) != before:
        faults.append("something changed")
    return n, faults


def no_such(s, name, flags):
    """Refused by generic netlink itself, which has no words for it."""
    answer = s.ask(name, b"", flags)
    return [] if answer.errno == errno.EOPNOTSUPP else ["%s, flags %#x: %r" % (name, flags, answer)]


def fuzz_bytes(s, rounds, seed=1):
    """
    Right requests with bytes of chance in them. Some stay right and do something, so
    here only refusals are held to their promise; the kernel must survive all.
    """
    chance, faults, n = random.Random(seed), [], 0
    for _ in range(rounds):
        for c in COMMANDS:
            data = bytearray(c.data({**c.right, **c.others}))
            if not data:
                continue
            for _ in range(chance.randint(1, 4)):
                data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7f, 0xff, chance.randrange(256)))
            if chance.random() < 0.3:
                del data[chance.randrange(len(data)):]
            n += 1
            s.send(V["SOTTO_CMD_" + c.name], bytes(data), NLM_F_ACK)
            answer = s.receive(lambda d: None)
            if answer.errno and not answer.msg:
                faults.append("%s without a message: %r %s" % (c.name, answer, data.hex()))
    return n, faults
