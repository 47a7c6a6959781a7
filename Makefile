# SPDX-License-Identifier: GPL-2.0
# Sotto: see `make help`.

VERSION := 0.1.0
Q := $(if $(V),,@)
BUILD := build$(if $(DEBUG),/debug)
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

# Each part names its sources; a part that is not there is not built.
-include tools/lib/Makefile.inc
-include tools/Makefile.inc
-include agent/Makefile.inc
-include server/Makefile.inc
-include selftests/unit/Makefile.inc
-include selftests/bench/load/Makefile.inc
include scripts/kmod.mk
include scripts/install.mk

PROGRAMS := $(if $(AGENT_SRCS),$(BUILD)/sottod) $(if $(AUTHD_SRCS),$(BUILD)/sotto-authd) \
	$(if $(CLI_SRCS),$(BUILD)/sotto)

.PHONY: all programs
all: programs kmod
programs: $(PROGRAMS)

# User space -------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wpointer-arith \
	-Wvla -Wundef -Wold-style-definition -Wredundant-decls
ifdef DEBUG
  CFLAGS ?= -O1 -g3
  HARDEN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DSOTTO_DEBUG
  HARDEN_LD := -fsanitize=address,undefined
else
  CFLAGS ?= -O2 -g
  HARDEN := -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2
  HARDEN_LD := -pie -Wl,-z,relro,-z,now
endif
NL_CFLAGS = $(eval NL_CFLAGS := $(shell pkg-config --cflags libnl-3.0 libnl-genl-3.0))$(NL_CFLAGS)
CPPFLAGS_ALL = -std=c11 -D_GNU_SOURCE= -DSOTTO_VERSION='"$(VERSION)"' -Iuapi -Itools/lib -Itools -I. \
	$(NL_CFLAGS) $(CPPFLAGS)
COMMON_LIBS := -lsodium -ljansson -linih -lev -lseccomp
GENL_LIBS := -lnl-genl-3 -lnl-3

OBJ := $(BUILD)/obj
objects = $(patsubst %.c,$(OBJ)/%.o,$(1))

# Built by the same rules, or they would keep what they were built with before.
FLAGS_STAMP := $(OBJ)/.flags
$(FLAGS_STAMP): FORCE
	$(Q)mkdir -p $(@D)
	$(Q)echo '$(CC) $(WARNINGS) $(CFLAGS) $(HARDEN) $(CPPFLAGS) $(VERSION)' | cmp -s - $@ || \
		echo '$(CC) $(WARNINGS) $(CFLAGS) $(HARDEN) $(CPPFLAGS) $(VERSION)' >$@
.PHONY: FORCE
FORCE:

$(OBJ)/%.o: %.c $(FLAGS_STAMP) | deps-build
	@echo "  CC      $<"
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(WARNINGS) $(CFLAGS) $(HARDEN) -MMD -MP -c -o $@ $<

define archive
	@echo "  AR      $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^
endef
define link
	@echo "  LD      $@"
	$(Q)$(CC) $(CFLAGS) $(HARDEN) $(LDFLAGS) $(HARDEN_LD) -o $@ $^ $(LIBS)
endef

$(BUILD)/libsotto.a: $(call objects,$(LIB_SRCS))
	$(archive)
$(BUILD)/libsottogenl.a: $(call objects,$(GENL_SRCS))
	$(archive)

$(BUILD)/sottod: LIBS = $(GENL_LIBS) $(COMMON_LIBS) -lpthread
$(BUILD)/sottod: $(call objects,$(AGENT_SRCS)) $(BUILD)/libsottogenl.a $(BUILD)/libsotto.a
	$(link)
$(BUILD)/sotto: LIBS = $(GENL_LIBS) $(COMMON_LIBS)
$(BUILD)/sotto: $(call objects,$(CLI_SRCS)) $(BUILD)/libsottogenl.a $(BUILD)/libsotto.a
	$(link)
$(BUILD)/sotto-authd: LIBS = $(COMMON_LIBS) -lsqlite3 -lpthread
$(BUILD)/sotto-authd: $(call objects,$(AUTHD_SRCS)) $(BUILD)/libsotto.a
	$(link)

$(BUILD)/sotto-load: LIBS = $(COMMON_LIBS) -lsqlite3
$(BUILD)/sotto-load: $(call objects,$(LOAD_SRCS) $(STORE_SRCS) server/ticket.c) $(BUILD)/libsotto.a
	$(link)

-include $(patsubst %.o,%.d,$(call objects,$(sort $(LIB_SRCS) $(LOAD_SRCS) $(GENL_SRCS) $(AGENT_SRCS) \
	$(CLI_SRCS) $(AUTHD_SRCS) $(UNIT_SRCS))) $(UNIT_TESTS:%=$(OBJ)/selftests/unit/test_%.d))

# Packages that are missing are installed once, before anything that needs them.
.PHONY: deps-%
deps-%:
	$(Q)scripts/deps $*

# Tests ------------------------------------------------------------------------------------

# A unit test may name further objects: UNIT_SRCS_<name>, UNIT_LIBS_<name>.
.PHONY: unit
unit: programs $(UNIT_TESTS:%=$(BUILD)/unit/test_%)
.SECONDEXPANSION:
$(BUILD)/unit/test_%: $(OBJ)/selftests/unit/test_%.o $$(call objects,$$(UNIT_SRCS_$$*)) $(BUILD)/libsotto.a
	@mkdir -p $(@D)
	@echo "  LD      $@"
	$(Q)$(CC) $(CFLAGS) $(HARDEN) $(LDFLAGS) $(HARDEN_LD) -o $@ $^ $(UNIT_LIBS_$*) $(COMMON_LIBS)

-include selftests/fuzz/Makefile.inc

.PHONY: check stress demo bench icount profile
check: | deps-check
	$(Q)selftests/check $(CHECK_ARGS)
stress: programs | deps-check
	$(Q)selftests/check --stress $(CHECK_ARGS)
demo: all | deps-demo
	$(Q)$(if $(filter host,$(WHERE)),,$(MAKE) --no-print-directory kmod KDIR= KVER=6.1)
	$(Q)selftests/demo/run $(WHERE)
bench: programs | deps-bench
	$(Q)selftests/bench/run $(if $(filter host,$(WHERE)),--place here) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS)) $(BENCH_ARGS)
# Instructions per packet, which other load on the machine does not change.
icount: programs | deps-bench
	$(Q)selftests/bench/run --place icount --rounds $(or $(ROUNDS),3) \
		--output $(BUILD)/icount.json $(BENCH_ARGS)
profile: programs | deps-profile
	$(Q)$(MAKE) --no-print-directory kmod KDIR= KVER=uml
	$(Q)selftests/bench/profile $(if $(SECONDS),--seconds $(SECONDS)) $(PROFILE_ARGS)

.PHONY: bench-server
bench-server: programs $(BUILD)/sotto-load | deps-bench-server
	$(Q)selftests/bench/server $(BENCH_ARGS)

# A million tunnels, and what hostile packets cost, in User Mode Linux.
.PHONY: bench-scale
bench-scale: programs | deps-bench
	$(Q)$(MAKE) --no-print-directory kmod KDIR= KVER=uml
	$(Q)selftests/bench/scale $(BENCH_ARGS)

# From the command to the last key gone: 1,000 members and five kernels, in User Mode Linux.
.PHONY: bench-revoke
bench-revoke: programs $(BUILD)/sotto-load | deps-bench-server
	$(Q)$(MAKE) --no-print-directory kmod KDIR= KVER=uml
	$(Q)selftests/bench/revoke $(BENCH_ARGS)

.PHONY: checkpatch
checkpatch: | deps-check
	$(Q)scripts/checkpatch

.PHONY: clean help
clean:
	$(Q)rm -rf build kmod/sotto.ko

help:
	@echo 'Build'
	@echo '  make                    sottod, sotto-authd, sotto and sotto.ko into build/'
	@echo '  make kmod KVER=6.12     the module for a Debian kernel (6.1, 6.12, 7); KDIR=… for any other'
	@echo '  make DEBUG=1            with sanitizers and self-tests, into build/debug/'
	@echo '  make W=1 | V=1          more warnings | show the commands'
	@echo '  make install            into PREFIX (/usr/local), below DESTDIR; make uninstall'
	@echo '  make install-dkms       the module'"'"'s sources where DKMS builds them for every kernel'
	@echo 'Try'
	@echo '  make demo               a gateway, two hosts and an office in a virtual machine; WHERE=host: on this kernel'
	@echo 'Test'
	@echo '  make check              everything; CHECK_ARGS="unit basic" for some of it, CHECK_ARGS=--list to see'
	@echo '  make stress             the long tests'
	@echo '  make fuzz               every parser of untrusted bytes, the whole server; SECONDS= for each, FUZZ="proto admin",'
	@echo '                          ENGINE=libfuzzer or afl'
	@echo '  make bench              against plaintext, WireGuard and xfrm; ROUNDS=, SECONDS=; WHERE=host'
	@echo '  make icount             instructions per packet, under emulation'
	@echo '  make profile            where the time goes, system by system'
	@echo '  make bench-server       sotto-authd under load, and krb5kdc; BENCH_ARGS="--members 1000"'
	@echo '  make bench-revoke       how long a revocation takes to bite'
	@echo '  make bench-scale        a million tunnels, beside ip -batch; what hostile packets cost'
	@echo '  make checkpatch sparse  what the kernel community checks'
	@echo '  make clean              remove build/ (kernels stay in $${SOTTO_CACHE:-~/.cache/sotto})'

# print-NAME: the value of a variable, for scripts.
print-%:
	@echo $($*)
