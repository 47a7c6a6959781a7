#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Make each allocation of a system call fail, one after the other (fail-nth of the kernel's
fault injection), and say how many there were.

  nth_fault.py send ADDRESS PORT     sending datagrams, small and with UDP_SEGMENT
  nth_fault.py queue ADDRESS PORT    the same to a destination without keys
  nth_fault.py cut ADDRESS PORT      sending a datagram of a few fragments, and a few datagrams
  nth_fault.py netlink               every command of the module's interface

What a call answers when memory fails is its own affair; that nothing is left behind and
that the next one works is checked here and by the caller.
"""
import errno
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
FAIL_NTH = "/proc/thread-self/fail-nth"
UDP_SEGMENT = 103
MOST = 500	# allocations of one call: more means that we count wrongly


def disarm(nth):
    """Return how many more allocations there would have had to be."""
    try:
        left = int(os.pread(nth, 16, 0))
        os.pwrite(nth, b"0", 0)
    except OSError:		# it was this that failed: copying our own words; no more will
        left = 1
    return left


def nothing():
    """What is to be undone after a datagram."""


def each_allocation_fails(call, undo):
    """Return how many allocations the call makes when all but the last of them succeed."""
    nth = os.open(FAIL_NTH, os.O_RDWR)
    for n in range(1, MOST):
        os.pwrite(nth, b"%d" % n, 0)
        try:
            call()
        except OSError:
            pass
        left = disarm(nth)
        undo()
        if left:
            os.close(nth)
            return n - 1
    sys.exit("there is no end to the allocations of a call")


def sends(address, port, cut):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        # Not connected: nobody listens, and what the other end says about one datagram would be
        # an error of a later call's.
        to = (address, port)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        small, large = bytes(1200), bytes(1200 * 40)
        burst, longest = ([(socket.SOL_UDP, UDP_SEGMENT, struct.pack("=H", n))]
                          for n in (1200, 1000))

        if cut:
            few = bytes(1200 * 4)
            yield "a few fragments", lambda: s.sendto(few, to), nothing
            yield "a few datagrams", lambda: s.sendmsg([few], burst, 0, to), nothing
            return
        yield "one datagram", lambda: s.sendto(small, to), nothing
        yield "fragments", lambda: s.sendto(large, to), nothing
        yield "a burst", lambda: s.sendmsg([large], burst, 0, to), nothing
        # Sealed, it is longer than a packet can be: of two, one may leave.
        yield "two bursts", lambda: s.sendmsg([bytes(1000 * 64)], longest, 0, to), nothing


def commands():
    from sotto_nl import NLM_F_DUMP, Sock, V, obj
    import uapi_fuzz

    s = Sock()

    def tidy():
        """By hand, what a failed command may have done all the same."""
        for cmd, data in (("SA_DEL", obj("SA", SESSION=0xfa11)), ("POLICY_DEL", obj("POLICY", **policy)),
                          ("ADDR_DEL", uapi_fuzz.pack("SOTTO_A_ADDR", "10.9.9.9"))):
            answer = s.ask(cmd, data)
            if answer.errno not in (0, errno.ENOENT):
                sys.exit(f"{cmd} to tidy up: {answer}")

    policy = dict(PREFIX="10.77.0.0", PLEN=16)
    sa = dict(uapi_fuzz.SA_IN, SESSION=0xfa11, SPI=0x7fa11)
    requests = [
        ("SA_ADD", obj("SA", **sa)),
        ("SA_ADD", obj("SA", **dict(sa, DIR=V["SOTTO_SA_OUT"], CIPHER=2))),
        ("POLICY_ADD", obj("POLICY", ACTION=1, **policy)),
        ("ADDR_ADD", uapi_fuzz.pack("SOTTO_A_ADDR", "10.9.9.9")),
        ("SPI_ALLOC", b""), ("NS_GET", b""), ("STATS_GET", b""), ("TUNNEL_FLUSH", b""),
        ("NS_SET", obj("NS", EVENT_RATE=50)),
        ("AGENT_REGISTER", obj("AGENT", **uapi_fuzz.AGENT)),
    ]
    for cmd, data in requests:
        yield cmd, lambda c=cmd, d=data: ask_in_vain(s, c, d), tidy
    for cmd in "POLICY_GET", "TUNNEL_GET", "SA_GET", "ADDR_GET":
        if "SOTTO_CMD_" + cmd in V:
            yield cmd + " (all)", lambda c=cmd: s.send(V["SOTTO_CMD_" + c], b"", NLM_F_DUMP), tidy


def ask_in_vain(s, cmd, data):
    """The answer itself may be what could not be made: don't wait for it long."""
    s.s.settimeout(0.2)
    try:
        s.ask(cmd, data)
    finally:
        s.s.settimeout(5)


def main():
    if sys.argv[1] == "netlink":
        calls = commands()
    else:
        calls = sends(sys.argv[2], int(sys.argv[3]), sys.argv[1] == "cut")
    for name, call, undo in calls:
        call()		# what is made once is made
        undo()
        print(f"{name}: {each_allocation_fails(call, undo)} allocations")


main()
