# SPDX-License-Identifier: GPL-2.0
"""What the tests of the netlink interface stand on: the module, a host, traffic, users."""
import contextlib
import os
import pickle
import socket
import subprocess

from sotto_nl import Netns, Sock, obj

NOBODY = 65534
DUMMY = True	# for host(): with a device that has 10.9.0.1/24 and fd09::1/64


def module_loaded():
    with open("/proc/modules", encoding="ascii") as f:
        return any(line.startswith("sotto ") for line in f)


def load_module(*params):
    """As lib.sh does it. Returns modprobe's status."""
    path = os.environ.get("SOTTO_MODULE")
    if not path:
        return subprocess.run(["modprobe", "sotto", *params], stderr=subprocess.DEVNULL,
                              check=False).returncode
    out = subprocess.run(["modinfo", "-F", "depends", path], capture_output=True, text=True, check=True)
    subprocess.run(["modprobe", "-aq", *out.stdout.strip().split(",")], check=False)
    return subprocess.run(["insmod", path, *params], check=False).returncode


def unload_module():
    return subprocess.run(["rmmod", "sotto"], stderr=subprocess.DEVNULL, check=False).returncode


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def sysctl(name, value):
    with open("/proc/sys/net/" + name, "w", encoding="ascii") as f:
        f.write(value)


@contextlib.contextmanager
def host(dummy=False):
    """Enter a namespace of its own; gives a socket to the module there."""
    with Netns() as ns, contextlib.closing(ns):
        if dummy:
            sysctl("ipv6/conf/default/accept_dad", "0")
            sysctl("ipv6/conf/default/router_solicitations", "0")
            ip("link", "add", "d0", "type", "dummy")
            ip("link", "set", "d0", "mtu", "1500", "up")
            ip("addr", "add", "10.9.0.1/24", "dev", "d0", "brd", "+")
            ip("addr", "add", "fd09::1/64", "dev", "d0", "nodad")
        with Sock() as s:
            try:
                yield s
            finally:
                s.ask("POLICY_FLUSH")	# else the module could not be unloaded


def send_udp(dst, payload):
    family = socket.AF_INET6 if ":" in dst else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        try:
            s.sendto(payload, (dst, 9))
        except OSError:
            pass	# an ICMP error for an earlier one


def stats(s, name):
    return s.do("STATS_GET")[name]


def key(seed):
    return bytes((seed * 31 + i * 7) % 256 for i in range(32))


def sa(**fields):
    """SA_ADD's object, with a cipher and a key where none is given."""
    fields.setdefault("CIPHER", 1)
    fields.setdefault("KEY", key(fields["SPI"]))
    fields.setdefault("SALT", b"salt")
    return obj("SA", **fields)


def as_nobody(fn):
    """fn() in a child without any privilege; what it returns, or the exception it raised."""
    r, w = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            result = fn()
        except BaseException as e:	# all of it goes to the parent
            result = e
        with os.fdopen(w, "wb") as f:
            pickle.dump(result, f)
        os._exit(0)
    os.close(w)
    with os.fdopen(r, "rb") as f:
        result = pickle.load(f)
    os.waitpid(pid, 0)
    return result
