# SPDX-License-Identifier: GPL-2.0
"""A second agent, written from Documentation/protocol.md alone.

It has no kernel: what an agent would install there it keeps in a table. Any number of them
live in one process; second_agent_test.py has them speak to a server.
"""
import os
import random
import select
import socket
import struct
import time

import second_protocol as p
from second_protocol import REASON

AGENTS = []
CIPHERS = bytes([1, 2])
REPEATS = (0.5, 0.5, 0.5, 0.5, 1, 2)


def run(until, seconds=5):
    """All agents live on until something is so."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            return False
        ready = select.select([a.sock for a in AGENTS], [], [], 0.02)[0]
        for a in AGENTS:
            if a.sock in ready:
                a.receive()
            a.tick(time.monotonic())
    return True


def random_id():
    return int.from_bytes(os.urandom(8), "big") | 1


class Ask:
    """A request of ours, until it is answered: message is None if it never is."""

    def __init__(self, message, values, type_=None, body=None, **keep):
        self.type = type_ or p.TYPES[message]
        self.body = p.pack(message, values) if body is None else body
        self.what, self.values, self.keep = message, values, keep
        self.done, self.message, self.answer, self.entry = False, None, {}, None
        self.deadline = time.monotonic() + 10

    def refusal(self):
        return p.REASONS.get(self.answer.get("reason"), self.message)


class Association:
    def __init__(self, channel):
        self.channel, self.next_id, self.asks, self.answers = channel, 1, {}, {}
        self.early = []     # offers before its hello-ack

    def ask(self, agent, ask):
        ask.repeat = time.monotonic() + 0.3
        while any(not (number ^ self.next_id) & 255 for number in self.asks):
            self.next_id += 1
        self.asks[self.next_id] = ask
        self.next_id += 1
        self.send(agent, self.next_id - 1, ask)

    def send(self, agent, number, ask):
        agent.send(self.channel.seal(p.frame(p.REQUEST, ask.type, number, ask.body)))

    def tick(self, agent, now):
        for number, ask in list(self.asks.items()):
            if now > ask.deadline:
                self.asks.pop(number).done = True
            elif now > ask.repeat:
                ask.repeat = now + 0.6
                self.send(agent, number, ask)


class Session:
    pass


class Agent:
    def __init__(self, line):
        self.line, (servers, self.realm_key, self.code) = line, p.read_line(line)
        self.server, self.local = servers[0], "127.0.0.1"
        self.static, self.instance = os.urandom(32), random_id()
        self.sock = self.new_sock()
        self.token_secret = self.ticket = self.name = self.ack = None
        self.addresses, self.sessions, self.accepts = [], {}, {}
        self.policy, self.policy_version, self.parts = {}, 0, {}
        self.current = self.hand = None
        self.associations = {}
        self.got, self.echoes = [], set()   # what came, and what may come back of what we sent
        self.refuse_with, self.holds, self.greets = None, False, True
        AGENTS.append(self)

    def new_sock(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((self.local, 0))
        return sock

    def send(self, datagram):
        self.echoes.add(p.echo_of(datagram))
        self.sock.sendto(datagram, self.server)

    def tick(self, now):
        if self.hand and now > self.hand_repeat:
            if isinstance(self.hand, p.Resume) and self.hand_sent == 3:
                self.associate()
            elif self.hand_sent < len(REPEATS):
                self.send_hand()
        for assoc in list(self.associations.values()):
            assoc.tick(self, now)

    # ---- sections 3 and 3a

    def begin(self, hand):
        self.hand, self.cookie, self.hand_sent = hand, bytes(16), 0
        self.send_hand()

    def send_hand(self):
        self.hand_repeat = time.monotonic() + REPEATS[self.hand_sent]
        self.hand_sent += 1
        self.send(self.hand.datagram + self.cookie)

    def enrol(self):
        self.begin(p.Init(p.ENROLMENT, self.static, self.realm_key, p.code_psk(self.code),
                          self.code))

    def init(self, **other):
        return p.Init(p.MEMBER, other.pop("static", self.static), self.realm_key,
                      p.member_psk(other.pop("token_secret", self.token_secret)), **other)

    def associate(self):
        self.begin(self.init())

    def resume(self):
        self.begin(p.Resume(*self.ticket, self.token_secret, self.realm_key))

    def again(self):
        """The association is lost or in doubt."""
        if not self.hand:
            (self.resume if self.ticket else self.associate)()

    def finish(self, datagram):
        try:
            resp, tx, rx = self.hand.finish(datagram)
        except p.InvalidTag:
            self.got.append(("does not open",))
            return
        assoc = Association(p.Channel(self.hand.index, resp["index"], tx, rx))
        self.associations[self.hand.index] = assoc
        self.got.append(("resumed" if isinstance(self.hand, p.Resume) else "associated", resp))
        self.hand = None
        if self.token_secret and self.greets:
            self.hello(assoc)
        elif not self.token_secret:
            self.current = assoc
            self.ask("register", {"software": "second-agent"})

    # ---- section 2

    def receive(self):
        datagram = self.sock.recv(2048)
        kind, version, third, zero, index = struct.unpack(">BBBBI", datagram[:8])
        p.need(version == 1 and not zero and len(datagram) <= 1232, "header")
        if kind in (p.COOKIE, p.HINT):
            p.need(datagram[8:24] in self.echoes, "echo")
        ours = self.hand and index == self.hand.index
        if kind == p.DATA and index in self.associations:
            self.opened(self.associations[index], datagram)
        elif kind in (p.RESP, p.RESUMED) and ours:
            self.finish(datagram)
        elif kind in (p.RESP, p.RESUMED):
            self.got.append(("resp", datagram))
        elif kind == p.COOKIE:
            self.got.append(("cookie",))
            if ours:
                self.cookie, self.hand_sent = datagram[24:], 0
                self.send_hand()
        elif kind == p.HINT:
            p.need(datagram[24:] == b"\1\1\0\0", "versions")
            self.got.append(("hint", p.HINTS[third]))
            if ours and p.HINTS[third] == "not-known" and isinstance(self.hand, p.Resume):
                self.associate()
            elif p.HINTS[third] == "no-association" and self.current:
                self.again()

    # ---- section 4

    def opened(self, assoc, datagram):
        plain = assoc.channel.open(datagram)
        if plain is None:
            return
        kind, zero, type_, number = struct.unpack(">BBHI", plain[:8])
        p.need(not zero and type_ in p.MESSAGES, "frame")
        message = p.MESSAGES[type_][0]
        values = p.unpack(message, plain[8:])
        self.got.append((("request", "answer", "note")[kind - 1], message, values, plain))
        if kind == p.REQUEST and number not in assoc.answers:
            assoc.answers[number] = None
            getattr(self, "on_" + message.replace("-", "_"))(assoc, number, values)
        elif kind == p.REQUEST and assoc.answers[number]:
            self.send(assoc.channel.seal(assoc.answers[number]))
        elif kind == p.ANSWER and number in assoc.asks:
            ask = assoc.asks.pop(number)
            ask.done, ask.message, ask.answer, ask.entry = True, message, values, self.got[-1]
            after = getattr(self, "after_" + ask.what.replace("-", "_"), lambda *_: None)
            after(assoc, ask, values)
        elif message == "bye" and assoc is self.current:
            self.again()

    def reply(self, assoc, number, message="ack", values=None):
        assoc.answers[number] = p.frame(p.ANSWER, p.TYPES[message], number,
                                        p.pack(message, values or {}))
        self.send(assoc.channel.seal(assoc.answers[number]))

    def ask(self, message, values=None, assoc=None, **more):
        ask = Ask(message, values or {}, **more)
        (assoc or self.current).ask(self, ask)
        return ask

    def asked(self, message, values=None, assoc=None, **more):
        ask = self.ask(message, values, assoc, **more)
        run(lambda: ask.done)
        return ask

    def note(self, message, values):
        self.send(self.current.channel.seal(p.frame(p.NOTE, p.TYPES[message], 0,
                                                    p.pack(message, values))))

    # ---- sections 7, 8 and 8a

    def after_register(self, assoc, ask, values):
        if ask.message == "registered":
            self.name, self.addresses = values["name"], values["addresses"]
            self.token_secret = values["token-secret"]

    def hello(self, assoc, **other):
        listed = [(s.id, s.spi, s.peer.static) for s in self.sessions.values()]
        values = {"data-port": 7689, "ciphers": CIPHERS, "instance": self.instance,
                  "live-count": len(listed), "policy-version": self.policy_version,
                  "listing": random_id(), "software": "second-agent",
                  "local-address": self.local, **other}
        return self.ask("hello", values, assoc, listed=listed)

    def after_hello(self, assoc, ask, values):
        if ask.message != "hello-ack":
            return
        self.ack = values
        if "ticket" in values:
            self.ticket = values["ticket"], values["ticket-secret"]
        old, self.current = self.current, assoc
        listed = ask.keep["listed"]
        for i in range(0, len(listed), 26):
            self.ask("live", {"live": listed[i:i + 26], "listing": ask.values["listing"]})
        if old and old is not assoc:
            for waiting in old.asks.values():   # asked again, beside the old one
                assoc.ask(self, waiting)
            old.asks = {}
        if "realm-key" in values:
            self.realm_key, self.ticket = values["realm-key"], None
            self.associate()
        self.offers_now()

    def on_keepalive(self, assoc, number, values):
        self.reply(assoc, number)

    def on_revoked(self, assoc, number, values):
        self.reply(assoc, number)
        self.sessions = {}

    # ---- sections 9 and 10

    def request(self, destination, **other):
        private = os.urandom(32)
        values = {"ephemeral": p.public(private), "spi": random.randrange(256, 1 << 32),
                  "destination": destination, "ciphers": CIPHERS, "request-id": random_id()}
        return self.ask("session-request", {**values, **other}, private=private)

    def requested(self, destination, **other):
        ask = self.request(destination, **other)
        run(lambda: ask.done)
        return ask

    def install(self, v, private, spi, asker, destination, ciphers):
        """A session by an offer or a grant; ValueError or Malformed if it is not right."""
        p.need(set(v["own-addresses"]) <= set(self.addresses) and v["cipher"] in ciphers, "ends")
        us = p.End(self.name, p.public(self.static), p.public(private), spi, v["own-addresses"],
                   v.get("own-routes", []))
        it = p.End(v["name"], v["static-key"], v["ephemeral"], v["spi"], v["addresses"],
                   v.get("routes", []))
        cross = p.dh(self.static, it.ephemeral), p.dh(private, it.static)
        ikm = p.dh(private, it.ephemeral) + b"".join(cross if asker else reversed(cross))
        a, b = (us, it) if asker else (it, us)
        keys = p.session_keys(v["seed"], ikm, p.session_encoding(self.realm_key, a, b, v,
                                                                 destination, ciphers))
        s = Session()
        s.id, s.spi, s.peer, s.values = v["session-id"], spi, it, v
        s.tx, s.rx = (keys[:36], keys[36:]) if asker else (keys[36:], keys[:36])
        self.sessions[s.id] = s

    def after_session_request(self, assoc, ask, v):
        if ask.message != "session-grant" or "private" not in ask.keep:
            return
        try:
            p.need(v["request-id"] == ask.values["request-id"], "request-id")
            self.install(v, ask.keep["private"], ask.values["spi"], True,
                         ask.values["destination"], ask.values["ciphers"])
        except (ValueError, p.Malformed):
            self.ask("session-close", {"reason": REASON["bad-request"],
                                       "session-ids": [v["session-id"]]})

    def offers_now(self):
        early, self.current.early = self.current.early, []
        for number, offer in early:
            self.on_session_offer(self.current, number, offer)

    def on_session_offer(self, assoc, number, v):
        if assoc is not self.current or self.holds:
            assoc.early.append((number, v))
            return
        if self.refuse_with:
            self.reply(assoc, number, *self.refuse_with(v))
            return
        if v["session-id"] not in self.accepts:
            private, spi = os.urandom(32), random.randrange(256, 1 << 32)
            try:
                self.install(v, private, spi, False, v["destination"], v["ciphers"])
            except (ValueError, p.Malformed):
                self.reply(assoc, number, "session-refusal",
                           {"session-id": v["session-id"], "reason": REASON["bad-request"],
                            "hold-ms": 0})
                return
            self.accepts[v["session-id"]] = {"ephemeral": p.public(private), "spi": spi,
                                             "session-id": v["session-id"]}
        self.reply(assoc, number, "session-accept", self.accepts[v["session-id"]])

    def on_session_gone(self, assoc, number, values):
        self.reply(assoc, number)
        for id_ in values["session-ids"]:
            self.sessions.pop(id_, None)

    def on_peer_gone(self, assoc, number, v):
        self.reply(assoc, number)
        self.sessions = {i: s for i, s in self.sessions.items()
                         if s.peer.name != v["name"] and s.peer.static != v["static-key"]}

    # ---- section 11

    def on_policy(self, assoc, number, v):
        self.reply(assoc, number)
        parts = self.parts.setdefault(v["policy-version"], {})
        parts[v["part"]] = v["policies"]
        base = v.get("policy-base", 0)
        if len(parts) < v["parts"]:
            return
        del self.parts[v["policy-version"]]
        if base not in (0, self.policy_version):
            self.ask("policy-get")
            return
        entries = dict(entry for i in sorted(parts) for entry in parts[i])
        whole = {**(self.policy if base else {}), **entries}
        self.policy = {net: action for net, action in whole.items() if action != 255}
        self.policy_version = v["policy-version"]

    # ---- what the tests look at

    def saw(self, *what, since=0):
        """Something that came begins so."""
        return any(entry[:len(what)] == what for entry in self.got[since:])

    def probe(self, *datagrams, answers=1):
        """What comes back of them: so many answers, or more before a keepalive's behind them."""
        since = len(self.got)
        for datagram in datagrams:
            self.send(datagram)
        keepalive = self.asked("keepalive")
        run(lambda: len(self.got) > since + answers)
        return [e[:2] for e in self.got[since:] if e is not keepalive.entry]
