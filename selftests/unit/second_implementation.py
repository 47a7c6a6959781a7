#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Documentation/protocol-vectors.json and the page's tables against its second implementation.

That, second_protocol.py, was written from Documentation/protocol.md alone: the page and the
code cannot drift apart unnoticed. Exits 0, 1 with what differs, or 4 without
python3-cryptography.
"""
import json
import os
import re
import struct
import sys

from second_protocol import (ATTRIBUTES, DATA, INIT, MESSAGES, REASONS, REQUEST, RESP, RESUME,
                             RESUMED, TYPES, Channel, End, Init, Malformed, Resume, code_psk, dh,
                             frame, header, mac, member_psk, pack, public, read_line,
                             session_encoding, session_keys, unpack)

HX = bytes.fromhex


def handshake(v):
    """Returns the keys (to server, to agent) and the server's index."""
    init, resp, server = HX(v["init"]), HX(v["resp"]), HX(v["server_public"])
    code = HX(v["code"]) if v["kind"] == 2 else None
    psk = code_psk(code) if code else member_psk(HX(v["token_secret"]))
    index = struct.unpack(">I", init[4:8])[0]
    hand = Init(v["kind"], HX(v["member_private"]), server, psk, code, 0, index=index,
                ephemeral=HX(v["init_ephemeral_private"]))
    assert init[:8] == header(INIT, index, v["kind"]), "outer header"
    assert mac(server, init[:-32]) == init[-32:-16], "mac"
    assert hand.datagram == init[:-16], "message 1"
    assert psk(public(hand.e), resp[8:40]) == HX(v["psk"]), "psk"
    assert resp[:8] == header(RESP, index), "RESP"
    answer, *keys = hand.finish(resp)
    assert list(answer) == ["features", "index"], "assoc-resp"
    assert keys == [HX(v["key_to_server"]), HX(v["key_to_agent"])], "split"
    return keys, answer["index"]


def data(dgram, keys, index, counter):
    assert dgram[:8] == header(DATA, index), "DATA"
    keepalive = frame(REQUEST, TYPES["keepalive"], 1)
    channel = Channel(index, index, *keys)
    channel.counter = counter
    assert channel.seal(keepalive) == dgram, "keepalive"
    assert Channel(index, index, *reversed(keys)).open(dgram) == keepalive, "opened"


def resumption(v):
    resume, resumed = HX(v["resume"]), HX(v["resumed"])
    index = struct.unpack(">I", resume[4:8])[0]
    hand = Resume(resume[44:-32], HX(v["ticket_secret"]), HX(v["token_secret"]),
                  HX(v["server_public"]), index=index, own_nonce=resume[8:40])
    assert resume[:8] == header(RESUME, index), "RESUME"
    assert hand.datagram == resume[:-16], "RESUME"
    assert resumed[:8] == header(RESUMED, index), "RESUMED"
    answer, *keys = hand.finish(resumed)
    assert list(answer) == ["features", "index"], "assoc-resp"
    assert keys == [HX(v["key_to_server"]), HX(v["key_to_agent"])], "keys"


def end(v):
    return End(v["name"], HX(v["static_public"]), HX(v["ephemeral_public"]), v["spi"],
               v["addresses"], v.get("routes", []))


def session(v):
    """As B derives them."""
    a, b, life = v["a"], v["b"], v["lifetimes"]
    common = {"session-id": int(v["session_id"], 16), "cipher": v["cipher"],
              "lifetimes": [life[k] for k in ("soft_s", "hard_s", "soft_packets", "hard_packets",
                                              "soft_bytes", "hard_bytes")]}
    if "mode" in v:
        common["mode"] = v["mode"]
    enc = session_encoding(HX(v["realm_key"]), end(a), end(b), common, v["destination"],
                           bytes(v["offered"]))
    assert enc == HX(v["encoding"]), "encoding"
    e, s = HX(b["ephemeral_private"]), HX(b["static_private"])
    ikm = (dh(e, HX(a["ephemeral_public"])) + dh(e, HX(a["static_public"])) +
           dh(s, HX(a["ephemeral_public"])))
    want = v["key_ab"] + v["salt_ab"] + v["key_ba"] + v["salt_ba"]
    assert session_keys(HX(v["seed"]), ikm, enc) == HX(want), "session keys"


def message(v):
    """Read by the page's tables, and written again the same."""
    name, body = v["message"], HX(v["attributes"])
    assert v["type"] == TYPES[name], "type of " + name
    try:
        assert pack(name, unpack(name, body)) == body, name
    except Malformed as e:
        raise AssertionError("%s: %s" % (name, e)) from e


def enrolment_line(v):
    hosts, key, code = read_line(v["line"])
    assert hosts == [("gw.example", 7688), ("fd00::1", 7000)], "hosts"
    assert key == HX(v["server_key"]) and code == HX(v["code"]), "line"


def rows(section):
    return [[cell.strip() for cell in row.split("|")[1:-1]]
            for row in re.findall(r"^\| (?:0x)?\d.*$", section, re.M)]


def page(text):
    """The page's tables of attributes and messages are those of this implementation."""
    section = dict(re.findall(r"^## (\w+)\. .*?\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    assert {int(n): name for n, name, *_ in rows(section["5"])} == {
        n: name for n, (name, _) in ATTRIBUTES.items()}, "attributes of the page"
    messages, reasons = section["6"].split("### Reasons")
    table = {int(n, 16): (name, sorted(re.sub(r" \([^)]*\)|[–,]", "", fields).split()))
             for n, name, _, fields in rows(messages)}
    assert table == {n: (name, sorted(fields.split()))
                     for n, (name, fields) in MESSAGES.items()}, "messages of the page"
    assert {int(n): name for n, name, _ in rows(reasons)} == REASONS, "reasons of the page"


def read(name):
    with open(os.path.join(os.environ.get("SOTTO_TOP", "."), "Documentation", name),
              encoding="utf-8") as f:
        return f.read()


def main():
    vectors = json.loads(read("protocol-vectors.json"))
    keys, index = handshake(vectors["member_handshake"])
    data(HX(vectors["member_first_data"]), keys, index, 0)
    data(HX(vectors["member_later_data"]), keys, index, 0x0102030405060708)
    handshake(vectors["enrolment_handshake"])
    resumption(vectors["resumption"])
    for v in vectors["session_keys"]:
        session(v)
    for v in vectors["messages"]:
        message(v)
    enrolment_line(vectors["enrolment_line"])
    page(read("protocol.md"))


if __name__ == "__main__":
    try:
        main()
    except AssertionError as e:
        print("# differs:", e)
        sys.exit(1)
