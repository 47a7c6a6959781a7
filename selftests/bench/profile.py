#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Say what samples of a guest's kernel were taken in.

usage: profile.py DIR HZ SECONDS TOP SYSTEM…

DIR holds the guest's kallsyms and, for each system, SYSTEM.ip with one hexadecimal address
a line, taken HZ times per second of processor time in SECONDS, and SYSTEM.iperf, iperf3's
report. Prints processor seconds per gigabyte by kind, then the TOP functions of each system.
"""
import bisect
import collections
import json
import re
import sys

# What a function is for, first match; what has no name here is the network stack.
MODULES = [
	("cipher", r"chacha_x86_64|poly1305_x86_64|libchacha20poly1305|aesni_intel|"
		   r"ghash_clmulni_intel|crypto_simd|cryptd"),
	("own", r"sotto|wireguard|esp4|esp6"),
	("stack", r".+"),
]
NAMES = [
	("cipher", r"_*h?chacha|_*poly1305|poly_|aes|_*gcm|ghash|gf128|_*crypto_|skcipher|scatterwalk|"
		   r"aead|simd_|shash|sg_(next|init|set|mark)"),
	("own", r"_*xfrm|esp_"),
	("copy", r"_*mem(cpy|set|move)|csum_|do_csum|_*copy_(to|from|page|chunk)|raw_copy|buffer_op|"
		 r"do_op|maybe_map|virt_to_pte|copy(in|out)|_*skb_checksum|skb_copy|clear_page"),
	("memory", r"k[mz]?v?alloc|kv?free|_*kmem|_*kmalloc|_*slab|get_page_from|free_(unref|pcp|the)|"
		   r"_*alloc_page|rmqueue|page_frag|_*free_page|_*alloc_skb|_*build_skb|skb_release|"
		   r"_*kfree_skb|skb_free|_*put_page|page_pool|new_slab|allocate_slab|get_partial|"
		   r"discard_slab|deactivate_slab|put_cpu_partial|unfreeze"),
	("platform", r"(un)?block_signals|(um_)?[gs]et_signals|hard_handler|sig_|timer_|alarm_|os_|"
		     r"userspace|switch_|_*schedule|do_syscall|handle_syscall|restore_|save_|ptrace|"
		     r"wait_stub|[gs]et_(regs|stub)|um_|interrupt_end|do_IRQ|flush_tlb|fix_range|"
		     r"update_(pte|pmd|pud|p4d)|_*vdso|_*clock_gettime|vm_|fpu|put_fp|get_fp"),
]
KINDS = ["cipher", "copy", "memory", "own", "stack", "platform"]
HOST = 0xffff800000000000


def kind(name, module):
	for what, pattern in MODULES if module else NAMES:
		if re.match(pattern, module or name):
			return what
	return "stack"


def symbols(path):
	found = []
	with open(path) as lines:
		for line in lines:
			field = line.split()
			if field[1] in "tTwW":
				module = field[3].strip("[]") if len(field) > 3 else ""
				found.append((int(field[0], 16), field[2], module))
	return sorted(found)


def name_of(address, table, starts):
	if address >= HOST:
		return "(host kernel)", "platform"
	at = bisect.bisect_right(starts, address) - 1
	if at < 0 or address - table[at][0] > 1 << 20:
		return "(C library, unknown)", "platform"
	_, name, module = table[at]
	return f"{name} [{module}]" if module else name, kind(name, module)


def seconds_per_gb(path, hz, seconds):
	"""What one sample stands for."""
	with open(path) as report:
		rate = json.load(report)["end"]["sum_received"]["bits_per_second"]
	return 1 / hz / (rate / 8e9 * seconds)


def main():
	place, hz, seconds, top = sys.argv[1], *map(int, sys.argv[2:5])
	table = symbols(place + "/kallsyms")
	starts = [entry[0] for entry in table]
	lists = []
	print("%-16s" % "CPU s/GB" + "".join("%10s" % k for k in KINDS) + "     total   samples")
	for system in sys.argv[5:]:
		functions, kinds = collections.Counter(), collections.Counter()
		with open(f"{place}/{system}.ip") as lines:
			for line in lines:
				found = name_of(int(line, 16), table, starts)
				functions[found] += 1
				kinds[found[1]] += 1
		one = seconds_per_gb(f"{place}/{system}.iperf", hz, seconds)
		total = sum(kinds.values())
		print("%-16s" % system + "".join("%10.2f" % (kinds[k] * one) for k in KINDS) +
		      "%10.2f%10d" % (total * one, total))
		lists.append((system, total, one, functions.most_common(top)))
	for system, total, one, functions in lists:
		print(f"\n{system}: share, s/GB")
		for (name, what), count in functions:
			print("  %5.1f %% %6.3f  %-9s %s" % (count * 100 / total, count * one, what, name))


main()
