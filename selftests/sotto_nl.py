# SPDX-License-Identifier: GPL-2.0
"""
sotto.ko's generic netlink interface with nothing but Python's standard library,
for tests: it can say every wrong thing, which a proper library refuses to.
"""
import ctypes
import errno
import ipaddress
import os
import socket
import struct

import uapi_header

H = uapi_header.Header()
V = dict(H.values, **H.consts)

SOL_NETLINK, NETLINK_GENERIC = 270, 16
NETLINK_ADD_MEMBERSHIP, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 1, 10, 11
NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK, NLM_F_DUMP_INTR = 1, 2, 4, 0x10
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NLM_F_DUMP, NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE, NLM_F_APPEND = 0x300, 0x100, 0x200, 0x400, 0x800
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLA_F_NESTED = 0x8000
GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_ATTR_VERSION = 1, 2, 3
CTRL_ATTR_OPS, CTRL_ATTR_MCAST_GROUPS = 6, 7
GENL_UNS_ADMIN_PERM, GENL_CMD_CAP_DO, GENL_CMD_CAP_DUMP = 0x10, 2, 4
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000

libc = ctypes.CDLL(None, use_errno=True)


# --- attributes -----------------------------------------------------------------

def nla(kind, payload):
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def nest(kind, *attrs):
    return nla(kind | NLA_F_NESTED, b"".join(attrs))


def addr(text):
    return ipaddress.ip_address(text).packed


def prefix(text):
    net = ipaddress.ip_network(text, strict=False)
    return ipaddress.ip_address(text.split("/")[0]).packed + bytes([net.prefixlen])


def pack(name, value):
    """One attribute by its C name; the header knows its type."""
    kind = H.types[name]
    if isinstance(value, bytes):
        payload = value
    elif kind in ("u8", "u16", "u32", "u64"):
        payload = struct.pack("=" + {"u8": "B", "u16": "H", "u32": "I", "u64": "Q"}[kind], value)
    elif kind == "string":
        payload = value.encode() + b"\0"
    elif kind == "flag":
        payload = b""
    else:
        payload = addr(value)
    return nla(V[name], payload)


def obj(name, **fields):
    """The nest of an object: obj("SA", DIR=0, PEER_ADDR=["10.0.0.1"])."""
    attrs = []
    for key, value in fields.items():
        full = "SOTTO_A_%s_%s" % (name, key)
        for v in value if isinstance(value, list) else [value]:
            if v is not False:
                attrs.append(pack(full, b"" if v is True else v))
    return nest(V["SOTTO_A_" + name], *attrs)


def split(data):
    """[(type, payload)] of a stream of attributes."""
    attrs = []
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4 or length > len(data):
            raise ValueError("malformed attribute")
        attrs.append((kind & 0x3fff, data[4:length]))
        data = data[length + 3 & ~3:]
    return attrs


def _value(kind, payload):
    if kind in ("u8", "u16", "u32", "u64"):
        return int.from_bytes(payload, "little" if struct.pack("=H", 1)[0] else "big")
    if kind == "string":
        return payload.rstrip(b"\0").decode()
    if kind == "flag":
        return True
    return str(ipaddress.ip_address(payload)) if len(payload) in (4, 16) else payload


def decode(enum, prefix, data):
    """A nest as {NAME: value}; what may be repeated is a list."""
    names = {v: n for n, v in H.enums[enum].items()
             if not n.startswith("__") and not n.endswith("_MAX")}
    out = {}
    for kind, payload in split(data):
        name = names[kind]
        if H.types[name] == "pad":
            continue
        key = name[len(prefix):]
        if H.types[name] == "nest":
            value = decode_nest(name, payload)
        else:
            value = _value(H.types[name], payload)
        if key in ("PEER_ADDR", "LOCAL_ADDR", "PEER_PREFIX", "LOCAL_PREFIX"):
            out.setdefault(key, []).append(value)
        else:
            out[key] = value
    return out


def decode_nest(name, data):
    return decode(H.nests[name], H.nests[name].upper()[:-4].replace("SOTTO_", "SOTTO_A_"), data)


def objects(data):
    """The top level of a message as {OBJECT: …}."""
    names = {v: n for n, v in H.enums["sotto_attr"].items()
             if not n.startswith("__") and not n.endswith("_MAX")}
    out = {}
    for kind, payload in split(data):
        name = names[kind]
        short = name[len("SOTTO_A_"):]
        if short == "STATS":
            symbols = [s for s, _ in H.stats]
            out[short] = {symbols[k - 1]: int.from_bytes(p, "little")
                          for k, p in split(payload) if k}
        elif H.types[name] == "nest":
            out[short] = decode_nest(name, payload)
        else:
            out[short] = _value(H.types[name], payload)
    return out


# --- sockets --------------------------------------------------------------------

class Answer:
    """errno (0 = success), the kernel's words, the attribute it blames or misses."""

    def __init__(self):
        self.errno = 0
        self.msg = self.offset = self.miss_type = self.miss_nest = None
        self.replies = []	# objects of each reply
        self.raw = b""		# everything that came, as it was
        self.interrupted = False

    def __repr__(self):
        name = errno.errorcode.get(self.errno, self.errno) if self.errno else "ok"
        return "<%s %r offset=%s miss=%s>" % (name, self.msg, self.offset, self.miss_type)

    def tlvs(self, data):
        for kind, payload in split(data):
            if kind == 1:
                self.msg = payload.rstrip(b"\0").decode()
            elif kind in (2, 5, 6):
                name = {2: "offset", 5: "miss_type", 6: "miss_nest"}[kind]
                setattr(self, name, struct.unpack("=I", payload)[0])


class Refused(Exception):
    def __init__(self, answer):
        super().__init__(repr(answer))
        self.answer = answer
        self.errno = answer.errno


class Sock:
    """
    A socket to the module, in the namespace that the caller is in when it is made.
    With size 4096 dumps come in many parts: the kernel fits them to what is read.
    """

    def __init__(self, cap_ack=True, size=1 << 18):
        self.size = size
        self.s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC,
                               NETLINK_GENERIC)
        self.s.bind((0, 0))
        self.s.settimeout(5)
        self.portid = self.s.getsockname()[0]
        self.s.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        if cap_ack:
            self.s.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self.seq = 0
        self.family = GENL_ID_CTRL
        self.events = []
        self.info = self._resolve()
        self.family = struct.unpack("=H", self.info[CTRL_ATTR_FAMILY_ID])[0]

    def close(self):
        self.s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _resolve(self):
        name = V["SOTTO_GENL_NAME"].encode() + b"\0"
        self.send(CTRL_CMD_GETFAMILY, nla(CTRL_ATTR_FAMILY_NAME, name), NLM_F_ACK)
        found = {}

        def take(data):
            found.update(split(data))
        answer = self.receive(take)
        if answer.errno:
            raise Refused(answer)
        return found

    def ops(self):
        """{command value: flags} as generic netlink's controller has them."""
        out = {}
        for _, op in split(self.info[CTRL_ATTR_OPS]):
            parts = {k: struct.unpack("=I", p)[0] for k, p in split(op)}
            out[parts[1]] = parts[2]
        return out

    def groups(self):
        out = {}
        for _, group in split(self.info[CTRL_ATTR_MCAST_GROUPS]):
            parts = dict(split(group))
            out[parts[1].rstrip(b"\0").decode()] = struct.unpack("=I", parts[2])[0]
        return out

    def join(self, group="events"):
        self.s.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, self.groups()[group])

    def send(self, cmd, data=b"", flags=0, reserved=0, length=None):
        self.seq += 1
        body = struct.pack("=BBH", cmd, V["SOTTO_GENL_VERSION"], reserved) + data
        head = struct.pack("=IHHII", length or 16 + len(body), self.family,
                           NLM_F_REQUEST | flags, self.seq, 0)
        self.s.send(head + body)

    def _messages(self):
        data = self.s.recv(self.size)
        while len(data) >= 16:
            length, kind, flags, seq, _ = struct.unpack_from("=IHHII", data)
            yield kind, flags, seq, data[16:length]
            data = data[length + 3 & ~3:]

    def receive(self, take, between=None):
        """Until the request's end; take(data) gets each reply's attributes."""
        answer = Answer()
        while True:
            for kind, flags, seq, data in self._messages():
                if seq != self.seq:
                    if kind == self.family:
                        self.events.append((data[0], data[4:]))
                    continue
                answer.raw += data
                answer.interrupted |= bool(flags & NLM_F_DUMP_INTR)
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    answer.errno = -struct.unpack_from("=i", data)[0]
                    skip = 4
                    if kind == NLMSG_ERROR:
                        skip += 16
                        if answer.errno and not flags & NLM_F_CAPPED:
                            skip += struct.unpack_from("=I", data, 4)[0] - 16
                    if flags & NLM_F_ACK_TLVS:
                        answer.tlvs(data[skip + 3 & ~3:])
                    return answer
                take(data[4:])
            if between:
                between()

    def ask(self, cmd, data=b"", flags=0, **wrong):
        """Send a request; whatever the kernel says is the Answer."""
        self.send(V["SOTTO_CMD_" + cmd], data, flags | NLM_F_ACK, **wrong)
        replies = []
        answer = self.receive(lambda d: replies.append(objects(d)))
        answer.replies = replies
        return answer

    def do(self, cmd, data=b"", flags=0):
        """As ask(), but refusals are exceptions. Returns the reply's object, if any."""
        answer = self.ask(cmd, data, flags)
        if answer.errno:
            raise Refused(answer)
        return next(iter(answer.replies[0].values())) if answer.replies else None

    def dump(self, cmd, between=None):
        """([objects], interrupted?); between() is called after each part of it."""
        self.send(V["SOTTO_CMD_" + cmd], b"", NLM_F_DUMP)
        found = []

        def take(data):
            found.append(next(iter(objects(data).values())))
        answer = self.receive(take, between)
        if answer.errno:
            raise Refused(answer)
        return found, answer.interrupted

    def wait_event(self, want, seconds=5):
        """The next event (or acquire) for which want(cmd, object) is true, or None."""
        self.s.settimeout(seconds)
        try:
            while True:
                while self.events:
                    cmd, data = self.events.pop(0)
                    fields = next(iter(objects(data).values()))
                    if want(cmd, fields):
                        return fields
                for kind, _, _, data in self._messages():
                    if kind == self.family:
                        self.events.append((data[0], data[4:]))
        except (TimeoutError, BlockingIOError):
            return None
        finally:
            self.s.settimeout(5)

    def event(self, kind, seconds=5):
        return self.wait_event(lambda c, f: c == V["SOTTO_CMD_EVENT"] and
                               f["TYPE"] == V["SOTTO_EVENT_" + kind], seconds)

    def acquire(self, seconds=5):
        return self.wait_event(lambda c, f: c == V["SOTTO_CMD_ACQUIRE"], seconds)


# --- namespaces -----------------------------------------------------------------

def unshare(flags):
    if libc.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")


class Netns:
    """A network namespace of its own; `with` enters it."""

    def __init__(self):
        self.outer = []
        back = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        unshare(CLONE_NEWNET)
        self.fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._set(back)
        os.close(back)

    @staticmethod
    def _set(fd):
        if libc.setns(fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def __enter__(self):
        self.outer.append(os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        self._set(self.fd)
        return self

    def __exit__(self, *_):
        back = self.outer.pop()
        self._set(back)
        os.close(back)

    def close(self):
        os.close(self.fd)
