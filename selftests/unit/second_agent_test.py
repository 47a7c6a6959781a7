#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Members that run the second agent, and the real sotto-authd.

They enrol, associate, and have sessions with each other; the server is stopped and killed, its
key rolled over, a member revoked. Before that one says what it should not. $SOTTO_AUTHD is the
server; sotto is beside it. It takes a second, and needs no rights.
"""
import os
import signal
import sys
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from ktap import Ktap, skip_all

try:
    import second_protocol as p
    from second_agent import AGENTS, Agent, run
    from second_protocol import REASON
    from second_realm import Server, agree, made, online, said
except SystemExit:
    skip_all("needs python3-cryptography")

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"
T = Ktap()


# ---- as the page says


def enrolment(server, a, b):
    a.enrol()
    T.result(run(lambda: a.token_secret), "enrol: the code alone is enough", a.got, server.said())
    T.equal((a.name, a.addresses), ("alice", [A, "fd00::1"]), "enrol: name and addresses")
    T.result(a.saw("cookie"), "enrol: a cookie was asked for, and taken", a.got)
    first = a.token_secret
    T.equal(a.asked("register").answer["token-secret"], first,
            "enrol: asked again, the same answer")
    T.equal(said(a.asked("policy-get")), ("error", "unsupported"),
            "enrol: nothing else can be asked there")
    late = Agent(a.line)
    late.enrol()
    run(lambda: late.saw("answer"))
    T.equal(late.got[-1][2].get("reason"), REASON["code-used"],
            "enrol: another key is told that the code is used")
    AGENTS.remove(late)
    b.enrol()
    run(lambda: b.token_secret)
    b.note("bye", {"reason": REASON["closed"]})
    b.ask("keepalive")
    T.result(run(lambda: b.saw("hint", "no-association")), "enrol: a bye ends the association")


def association(server, a, b):
    del a.got[:]
    a.associate()
    b.associate()
    T.result(online(a, b), "associate: hello is answered", a.got, server.said())
    T.result(a.saw("cookie") and a.saw("associated"), "associate: with a cookie", a.got)
    T.equal((a.ack["name"], a.ack["addresses"]), ("alice", [A, "fd00::1"]),
            "associate: hello-ack says who one is")
    T.equal((a.ack["seen-address"], a.ack["seen-port"]), a.sock.getsockname(),
            "associate: and where one is seen")
    policy = {net: 1 for net in (A + "/32", "fd00::1/128", B + "/32")}
    T.result(run(lambda: a.policy == b.policy == policy),
             "associate: the policy comes, and its changes", a.policy, b.policy)
    before, b.holds, since = a.current, True, len(a.got)
    waiting = a.request(B)
    run(lambda: b.current.early)
    a.resume()
    T.result(online(b) and run(lambda: a.current is not before), "resume: hello is answered")
    T.result(a.saw("cookie", since=since) and a.saw("resumed", since=since),
             "resume: with a cookie", a.got[since:])
    T.equal(a.asked("keepalive", assoc=before).answer, {"seen-now": "127.0.0.1"},
            "resume: the association before answers on")
    for message, values in (("session-check", {"destination": A}),
                            ("spi-unknown", {"spi": 1000, "destination": B}),
                            ("session-close", {"reason": REASON["closed"], "session-ids": []})):
        T.result(a.asked(message, values, before).message in ("ack", "session-refusal"),
                 "resume: %s, too" % message)
    for message, values in (("live", {"live": [], "listing": 1}), ("policy-get", {})):
        T.equal(said(a.asked(message, values, before)), ("error", "unsupported"),
                "resume: but not %s, which is the new one's" % message)
    b.holds = False
    b.offers_now()
    T.result(run(lambda: waiting.done) and agree(a, b, waiting),
             "resume: what was asked before is answered after")
    T.equal([e[0] for e in a.got[since:]].count("does not open"), 0, "resume: all of it opens")


def sessions(server, a, b):
    ask = a.requested(B)
    first = ask.answer.get("session-id")
    T.equal(ask.message, "session-grant", "session: granted")
    T.result(agree(a, b, ask), "session: both ends have the same keys")
    T.result("mode" not in ask.answer and "nat" not in ask.answer, "session: in transport mode")
    T.equal(a.asked("session-request", ask.values).answer, ask.answer,
            "session: the same request gets the same grant")
    T.equal(said(a.asked("session-request", {**ask.values, "spi": 1000})),
            ("session-refusal", "bad-request"), "session: a changed one is refused")
    ask = a.requested(B, **{"rekey-of": first})
    T.result(agree(a, b, ask), "rekey: new keys")
    T.equal(b.sessions[ask.answer["session-id"]].values.get("rekey-of"), first,
            "rekey: the offer says of which")
    a.sessions.pop(first)
    T.equal(a.asked("session-close", {"reason": REASON["closed"], "session-ids": [first]}).message,
            "ack", "close: acknowledged")
    T.result(run(lambda: first not in b.sessions), "close: the other end is told")


def refusals(server, a, b):
    for destination, reason in (("10.9.9.9", "not-a-member"), (A, "own-address")):
        T.equal(said(a.requested(destination)), ("session-refusal", reason),
                "refusal: %s" % reason)
        T.equal(said(a.asked("session-check", {"destination": destination})),
                ("session-refusal", reason), "refusal: %s, by session-check" % reason)
    for message, values, reason in (
            ("session-refusal", {"reason": REASON["pin-mismatch"], "hold-ms": 0}, "pin-mismatch"),
            ("session-refusal", {"reason": REASON["denied"], "hold-ms": 0}, "peer-refused"),
            ("error", {"reason": REASON["limit"], "text": ""}, "peer-refused"),
            ("ack", {}, "peer-refused")):
        b.refuse_with = lambda v, message=message, values=values: (message, values)
        T.equal(said(a.requested(B)), ("session-refusal", reason),
                "refusal: %s, for a peer that says %s" % (reason, message))
    b.refuse_with = lambda v: ("session-accept", {"ephemeral": bytes(32), "spi": 300,
                                                  "session-id": v["session-id"]})
    id_ = made(a, B)
    gone = {"reason": REASON["closed"], "session-ids": [id_]}
    T.result(run(lambda: b.saw("request", "session-gone", gone)) and id_ not in a.sessions,
             "refusal: a grant that cannot be taken is closed again", b.got[-1])
    b.refuse_with = None


def lost_keys(server, a, b):
    id_ = made(a, B)
    spi = a.sessions[id_].spi
    a.asked("spi-unknown", {"spi": b.sessions[id_].spi, "destination": B})
    b.asked("keepalive")
    T.result(id_ in a.sessions and id_ in b.sessions,
             "lost keys: an SPI that was the peer's ends nothing")
    a.asked("spi-unknown", {"spi": spi, "destination": B})
    T.result(run(lambda: id_ not in a.sessions and id_ not in b.sessions),
             "lost keys: one's own ends its session at both ends")


def restarts(server, a, b):
    kept = made(a, B)
    gone = made(a, B)
    since = len(a.got)
    T.result(server.end() == 0, "stop: the server ends well", server.said())
    server.start()
    T.result(run(lambda: a.saw("note", "bye", {"reason": REASON["peer-restarted"]}, since=since)),
             "stop: its members are told", a.got[since:])
    T.result(online(a, b), "stop: they are back", server.said())
    T.result(a.saw("resumed", since=since) and not a.saw("associated", since=since),
             "stop: by their tickets", a.got[since:])
    T.result(agree(a, b, b.requested(A, **{"rekey-of": kept})),
             "stop: a session that was listed can be rekeyed")
    T.result(kept in a.sessions and kept in b.sessions and gone in a.sessions, "stop: and stands")
    b.sessions.pop(gone)
    b.instance += 1
    b.associate()
    T.result(run(lambda: gone not in a.sessions), "list: what one end lacks is gone at the other")
    a.probe(answers=0)
    T.result(kept in a.sessions, "list: and nothing else")
    since = len(a.got)
    server.end(signal.SIGKILL)
    server.start()
    a.ask("keepalive")
    b.ask("keepalive")
    T.result(run(lambda: a.saw("hint", "no-association", since=since)),
             "kill: a hint tells that the association is gone")
    T.result(online(a, b) and a.saw("resumed", since=since), "kill: they are back",
             a.got[since:], server.said())
    T.result(agree(a, b, a.requested(B)), "kill: sessions can be had again")


def glare(server, a, c):
    mine, theirs = a.request(C), c.request(A)
    run(lambda: mine.done and theirs.done)
    granted, pending = sorted((mine, theirs), key=lambda ask: ask.message)
    T.result(agree(a, c, granted), "glare: one is granted")
    T.equal((pending.refusal(), pending.answer.get("session-id")),
            ("pending", granted.answer.get("session-id")),
            "glare: the other is pending with its id")


def networks(server, a, b, c):
    nets = ["10.8.0.0/16", "fd08::/64"]
    known = next(i for i, s in a.sessions.items() if s.peer.name == "carol")
    since = len(a.got)
    server.cli("member", "set", "carol", "--route", nets[0], "--route", nets[1])
    T.result(run(lambda: all(a.policy.get(net) == 1 and c.policy.get(net) == 0 for net in nets)),
             "networks: protected for others, passed by for the gateway", a.policy, c.policy)
    told = [e[2] for e in a.got[since:] if e[1] == "policy"]
    T.equal([[(m["policies"][i][0], name) for i, name in m.get("via", [])] for m in told],
            [[(net, "carol") for net in nets]], "networks: the policy says behind whom")
    ask = a.requested("10.8.1.5", **{"rekey-of": known})
    T.result(agree(a, c, ask), "networks: keys agree")
    id_ = ask.answer["session-id"]
    T.equal([s.values.get(side) for s in (a.sessions[id_], c.sessions[id_])
             for side in ("mode", "routes", "own-routes")], [1, nets, None, 1, None, nets],
            "networks: each end is told whose they are")
    server.cli("member", "set", "carol", "--no-routes")
    T.result(run(lambda: id_ not in a.sessions and id_ not in c.sessions),
             "networks: a session ends with them")
    T.result(run(lambda: nets[0] not in a.policy and nets[0] not in c.policy),
             "networks: so does their policy")


def rules(server, a, b, c):
    id_, since = made(a, B), len(b.got)
    other = a.requested(C, **{"rekey-of": id_}).answer.get("session-id")
    server.cli("realm", "rule", "add", "deny", "alice", "bob.example")
    T.result(run(lambda: id_ not in a.sessions and id_ not in b.sessions),
             "rules: sessions that they forbid end")
    T.equal([e[2]["reason"] for e in b.got[since:] if e[1] == "session-gone"][:1],
            [REASON["denied"]], "rules: as denied")
    a.probe(answers=0)
    T.result(other in a.sessions and other in c.sessions, "rules: others stand")
    for ask in a.requested(B), a.asked("session-check", {"destination": B}):
        T.equal(said(ask), ("session-refusal", "denied"), "rules: %s is denied" % ask.what)
    T.result(agree(b, a, b.requested(A)), "rules: the other way is open")
    server.cli("realm", "rule", "del", "1")


def roll_over(server, a, b, c):
    former = a.realm_key
    server.end()
    server.cli("realm", "rekey")
    server.start()
    T.result(run(lambda: former not in (a.realm_key, b.realm_key)) and online(a, b, c),
             "roll-over: the new key comes by the former")
    T.result("realm-key" not in a.ack, "roll-over: and not by itself")
    T.result(agree(a, b, a.requested(B)), "roll-over: sessions are made with it")


def revocation(server, a, b, c):
    kept = [s.id for s in a.sessions.values() if s.peer.name == "carol"]
    server.cli("member", "revoke", "bob.example")
    T.result(run(lambda: b.saw("request", "revoked")), "revoke: the member is told")
    T.result(run(lambda: a.saw("request", "peer-gone")), "revoke: its peers are told")
    T.equal(list(a.sessions), kept, "revoke: its sessions are gone, others stand")
    T.equal(said(b.asked("session-check", {"destination": A})), ("error", "revoked"),
            "revoke: it can ask nothing")
    T.equal(said(a.requested(B)), ("session-refusal", "revoked"),
            "revoke: nobody gets a session with it")
    T.equal(a.probe(p.Resume(*b.ticket, b.token_secret, b.realm_key).datagram + bytes(16)),
            [("hint", "not-known")], "revoke: its ticket is void")
    T.equal(a.probe(b.init().datagram + bytes(16)), [("hint", "revoked")],
            "revoke: its key is refused")


# ---- as it should not be: c's part


def unannounced(server, b, c):
    """An association without its hello."""
    c.greets = False
    c.associate()
    run(lambda: not c.hand)
    c.current = next(reversed(c.associations.values()))
    for message in "session-request", "session-check":
        ask = c.requested(B) if message == "session-request" else \
            c.asked(message, {"destination": B})
        T.equal(said(ask), ("session-refusal", "bad-request"),
                "before hello: %s is a bad request" % message)
    c.greets = True
    c.hello(c.current)
    T.result(online(c) and agree(c, b, c.requested(B)), "before hello: after it, it is granted")


def unknown_things(server, c):
    T.equal(said(c.asked("keepalive", type_=0x7777)), ("error", "unsupported"),
            "unknown: a type is unsupported")
    for name, body, answer in (
            ("attribute 200 is skipped", p.attribute(200, b"x"), "ack"),
            ("one from 128 on without a place is, too", p.attribute(131, b"x"), "ack"),
            ("attribute 100 is malformed", p.attribute(100, b"x"), "bad-request"),
            ("one without a place is", p.attribute(1, b"x"), "bad-request"),
            ("a doubled one is", p.attribute(200, b"") * 2, "bad-request"),
            ("a truncated one is", b"\xc8\0\2x", "bad-request")):
        T.equal(c.asked("keepalive", body=body).refusal(), answer, "unknown: " + name)
    for message, values in (("register", {}), ("ack", {}), ("revoked", {}),
                            ("bye", {"reason": REASON["closed"]})):
        T.equal(said(c.asked(message, values)), ("error", "unsupported"),
                "unknown: %s is not a member's to ask" % message)
    dropped = (p.frame(9, p.TYPES["keepalive"], 900), p.frame(p.ANSWER, 0x7777, 901),
               p.frame(p.NOTE, 0x7777, 0), p.frame(p.ANSWER, p.TYPES["ack"], 902),
               b"\1\7" + p.frame(p.REQUEST, p.TYPES["keepalive"], 903)[2:], b"\1\0\0")
    T.equal(c.probe(*map(c.current.channel.seal, dropped), answers=0), [],
            "unknown: other frames are dropped")
    since = len(c.got)
    c.begin(c.init(features=0xffffffff))
    online(c)
    T.equal([e[1]["features"] for e in c.got[since:] if e[0] == "associated"],
            [p.RESUME_FEATURE], "unknown: bits of features are ignored")


def hints(server, c):
    damaged = bytearray(c.init().datagram)
    damaged[-1] ^= 1
    code = bytes(16)
    for reason, name, datagram in (
            ("version", "another version", c.init(version=2).datagram),
            ("wrong-server-key", "a wrong mac", bytes(damaged)),
            ("not-known", "an unknown key", c.init(static=os.urandom(32)).datagram),
            ("not-known", "an unknown code", p.Init(p.ENROLMENT, c.static, c.realm_key,
                                                    p.code_psk(code), code).datagram),
            ("not-known", "a ticket of nobody", p.Resume(bytes(88), code * 2, code * 2,
                                                         c.realm_key).datagram),
            ("no-association", "an unknown index", p.header(p.DATA, 1) + os.urandom(32))):
        T.equal(c.probe(datagram + bytes(16)), [("hint", reason)],
                "hint: %s, for %s" % (reason, name))
    online(c)   # the last one was believed
    forged = p.header(p.DATA, c.current.channel.theirs) + bytes(7) + b"\xff" + os.urandom(24)
    unformed = [bytes(i == at or x for i, x in enumerate(p.header(p.DATA, 1))) + bytes(60)
                for at in (2, 3)]
    T.equal(c.probe(forged, *unformed, p.header(9, 1) + bytes(60),
                    p.header(p.DATA, 1, version=2) + bytes(60), c.init().datagram[:40], b"\1",
                    answers=0), [],
            "hint: none for what is forged or of no form")


def replays(server, c):
    frame = p.frame(p.REQUEST, p.TYPES["keepalive"], 910)
    once = c.current.channel.seal(frame)
    T.equal(c.probe(once, once), [("answer", "ack")], "replay: a datagram is taken once")
    T.equal(c.probe(c.current.channel.seal(frame)), [("answer", "ack")],
            "replay: a request is answered again")
    greeting = c.hello(c.current)
    run(lambda: greeting.done)
    since = len(c.got)
    c.probe(c.current.channel.seal(p.frame(
        p.REQUEST, greeting.type, int.from_bytes(greeting.entry[3][4:8], "big"), greeting.body)))
    T.result(greeting.entry in c.got[since:], "replay: with what it was answered first")
    init = c.init().datagram + bytes(16)
    answers = c.probe(init, init, answers=2)
    T.equal((len(answers), len(set(answers)), answers[0][0]), (2, 1, "resp"),
            "replay: INIT gets the same RESP")
    c.resume()
    resume = c.hand.datagram + bytes(16)
    online(c)
    T.equal([e[0] for e in c.probe(resume)], ["resp"], "replay: RESUME replaces nothing")
    T.equal([e[0] for e in c.probe(*(c.init().datagram + bytes(16) for _ in range(4)), answers=4)],
            ["resp", "resp", "cookie", "cookie"],
            "replay: the fifth that is half open needs a cookie")
    before = c.current
    c.associate()
    T.result(online(c) and c.current is not before, "replay: with one, the member comes through")


def claims(server, a, b, c):
    id_ = made(a, B)
    theirs = a.sessions[id_]

    def stands(name):
        for agent in (a, b):
            agent.asked("keepalive")
        T.result(id_ in a.sessions and id_ in b.sessions, name)
    hello = c.hello(c.current)
    run(lambda: hello.done)
    body = p.pack("hello", {n: v for n, v in hello.values.items() if p.NUMBERS[n] < 6})
    body += p.attribute(6, p.address(A))
    body += p.pack("hello", {n: v for n, v in hello.values.items() if p.NUMBERS[n] > 6})
    T.equal(c.asked("hello", body=body).refusal(), "bad-request", "claim: hello takes no addresses")
    c.sessions[id_] = theirs
    c.hello(c.current)
    gone = {"reason": REASON["bad-request"], "session-ids": [id_]}
    T.result(run(lambda: id_ not in c.sessions) and c.saw("request", "session-gone", gone),
             "claim: another's session that is listed is gone", c.got)
    stands("claim: for the one who listed it")
    c.asked("session-close", {"reason": REASON["closed"], "session-ids": [id_]})
    stands("claim: nobody closes another's session")
    c.asked("spi-unknown", {"spi": theirs.peer.spi, "destination": A})
    stands("claim: or names its SPI")
    T.result(agree(c, b, c.requested(B, **{"rekey-of": id_})), "claim: its rekey is an own session")
    stands("claim: and not the other's")
    c.local = "192.0.2.9"
    c.hello(c.current)
    online(c)
    T.equal(c.ack["seen-address"], "127.0.0.1", "claim: the server believes its eyes")
    T.equal(c.asked("keepalive").answer, {"seen-now": "127.0.0.1"}, "claim: also later")
    for asker, other, destination in (c, b, B), (a, c, C):
        # rekey-of: or the other's request of just now would be in the way
        ask = asker.requested(destination, **{"rekey-of": id_})
        T.result(agree(asker, other, ask), "claim: keys agree in tunnel mode, %s asks" % asker.name)
        ends = {agent: agent.sessions[ask.answer["session-id"]].values for agent in (asker, other)}
        honest = other if asker is c else asker
        T.equal([ends[c].get(n) for n in ("mode", "nat", "endpoint")], [1, 2, "127.0.0.1"],
                "claim: who lies is behind a NAT, %s asks" % asker.name)
        T.equal([ends[honest].get(n) for n in ("mode", "nat", "endpoint")], [1, 1, None],
                "claim: and the other end knows, %s asks" % asker.name)
    c.local = "127.0.0.1"
    c.hello(c.current)
    online(c)


def moves(server, c):
    former, late = c.sock, c.current.channel.seal(p.frame(p.REQUEST, p.TYPES["keepalive"], 920))
    c.sock = c.new_sock()
    T.equal(c.asked("keepalive").message, "ack",
            "move: the answer goes where the question came from")
    former.sendto(late, c.server)
    T.equal(c.probe(), [("answer", "ack")], "move: not for one with a lower counter")
    former.close()


def joined(server, name, count, network):
    agents = [server.add("%s%d" % (name, i), "%s.%d" % (network, i)) for i in range(count)]
    for agent in agents:
        agent.enrol()
        run(lambda: agent.token_secret)
        agent.associate()
    T.result(online(*agents), "%s: %d are here" % (name, count), server.said())
    return agents


def crowd(server, c):
    """More than one turn of the server's loop tells of a change."""
    agents = joined(server, "crowd", 70, "10.2.0")
    server.cli("realm", "policy", "add", "10.79.0.0/16", "prefer")
    T.result(run(lambda: all(x.policy.get("10.79.0.0/16") == 2 for x in (*agents, c))),
             "crowd: all are told of what is for all")
    server.cli("realm", "group", "add", "crowd", *(agent.name for agent in agents[:65]))
    server.cli("realm", "policy", "add", "10.80.0.0/16", "block", "@crowd")
    T.result(run(lambda: all("10.80.0.0/16" in x.policy for x in agents[:65])),
             "crowd: a group is told of what is for it")
    for agent in agents:
        made(agent, C)
    server.cli("realm", "rule", "add", "deny", "all", c.name)
    T.result(run(lambda: not any(x.sessions for x in agents)), "crowd: all lose what is denied")
    server.cli("realm", "rule", "del", "1")
    # for as long as the others would be told, too
    server.cli("realm", "policy", "add", "10.81.0.0/16", "prefer")
    T.result(run(lambda: all("10.81.0.0/16" in x.policy for x in (*agents, c))) and
             not any("10.80.0.0/16" in x.policy for x in (*agents[65:], c)),
             "crowd: and nobody else")
    AGENTS[:] = [x for x in AGENTS if x not in agents]


def many_ends(server):
    """Of a member with many peers, more at once than a message has room for."""
    hub, *peers = joined(server, "peer", 18, "10.1.0")
    live = {made(peer, hub.addresses[0]) for peer in peers for _ in range(8)}
    T.result(set(hub.sessions) == live, "many: 136 sessions", len(live))

    def looked_at(*words):
        before = server.stat("rechecked")
        server.cli(*words)
        return server.stat("rechecked") - before

    T.equal(looked_at("realm", "rule", "add", "deny", "all", "peer1"), 8,
            "many: a rule for one member concerns its sessions only")
    T.equal(looked_at("realm", "rule", "del", "1"), 8, "many: and so when it goes")
    T.equal(looked_at("realm", "group", "add", "peers", "peer2"), 8, "many: and a new group")
    T.equal(looked_at("realm", "rule", "add", "deny", "all", "@peers"), 8, "many: and its rule")
    T.equal(looked_at("realm", "policy", "add", "10.77.0.0/16", "protect"), 0,
            "many: and a network none")
    T.equal(looked_at("member", "set", "peer3", "--route", "10.78.0.0/16"), 8,
            "many: and a gateway its own")
    T.result(run(lambda: not peers[2].sessions and len(hub.sessions) == 128),
             "many: which end: their networks are others")
    server.cli("member", "set", "peer3", "--no-routes")
    for _ in range(8):
        made(peers[2], hub.addresses[0])
    T.equal(looked_at("realm", "rule", "default", "allow"), 0, "many: what stays as it was, none")
    T.equal(sorted(len(ids) for ids in ended(server, hub, peers)), [8, 128],
            "many: all end when a rule forbids them, told in two messages")
    server.cli("realm", "rule", "del", "1")
    # so many rules that the sessions are looked at in three turns
    server.apply("".join("deny peer3 peer%d\n" % (4 + i % 13) for i in range(1000)))
    for peer in peers:
        for _ in range(8):
            made(peer, hub.addresses[0])
    T.equal(sorted(len(ids) for ids in ended(server, hub, peers)), [8, 64, 64],
            "many: with many rules they are looked at in turns")


def ended(server, hub, peers):
    """What the hub is told of."""
    live, since = set(hub.sessions), len(hub.got)
    server.cli("realm", "rule", "add", "deny", "all", hub.name)
    T.result(run(lambda: not any(agent.sessions for agent in (hub, *peers))), "ended: all")
    gone = [e[2] for e in hub.got[since:] if e[1] == "session-gone"]
    T.equal(sorted(id_ for v in gone for id_ in v["session-ids"]), sorted(live), "ended: each once")
    T.equal({v["reason"] for v in gone}, {REASON["denied"]}, "ended: and why")
    return [v["session-ids"] for v in gone]


def main():
    server = Server()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))   # through finally
    try:
        server.start(cookie_rate=0)
        a, b = server.add("alice", A, "fd00::1"), server.add("bob.example", B)
        enrolment(server, a, b)
        association(server, a, b)
        for part in sessions, refusals, lost_keys, restarts:
            part(server, a, b)
        c = server.add("carol", C)
        c.enrol()
        run(lambda: c.token_secret)
        unannounced(server, b, c)
        T.result(online(c) and run(lambda: C + "/32" in a.policy and
                                   a.policy_version == b.policy_version == c.policy_version),
                 "carol is a member, too, and protected", a.policy, c.policy)
        glare(server, a, c)
        for part in unknown_things, hints, replays, moves:
            part(server, c)
        claims(server, a, b, c)
        networks(server, a, b, c)
        rules(server, a, b, c)
        roll_over(server, a, b, c)
        revocation(server, a, b, c)
        crowd(server, c)
        many_ends(server)
        T.result(server.end() == 0, "the server ends well", server.said())
    except Exception:  # what comes after would be noise
        T.result(False, "the agents live on", traceback.format_exc(), server.said())
    finally:
        server.remove()
    T.end()


if __name__ == "__main__":
    main()
