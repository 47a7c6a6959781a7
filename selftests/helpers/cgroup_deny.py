#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Have a control group send nothing: a program that refuses every packet is attached to it, as
systemd does for IPAddressDeny=any. It stays until the group goes.

	cgroup_deny.py DIRECTORY

Status 4 where the kernel has no such programs.
"""
import ctypes
import os
import platform
import struct
import sys

SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
PROG_LOAD, PROG_ATTACH = 5, 8
CGROUP_SKB, INET_EGRESS = 8, 1

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attr):
    buf = ctypes.create_string_buffer(attr, 128)
    got = libc.syscall(SYS_BPF, command, buf, ctypes.c_ulong(len(attr)))
    if got < 0:
        print("bpf:", os.strerror(ctypes.get_errno()))
        sys.exit(4)
    return got


def main():
    # r0 = 0; exit
    text = ctypes.create_string_buffer(struct.pack("<BBhi", 0xb7, 0, 0, 0) +
                                       struct.pack("<BBhi", 0x95, 0, 0, 0))
    licence = ctypes.create_string_buffer(b"GPL")
    prog = bpf(PROG_LOAD, struct.pack("=IIQQIIQII16sII", CGROUP_SKB, 2, ctypes.addressof(text),
                                      ctypes.addressof(licence), 0, 0, 0, 0, 0, b"", 0,
                                      INET_EGRESS))
    group = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
    bpf(PROG_ATTACH, struct.pack("<IIII", group, prog, INET_EGRESS, 0))


if __name__ == "__main__":
    main()
