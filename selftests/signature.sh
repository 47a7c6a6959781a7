#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A kernel that takes only signed modules refuses ours: we are told so, why, and what to do.
#
# From here on the guest takes no unsigned module any more: nothing else can follow.

. "$(dirname "$0")/lib.sh"
begin
need modinfo openssl

enforce=/sys/module/module/parameters/sig_enforce

setup() {
	make_hosts a
	[ -e $enforce ] || { skip "this kernel checks no signatures"; return; }
	[ -z "$(modinfo -F sig_id "${SOTTO_MODULE:-sotto}")" ] || { skip "the module is signed"; return; }
	check_sums a
	expect "rmmod" rmmod sotto
	module_loaded=
	echo Y >$enforce
	ready=1
}

# told COMMAND…: it fails, and its words are in $words.
told() {
	words=$(sotto a "$@" 2>&1) && fail "$* succeeded: $words"
}

says() {
	grep -qF -- "$1" <<<"$words" || fail "it does not say '$1': $words"
}

refusal_is_named() {
	[ -n "${ready:-}" ] || { skip "no refusal to be had"; return; }
	told up --no-agent
	says "signed with a key it knows"
	says "Key was rejected"
	says "When the module is refused"
	refuse "the module" module_present
}

status_names_it_beforehand() {
	[ -n "${ready:-}" ] || { skip "no refusal to be had"; return; }
	told status
	says "takes only signed modules, and sotto.ko is not"
	words=$(sotto a -j status | jq -r .module.refusal)
	says "takes only signed modules"
}

# What operations.md tells to do, but for the firmware: the kernel still refuses, and it is no
# longer the file that lacks something.
strangers_signature_is_not_enough() {
	local sign module

	[ -n "${ready:-}" ] || { skip "no refusal to be had"; return; }
	sign=$(ls {,~/.cache/sotto/headers/*}/usr/lib/linux-kbuild-*/scripts/sign-file 2>/dev/null | head -n 1)
	[ -n "$sign" ] || { skip "there is no sign-file"; return; }
	module=$tmp/sotto.ko
	cp "${SOTTO_MODULE:-$(modinfo -n sotto)}" "$module"
	expect "a key" openssl req -new -x509 -newkey rsa:2048 -nodes -days 1 -subj "/CN=test/" \
		-outform DER -keyout "$tmp/mok.key" -out "$tmp/mok.der"
	expect "sign-file" "$sign" sha256 "$tmp/mok.key" "$tmp/mok.der" "$module"
	same "signer" "$(modinfo -F signer "$module")" test
	SOTTO_MODULE=$module told up --no-agent
	says "signed with a key it knows"
	words=$(SOTTO_MODULE=$module sotto a -j status | jq -r '.module.refusal // "none"')
	says none
}

run_tests setup refusal_is_named status_names_it_beforehand strangers_signature_is_not_enough
