#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# The generic netlink interface of sotto.ko, spoken to raw: that wrong requests are
# refused with a reason and change nothing, who may ask, one agent, dumps that survive
# change, reservations that lapse, limits, namespaces that know nothing of each other,
# and that keys stay inside. Started by uapi.sh as root; loads and unloads the module.
import errno
import os
import socket
import sys
import time

import sotto_nl as nl
import uapi_dumps
import uapi_fuzz as fuzz
import uapi_keys
from ktap import Ktap, skip_all
from sotto_nl import H, V, Netns, Refused, Sock, addr, obj
from uapi_env import (DUMMY, as_nobody, host, ip, load_module, module_loaded, sa, send_udp, stats,
                      unload_module)

SPI_LAPSE_S = 30	# kmod/wire.h
NETWORKS = [nl.prefix("10.5.0.0/16"), nl.prefix("fd05::/48")]
TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


def refused(t, name, err, call, *args, **kw):
    """call() is refused with this error and with a reason."""
    try:
        call(*args, **kw)
    except Refused as e:
        return t.result(e.errno == err and bool(e.answer.msg), name, e)
    return t.result(False, name, "was not refused")


def faultless(t, name, n, faults):
    t.result(not faults and n > 0, "%s (%d)" % (name, n) if n else name, *faults[:20])


@test
def family(t):
    with host() as s:
        want = {}
        for name, kinds in H.cmds.items():
            flags = {"do": nl.GENL_CMD_CAP_DO, "dump": nl.GENL_CMD_CAP_DUMP}
            if "event" not in kinds:
                want[V[name]] = nl.GENL_UNS_ADMIN_PERM + sum(flags[k] for k in kinds)
        got = {c: f & (nl.GENL_UNS_ADMIN_PERM | 6) for c, f in s.ops().items()}
        t.equal(got, want, "family: its commands are those of the header, all for CAP_NET_ADMIN")
        t.equal(list(s.groups()), [V["SOTTO_MCGRP_EVENTS"]], "family: its multicast group")


def furnished(s):
    """Something of every kind, so that a change would show."""
    s.do("NS_SET", obj("NS", UP=1))
    for a in ("10.9.0.1", "fd09::1"):
        s.do("ADDR_ADD", nl.pack("SOTTO_A_ADDR", a))
    for prefix, plen, action in (("10.9.0.0", 24, 1), ("fd09::", 64, 1), ("10.8.0.0", 16, 2)):
        s.do("POLICY_ADD", obj("POLICY", PREFIX=prefix, PLEN=plen, ACTION=action))
    s.do("SA_ADD", sa(DIR=0, SPI=300, SESSION=5, PEER_ADDR=["10.9.0.2"]))
    s.do("SA_ADD", sa(DIR=1, SPI=301, SESSION=5, PEER_ADDR=["10.9.0.2"], PEER_NAME="bob"))


@test
def wrong_requests(t):
    with host() as s:
        furnished(s)
        for c in fuzz.COMMANDS:
            faultless(t, "wrong requests: %s" % c.name, *fuzz.fuzz_command(s, c))
        faultless(t, "wrong requests: flags and reserved field", *fuzz.fuzz_headers(s))
        faultless(t, "wrong requests: dumps", *fuzz.fuzz_dumps(s))


@test
def random_bytes(t):
    with host() as s:
        furnished(s)
        faultless(t, "random bytes: every refusal has its reason", *fuzz.fuzz_bytes(s, 40))


@test
def settings(t):
    with host() as s:
        before = s.do("NS_GET")
        t.equal((before["UP"], before["DATA_PORT"], before["AGENT_PORTID"], before["KEYLOG"]),
                (0, V["SOTTO_DEFAULT_DATA_PORT"], 0, 0), "settings: as they are at first")
        s.do("NS_SET", obj("NS", MAX_TUNNELS=5, DATA_PORT=7000, UP=1))
        now = s.do("NS_GET")
        t.equal((now["UP"], now["DATA_PORT"], now["MAX_TUNNELS"]), (1, 7000, 5), "settings: are kept")
        t.equal({k: v for k, v in now.items() if before[k] != v},
                {"UP": 1, "DATA_PORT": 7000, "MAX_TUNNELS": 5}, "settings: the rest stays")
        refused(t, "settings: the port cannot change while up", errno.EBUSY,
                s.do, "NS_SET", obj("NS", DATA_PORT=7001, MAX_TUNNELS=6))
        s.do("NS_SET", obj("NS", UP=0, DATA_PORT=7002))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("0.0.0.0", 7003))
            refused(t, "settings: a port that is taken", errno.EADDRINUSE,
                    s.do, "NS_SET", obj("NS", UP=1, DATA_PORT=7003, MAX_TUNNELS=7))
        now = s.do("NS_GET")
        t.equal((now["UP"], now["DATA_PORT"], now["MAX_TUNNELS"]), (0, 7002, 5),
                "settings: a refusal leaves all of them as they were")
        s.do("POLICY_ADD", obj("POLICY", PREFIX="10.9.0.0", PLEN=24, ACTION=3))
        s.do("NS_SET", obj("NS", UP=1))
        refused(t, "settings: not down while a block policy is in force", errno.EBUSY,
                s.do, "NS_SET", obj("NS", UP=0, MAX_TUNNELS=8))
        t.equal(s.do("NS_GET")["MAX_TUNNELS"], 5, "settings: nor anything else then")
        t.result(unload_module() != 0, "settings: nor is the module unloaded then")
        s.do("POLICY_FLUSH")
        s.do("NS_SET", obj("NS", UP=0))
        t.equal(s.do("NS_GET")["UP"], 0, "settings: down again")


@test
def policies(t):
    with host() as s:
        s.join()
        add = [("10.0.0.0", 8, 1), ("10.1.0.0", 16, 0), ("0.0.0.0", 0, 2), ("10.1.2.3", 32, 3),
               ("fd00::", 8, 1), ("::", 0, 0), ("fd00::1", 128, 3)]
        for p, n, a in add:
            s.do("POLICY_ADD", obj("POLICY", PREFIX=p, PLEN=n, ACTION=a))
        got, _ = s.dump("POLICY_GET")
        order = sorted(add, key=lambda x: (len(addr(x[0])), addr(x[0]), x[1]))
        t.equal([(p["PREFIX"], p["PLEN"], p["ACTION"]) for p in got], order,
                "policy: dumped by family, prefix and length")
        first = dict(TYPE=V["SOTTO_EVENT_POLICY"], DST="10.0.0.0", PLEN=8)
        t.equal(s.event("POLICY"), dict(first, ACTION=1), "policy: a change is told")
        ten = dict(PREFIX="10.0.0.0", PLEN=8)
        refused(t, "policy: a second one for a prefix", errno.EEXIST,
                s.do, "POLICY_ADD", obj("POLICY", ACTION=3, **ten))
        s.do("POLICY_ADD", obj("POLICY", ACTION=3, **ten), nl.NLM_F_REPLACE | nl.NLM_F_CREATE)
        t.equal([p["ACTION"] for p in s.dump("POLICY_GET")[0] if p["PREFIX"] == "10.0.0.0"], [3],
                "policy: replaced when that is asked for")
        s.do("POLICY_DEL", obj("POLICY", **ten))
        refused(t, "policy: deleted once", errno.ENOENT, s.do, "POLICY_DEL", obj("POLICY", **ten))
        s.do("NS_SET", obj("NS", MAX_POLICIES=6))
        refused(t, "policy: no more than max-policies", errno.ENOSPC,
                s.do, "POLICY_ADD", obj("POLICY", ACTION=1, **ten))
        far = dict(PREFIX="10.1.2.3", PLEN=32)
        flags = nl.NLM_F_REPLACE | nl.NLM_F_CREATE
        s.do("POLICY_ADD", obj("POLICY", ACTION=1, GATEWAY="fd00::9", **far), flags)
        got = [p for p in s.dump("POLICY_GET")[0] if p["PREFIX"] == "10.1.2.3"]
        t.equal(got, [dict(far, ACTION=1, GATEWAY="fd00::9")], "policy: with a gateway")
        got = s.do("TRACE", obj("TRACE", DST="10.1.2.3"))
        t.equal((got["ACTION"], got["GATEWAY"]), (1, "fd00::9"), "policy: which a trace tells")
        s.do("POLICY_ADD", obj("POLICY", ACTION=1, **far), flags)
        got = [p for p in s.dump("POLICY_GET")[0] if p["PREFIX"] == "10.1.2.3"]
        t.equal(got, [dict(far, ACTION=1)], "policy: and without again")
        s.do("POLICY_FLUSH")
        t.equal((s.dump("POLICY_GET")[0], s.do("NS_GET")["POLICIES"]), ([], 0), "policy: flushed")
        told = list(iter(lambda: s.event("POLICY", 0.3), None))
        t.result(first in told, "policy: a removal is told, without an action")
        t.equal(told[-1], {"TYPE": V["SOTTO_EVENT_POLICY"]}, "policy: and that all are gone")


@test
def addresses(t):
    with host() as s:
        want = ["10.9.1.%d" % i for i in range(1, 60)] + ["fd09::%x" % i for i in range(1, 6)]
        for a in reversed(want):
            s.do("ADDR_ADD", nl.pack("SOTTO_A_ADDR", a))
        t.equal(sorted(s.dump("ADDR_GET")[0]), sorted(want), "addresses: all are dumped, once each")
        refused(t, "addresses: no more than 64", errno.ENOSPC,
                s.do, "ADDR_ADD", nl.pack("SOTTO_A_ADDR", "10.9.2.1"))
        s.do("ADDR_DEL", nl.pack("SOTTO_A_ADDR", want[7]))
        refused(t, "addresses: deleted once", errno.ENOENT,
                s.do, "ADDR_DEL", nl.pack("SOTTO_A_ADDR", want[7]))
        t.equal(sorted(s.dump("ADDR_GET")[0]), sorted(want[:7] + want[8:]), "addresses: one is deleted")
        both = nl.pack("SOTTO_A_ADDR", "10.9.0.0"), nl.pack("SOTTO_A_ADDR_PLEN", 16)
        s.do("ADDR_ADD", b"".join(both))
        s.send(V["SOTTO_CMD_ADDR_GET"], flags=nl.NLM_F_DUMP)
        got = []
        s.receive(lambda data: got.append(nl.objects(data)))
        t.equal([o for o in got if "ADDR_PLEN" in o], [{"ADDR": "10.9.0.0", "ADDR_PLEN": 16}],
                "addresses: a network")
        s.do("ADDR_DEL", b"".join(both))
        t.equal(sorted(s.dump("ADDR_GET")[0]), sorted(want[:7] + want[8:]),
                "addresses: a network is deleted")


@test
def agent(t):
    with host(DUMMY) as s:
        s.join()
        s.do("NS_SET", obj("NS", UP=1, ACQUIRE_TIMEOUT=60000))
        s.do("ADDR_ADD", nl.pack("SOTTO_A_ADDR", "10.9.0.1"))
        s.do("POLICY_ADD", obj("POLICY", PREFIX="10.9.0.0", PLEN=24, ACTION=1))
        first, second = Sock(), Sock()
        flow = dict(LOCAL="10.9.0.1", LOCAL_PORT=4000, REMOTE="10.9.0.3", REMOTE_PORT=7688)
        first.do("AGENT_REGISTER", obj("AGENT", **flow))
        t.equal(s.do("NS_GET")["AGENT_PORTID"], first.portid, "agent: registered")
        t.equal(s.event("AGENT"), {"TYPE": V["SOTTO_EVENT_AGENT"], "PORTID": first.portid},
                "agent: that is told")
        refused(t, "agent: a second one", errno.EBUSY,
                second.do, "AGENT_REGISTER", obj("AGENT", **flow))
        first.do("AGENT_REGISTER", obj("AGENT"))
        t.equal(s.do("NS_GET")["AGENT_PORTID"], first.portid, "agent: may register again")

        send_udp("10.9.0.7", b"one")
        a = first.acquire()
        t.equal((a and a["DST"], a and a["SRC"], a and a["PROTO"], a and a["ATTEMPT"]),
                ("10.9.0.7", "10.9.0.1", socket.IPPROTO_UDP, 0), "agent: is asked for keys")
        t.equal(second.acquire(0.2), None, "agent: nobody else is")
        t.equal(s.event("ACQUIRE")["DST"], "10.9.0.7", "agent: but everybody is told")

        first.close()
        t.equal(s.event("AGENT"), {"TYPE": V["SOTTO_EVENT_AGENT"], "PORTID": 0},
                "agent: forgotten when its socket closes")
        t.equal(s.do("NS_GET")["AGENT_PORTID"], 0, "agent: there is none then")
        second.do("AGENT_REGISTER", obj("AGENT"))
        again = second.acquire(0.2)	# at once: the kernel's own repeats are a second apart
        t.equal(again and (again["ID"], again["DST"]), (a["ID"], "10.9.0.7"),
                "agent: a new one is asked for what is outstanding")
        answer_acquire(t, s, second, again["ID"])


def answer_acquire(t, s, agent_sock, number):
    fail = dict(DST="10.9.0.7", REASON=V["SOTTO_REASON_DENIED"], HOLD_MS=60000)
    refused(t, "acquire: an answer to no question", errno.ENOENT,
            agent_sock.do, "ACQUIRE_FAIL", obj("ACQUIRE", ID=number ^ 1, **fail))
    t.equal(s.do("TUNNEL_GET", obj("TUNNEL", DST="10.9.0.7"))["QUEUED"], 1,
            "acquire: which changes nothing")
    agent_sock.do("ACQUIRE_FAIL", obj("ACQUIRE", ID=number, **fail))
    tunnel = s.do("TUNNEL_GET", obj("TUNNEL", DST="10.9.0.7"))
    t.equal((tunnel["STATE"], tunnel["REASON"], tunnel["QUEUED"], tunnel["DROPS"]),
            (V["SOTTO_TUNNEL_FAILED"], V["SOTTO_REASON_DENIED"], 0, 1), "acquire: the answer shows")
    t.result(50000 < tunnel["HOLD_MS"] <= 60000, "acquire: and how long it holds", tunnel)
    refused(t, "acquire: it is answered once", errno.ENOENT,
            agent_sock.do, "ACQUIRE_FAIL", obj("ACQUIRE", ID=number, **fail))
    t.equal(s.event("REFUSED")["REASON"], V["SOTTO_REASON_DENIED"], "acquire: the refusal is told")
    t.equal(stats(s, "OUT_DROP_REFUSED"), 1, "acquire: the packet is counted")


@test
def associations(t):
    with host(DUMMY) as s:
        s.join()
        spi = s.do("SPI_ALLOC")["SPI"]
        got = s.do("SA_ADD", sa(DIR=0, SPI=spi, SESSION=7, PEER_ADDR=["10.9.0.2", "fd09::2"],
                                LOCAL_ADDR=["10.9.0.1"], SEQ=1 << 33, CONFIRM_SECONDS=30,
                                SOFT_SECONDS=1000, HARD_SECONDS=2000, SOFT_BYTES=1, HARD_BYTES=2,
                                MODE=1, PEER_PREFIX=NETWORKS, LOCAL_PREFIX=NETWORKS[:1]))
        t.equal(got, {"DIR": 0, "SPI": spi}, "SA: a reserved SPI is used")
        refused(t, "SA: an SPI twice", errno.EEXIST,
                s.do, "SA_ADD", sa(DIR=0, SPI=spi, PEER_ADDR=["10.9.0.2"]))
        got = s.do("SA_ADD", sa(DIR=1, SPI=999, SESSION=7, PEER_ADDR=["10.9.0.2"], PEER_NAME="bob",
                                CIPHER=2, SPORT=5000, DPORT=6000, SEQ=41, PAIR_SPI=spi))
        listed = {x["DIR"]: x for x in s.dump("SA_GET")[0]}
        want_in = dict(DIR=0, SPI=spi, SESSION=7, CIPHER=1, PEER_ADDR=["10.9.0.2", "fd09::2"],
                       LOCAL_ADDR=["10.9.0.1"], SEQ=1 << 33, CONFIRM_SECONDS=30, SOFT_SECONDS=1000,
                       HARD_SECONDS=2000, SOFT_BYTES=1, HARD_BYTES=2, SOFT_PACKETS=0, HARD_PACKETS=0,
                       CONFIRMED=0, PACKETS=0, BYTES=0, REPLAYS=0, AUTH_FAILURES=0, MODE=1,
                       PEER_PREFIX=NETWORKS, LOCAL_PREFIX=NETWORKS[:1])
        want_out = dict(DIR=1, SPI=999, ID=got["ID"], SESSION=7, CIPHER=2, PEER_ADDR=["10.9.0.2"],
                        PEER_NAME="bob", SPORT=5000, DPORT=6000, SEQ=41, PAIR_SPI=spi, SOFT_SECONDS=0,
                        HARD_SECONDS=0, SOFT_BYTES=0, HARD_BYTES=0, SOFT_PACKETS=0, HARD_PACKETS=0,
                        CONFIRMED=1, PACKETS=0, BYTES=0, MODE=0)
        for which, want in ((0, want_in), (1, want_out)):
            age = listed[which].pop("AGE_MS")
            t.equal(listed[which], want, "SA: dumped as installed, %s" % ("outbound" if which else "inbound"))
            t.result(age < 60000, "SA: and its age", age)
        t.equal(s.event("KEYED")["DST"], "10.9.0.2", "SA: that a tunnel has keys is told")
        tunnel = s.do("TUNNEL_GET", obj("TUNNEL", DST="10.9.0.2"))
        t.equal([tunnel[k] for k in ("STATE", "PEER", "SESSION", "SPI_OUT", "CIPHER")],
                [V["SOTTO_TUNNEL_UP"], "bob", 7, 999, 2], "tunnel: shows the SA it uses")
        s.do("SA_DEL", obj("SA", ID=got["ID"], DIR=1))
        t.equal(s.event("SA_DELETED")["SPI"], 999, "SA: a deletion is told")
        refused(t, "SA: deleted once", errno.ENOENT, s.do, "SA_DEL", obj("SA", ID=got["ID"]))
        s.do("SA_DEL", obj("SA", SESSION=7))
        t.equal((s.dump("SA_GET")[0], s.do("NS_GET")["SAS"]), ([], 0), "SA: a session is deleted")
        s.do("SA_ADD", sa(DIR=1, SPI=999, PEER_ADDR=["10.9.0.2"]))
        s.do("TUNNEL_DEL", obj("TUNNEL", DST="10.9.0.2"))
        t.equal(s.dump("TUNNEL_GET")[0], [], "tunnel: deleted")
        s.do("TUNNEL_FLUSH")
        t.equal((s.dump("SA_GET")[0], s.do("NS_GET")["SAS"]), ([], 0), "SA: flushed")


@test
def many_in_one_request(t):
    """They are done in order, up to the first that is refused."""
    def listed(s):
        return sorted((x["DIR"], x["SPI"]) for x in s.dump("SA_GET")[0])

    def request(*sas):
        kind = V["SOTTO_A_SA_MORE"] | nl.NLA_F_NESTED
        return sas[0] + b"".join(x[:2] + kind.to_bytes(2, sys.byteorder) + x[4:] for x in sas[1:])

    def add(spi, direction=0, **more):
        peer = ["10.9.%d.%d" % (1 + spi // 200, 1 + spi % 200)]
        return sa(DIR=direction, SPI=spi, PEER_ADDR=peer, SESSION=spi, **more)

    with host(DUMMY) as s:
        s.send(V["SOTTO_CMD_SA_ADD"],
               request(add(300), add(400, 1), add(301), add(401, 1, CIPHER=2)), nl.NLM_F_ACK)
        said = []
        answer = s.receive(lambda data: said.extend(nl.split(data)))
        t.equal((answer.errno, [kind for kind, _ in said]),
                (0, [V["SOTTO_A_SA"]] + 3 * [V["SOTTO_A_SA_MORE"]]), "many: one answer names all")
        t.equal([nl.decode("sotto_sa_attr", "SOTTO_A_SA_", data)["SPI"] for _, data in said],
                [300, 400, 301, 401], "many: in their order")
        t.equal(listed(s), [(0, 300), (0, 301), (1, 400), (1, 401)], "many: all are installed")

        for what, wrong, err, offset in (
                ("exists", add(300), errno.EEXIST, 0), ("has no key", obj("SA", DIR=0), errno.EINVAL, 0),
                ("has a bad attribute", add(999, SEQ=(1 << 64) - 1), errno.EINVAL, 4)):
            good = add(500)
            data = request(good, add(501), wrong, add(502))
            answer = s.ask("SA_ADD", data)
            at = 20 + len(good) + len(add(501))
            t.result(answer.errno == err and at + offset <= answer.offset < at + len(wrong),
                     "many: one that %s is refused, and found" % what, answer)
            t.equal(listed(s)[2:4], [(0, 500), (0, 501)], "many: those before it are there, what is behind is not")
            s.do("SA_DEL", request(obj("SA", SPI=500), obj("SA", SESSION=501)))
            t.equal(len(listed(s)), 4, "many: several are deleted")

        answer = s.ask("SA_DEL", request(obj("SA", SPI=300), obj("SA", SPI=999), obj("SA", SPI=301)))
        t.equal((answer.errno, answer.msg, listed(s)),
                (errno.ENOENT, "no such SA", [(0, 301), (1, 400), (1, 401)]),
                "many: deleting ends at the first that is not there")

        most = V["SOTTO_SAS_MAX"]
        more = [add(1000 + i) for i in range(most + 1)]
        answer = s.ask("SA_ADD", request(*more))
        t.equal((answer.errno, len(listed(s))), (errno.E2BIG, 3), "many: one too many, and nothing is done")
        t.equal((s.ask("SA_ADD", request(*more[1:])).errno, len(listed(s))), (0, most + 3),
                "many: as many as there may be")
        t.equal(s.ask("SA_DEL", request(*[obj("SA", SPI=1001 + i) for i in range(most)])).errno, 0,
                "many: and they go together")
        for cmd, first in (("SA_ADD", add(600)), ("SA_DEL", obj("SA", SPI=301))):
            answer = s.ask(cmd, request(b"", first))
            t.equal((answer.errno, answer.miss_type, len(listed(s))), (errno.EINVAL, V["SOTTO_A_SA"], 3),
                    "many: %s begins with SA" % cmd)
        t.equal(s.ask("KEYLOG_GET", request(obj("SA", SPI=301), obj("SA", SPI=301))).errno, errno.EINVAL,
                "many: not in other commands")


@test
def keepalives(t):
    """More SAs than are looked at in one go: each has its turn."""
    number = 100	# kmod/wire.h: 64 in one go
    with host(DUMMY) as s:
        s.do("NS_SET", obj("NS", UP=1, KEEPALIVE=0))
        s.do("ADDR_ADD", nl.pack("SOTTO_A_ADDR", "10.9.0.1"))
        for i in range(number):
            peer = ["10.9.0.%d" % (2 + i)]
            s.do("SA_ADD", sa(DIR=0, SPI=1000 + i, PEER_ADDR=peer))
            s.do("SA_ADD", sa(DIR=1, SPI=2000 + i, PEER_ADDR=peer, PAIR_SPI=1000 + i,
                              KEEPALIVE=True))
        time.sleep(1.5)
        s.do("NS_SET", obj("NS", KEEPALIVE=1))	# for which all are due
        deadline = time.monotonic() + 20
        while stats(s, "OUT_KEEPALIVE") < number and time.monotonic() < deadline:
            time.sleep(0.1)
        t.result(stats(s, "OUT_KEEPALIVE") >= number, "keepalives: all SAs have their turn",
                 stats(s, "OUT_KEEPALIVE"))


@test
def traces(t):
    with host(DUMMY) as s:
        index = socket.if_nametoindex("d0")
        ip("route", "add", "224.0.0.0/4", "dev", "d0")

        def verdict(dst, name, what, **more):
            got = s.do("TRACE", obj("TRACE", DST=dst, **more))
            t.equal(got["VERDICT"], V["SOTTO_VERDICT_" + name], "trace: " + what)
            return got
        s.do("POLICY_ADD", obj("POLICY", PREFIX="10.9.0.0", PLEN=24, ACTION=1))
        s.do("POLICY_ADD", obj("POLICY", PREFIX="fd09::", PLEN=64, ACTION=1))
        verdict("10.9.0.7", "PASS_DOWN", "the shim is down")
        s.do("NS_SET", obj("NS", UP=1))
        got = verdict("10.9.0.7", "DROP_SOURCE", "not from an address of ours")
        t.equal((got["SRC"], got["OIF"], got["PREFIX"], got["PLEN"], got["ACTION"]),
                ("10.9.0.1", index, "10.9.0.0", 24, 1), "trace: route and policy")
        s.do("ADDR_ADD", nl.pack("SOTTO_A_ADDR", "10.9.0.1"))
        s.do("ADDR_ADD", nl.pack("SOTTO_A_ADDR", "fd09::1"))
        got = verdict("10.9.0.7", "QUEUE", "would wait for keys")
        t.equal(got["MTU"], 1458, "trace: what fits into 1500 bytes, IPv4")
        verdict("10.9.0.7", "DROP_SOURCE", "from another address", SRC="10.9.0.99")
        got = verdict("fd09::7", "QUEUE", "would wait for keys, IPv6")
        t.equal((got["SRC"], got["MTU"]), ("fd09::1", 1458), "trace: what fits into 1500 bytes, IPv6")
        s.do("NS_SET", obj("NS", MAX_ACQUIRES=1))
        send_udp("10.9.0.8", b"x")
        verdict("10.9.0.7", "DROP_LIMIT", "no more acquires")
        verdict("10.9.0.8", "QUEUE", "but one that is outstanding")
        s.do("SA_ADD", sa(DIR=1, SPI=999, PEER_ADDR=["10.9.0.2"], PEER_NAME="bob"))
        got = verdict("10.9.0.2", "SEAL", "has keys")
        t.equal(got["TUNNEL"]["PEER"], "bob", "trace: its tunnel")
        verdict("10.9.0.1", "PASS_EXEMPT", "to ourselves")
        verdict("224.0.0.5", "PASS_EXEMPT", "multicast")
        verdict("10.9.0.255", "PASS_EXEMPT", "broadcast")
        verdict("ff02::1", "PASS_EXEMPT", "multicast, IPv6", SRC="fd09::1")
        verdict("192.0.2.1", "NO_ROUTE", "no route")
        verdict("2001:db8::1", "NO_ROUTE", "no route, IPv6")
        s.do("POLICY_ADD", obj("POLICY", PREFIX="10.9.0.64", PLEN=26, ACTION=3))
        verdict("10.9.0.65", "DROP_BLOCK", "blocked")
        s.do("POLICY_FLUSH")
        verdict("10.9.0.7", "PASS_BYPASS", "no policy")


@test
def limits(t):
    with host(DUMMY) as s:
        s.do("NS_SET", obj("NS", UP=1, ACQUIRE_TIMEOUT=60000, MAX_SAS=3, MAX_TUNNELS=3,
                           MAX_ACQUIRES=2, MAX_QUEUE_PACKETS=4, MAX_NS_QUEUE_PACKETS=6))
        s.do("ADDR_ADD", nl.pack("SOTTO_A_ADDR", "10.9.0.1"))
        s.do("POLICY_ADD", obj("POLICY", PREFIX="10.9.0.0", PLEN=24, ACTION=1))
        for _ in range(10):
            send_udp("10.9.0.11", b"x")
        t.equal((stats(s, "OUT_QUEUED"), stats(s, "OUT_DROP_TUNNEL_QUEUE")), (4, 6),
                "limits: packets in a tunnel's queue")
        for _ in range(10):
            send_udp("10.9.0.12", b"x")
        t.equal((stats(s, "OUT_QUEUED"), stats(s, "OUT_DROP_NS_QUEUE")), (6, 8),
                "limits: packets in a namespace's queues")
        send_udp("10.9.0.13", b"x")
        t.equal(stats(s, "OUT_DROP_MAX_ACQUIRES"), 1, "limits: acquires")
        s.do("NS_SET", obj("NS", MAX_ACQUIRES=3))
        s.do("SA_ADD", sa(DIR=1, SPI=999, PEER_ADDR=["10.9.0.20"]))
        send_udp("10.9.0.14", b"x")
        t.equal(stats(s, "OUT_DROP_MAX_TUNNELS"), 1, "limits: tunnels")
        s.do("SPI_ALLOC")
        s.do("SPI_ALLOC")
        refused(t, "limits: SAs, by a reservation", errno.ENOSPC, s.do, "SPI_ALLOC")
        refused(t, "limits: SAs, inbound", errno.ENOSPC,
                s.do, "SA_ADD", sa(DIR=0, SPI=400, PEER_ADDR=["10.9.0.2"]))
        refused(t, "limits: SAs, outbound", errno.ENOSPC,
                s.do, "SA_ADD", sa(DIR=1, SPI=400, PEER_ADDR=["10.9.0.2"]))
        t.equal(s.do("NS_GET")["SAS"], 3, "limits: none was added")
        got = s.do("STATS_GET")
        out = sum(v for k, v in got.items() if k.startswith("OUT_DROP_")) + got["OUT_PASSED"] + \
            got["OUT_SEALED"] + got["OUT_QUEUED"]
        t.equal(got["OUT_SEEN"], out, "limits: the counters add up")


@test
def hints(t):
    with host(DUMMY) as s:
        s.do("NS_SET", obj("NS", UP=1, EVENT_RATE=4))
        s.do("POLICY_ADD", obj("POLICY", PREFIX="10.9.0.0", PLEN=24, ACTION=3))
        time.sleep(0.3)
        s.join()
        begin = time.monotonic()
        for _ in range(200):
            send_udp("10.9.0.11", b"x")
        drops = []
        while (e := s.event("DROP", 0.3)) and len(drops) < 200:
            drops.append(e)
        seconds = time.monotonic() - begin
        t.result(0 < len(drops) <= 4 * (seconds + 2), "hints: no more than event-rate",
                 "%d in %.1f s" % (len(drops), seconds))
        t.equal(drops[0]["STAT"], V["SOTTO_STAT_OUT_DROP_BLOCK"], "hints: say why")
        lost = stats(s, "EVENTS_LOST")
        t.equal(lost + len(drops), 200, "hints: the rest is counted")
        s.do("POLICY_ADD", obj("POLICY", PREFIX="10.10.0.0", PLEN=16, ACTION=0))
        told = sum(d.get("LOST", 0) for d in drops) + s.event("POLICY").get("LOST", 0)
        t.equal(told, lost, "hints: and told by the next event, which waits for no token")


@test
def privileges(t):
    with host() as s:
        furnished(s)
        before = fuzz.snapshot(s)

        def ask_all():
            with Sock() as u:
                out = {}
                for c in fuzz.COMMANDS:
                    out[c.name] = u.ask(c.name, c.data(c.right)).errno
                for d in fuzz.DUMPS:
                    out[d] = u.ask(d, b"", nl.NLM_F_DUMP).errno
                out["KEYLOG_GET"] = u.ask("KEYLOG_GET", obj("SA", SPI=300)).errno
                try:
                    u.join()
                    out["join"] = 0
                except OSError as e:
                    out["join"] = e.errno
                return out
        got = as_nobody(ask_all)
        t.equal(got, {k: errno.EPERM for k in got}, "privileges: nothing is for an ordinary user")
        t.equal(fuzz.snapshot(s), before, "privileges: and nothing has changed")

        def in_own_namespace():
            nl.unshare(nl.CLONE_NEWUSER | nl.CLONE_NEWNET)
            with Sock() as u:
                out = [u.ask("NS_SET", obj("NS", EVENT_RATE=50)).errno]
                out.append(u.do("NS_GET")["EVENT_RATE"])
                raised = u.ask("NS_SET", obj("NS", EVENT_RATE=101))
                out += [raised.errno, bool(raised.msg), u.do("NS_GET")["EVENT_RATE"]]
                out.append(len(u.dump("SA_GET")[0]))
                return out
        got = as_nobody(in_own_namespace)
        if isinstance(got, OSError):
            t.skip("privileges: a user's own namespace", "no user namespaces here: %s" % got)
        else:
            t.equal(got, [0, 50, errno.EPERM, True, 50, 0],
                    "privileges: a user's own namespace is his, but not the machine's memory")
        t.equal(fuzz.snapshot(s), before, "privileges: which is not this one")


@test
def namespaces(t):
    first, second = Netns(), Netns()
    with first:
        a = Sock()
    with second:
        b = Sock()
    t.result(a.do("NS_GET")["INSTANCE"] != b.do("NS_GET")["INSTANCE"],
             "namespaces: each is an instance of its own")
    a.join()
    b.join()
    furnished(a)
    a.do("AGENT_REGISTER", obj("AGENT"))
    a_is = fuzz.snapshot(a)
    t.equal([b.dump(d)[0] for d in fuzz.DUMPS], [[]] * 4, "namespaces: one does not see the other")
    t.equal(b.event("POLICY", 0.3), None, "namespaces: nor hear of it")
    b.do("AGENT_REGISTER", obj("AGENT"))
    b.do("SA_ADD", sa(DIR=0, SPI=300, PEER_ADDR=["10.9.0.2"]))
    b.do("NS_SET", obj("NS", UP=1))
    t.equal(b.do("NS_GET")["AGENT_PORTID"], b.portid,
            "namespaces: agent, SPIs and port of one are free in the other")
    b.do("TUNNEL_FLUSH")
    b.do("POLICY_FLUSH")
    t.equal(fuzz.snapshot(a), a_is, "namespaces: flushing one leaves the other")
    a.do("POLICY_FLUSH")
    for s in (a, b):
        s.close()
    for n in (first, second):
        n.close()
    fd = len(os.listdir("/proc/self/fd"))
    t.result(fd < 100, "namespaces: their end is quiet")


@test
def dumps(t):
    uapi_dumps.of_policy(t)
    uapi_dumps.of_tunnels(t)
    uapi_dumps.of_associations(t)


@test
def keys(t):
    uapi_keys.stay_inside(t)


def lapse_begin():
    """Reserve now what is looked at when all else is done."""
    keep = host()
    s = keep.__enter__()
    s.do("SPI_ALLOC")
    used = s.do("SPI_ALLOC")["SPI"]
    s.do("SA_ADD", sa(DIR=0, SPI=used, PEER_ADDR=["10.9.0.2"]))
    return keep, s, used, s.do("NS_GET")["SAS"], time.monotonic()


def lapse_end(t, keep, s, used, counted, begin):
    t.equal(counted, 2, "reserved SPI: counts as an SA")
    time.sleep(max(0, begin + SPI_LAPSE_S + 2 - time.monotonic()))
    fresh = s.do("SPI_ALLOC")["SPI"]
    t.equal(s.do("NS_GET")["SAS"], 2, "reserved SPI: lapses")
    t.equal([x["SPI"] for x in s.dump("SA_GET")[0]], [used], "reserved SPI: but one that was used stays")
    s.do("SA_ADD", sa(DIR=0, SPI=fresh, PEER_ADDR=["10.9.0.2"]))
    t.equal(s.do("NS_GET")["SAS"], 2, "reserved SPI: the SA takes its place")
    spare = s.do("SPI_ALLOC")["SPI"]
    t.equal(s.do("NS_GET")["SAS"], 3, "reserved SPI: and a third")
    s.do("SA_DEL", obj("SA", SPI=spare))
    t.equal(s.do("NS_GET")["SAS"], 2, "reserved SPI: is taken back")
    refused(t, "reserved SPI: once", errno.ENOENT, s.do, "SA_DEL", obj("SA", SPI=spare))
    keep.__exit__(None, None, None)


def main(only):
    if os.geteuid():
        skip_all("only root can run this")
    ours = not module_loaded()
    if ours and load_module():
        skip_all("no module sotto for this kernel")
    t = Ktap()
    chosen = [fn for fn in TESTS if not only or fn.__name__ in only]
    waiting = None if only else lapse_begin()
    for fn in chosen:
        begin = time.monotonic()
        fn(t)
        t.diag("%s took %.1f s" % (fn.__name__, time.monotonic() - begin))
    if waiting:
        lapse_end(t, *waiting)
    if ours:
        t.equal(unload_module(), 0, "the module unloads")
        if not only or "keylog" in only:
            uapi_keys.with_keylog(t)
    t.end()


if __name__ == "__main__":
    main(sys.argv[1:])
