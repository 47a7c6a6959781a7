# SPDX-License-Identifier: GPL-2.0
# The kernel module. Each kernel has a build folder of its own with links to the sources,
# so that builds for several kernels never disturb one another.
#
#   make kmod              for KDIR
#   make kmod KVER=6.12    for Debian's newest of that series (6.1, 6.12 or 7), fetched
#   make kmod KVER=uml     for the User Mode Linux kernel of the benchmark (or uml-debug)

# Where to build: the running kernel's tree if there is one, else Debian's current headers.
RUNNING := /lib/modules/$(shell uname -r)/build
KDIR ?=
KVER ?=
ifneq ($(KDIR),)
  KNAME = $(notdir $(patsubst %/,%,$(KDIR)))
else ifneq ($(KVER),)
  KNAME := $(KVER)
else ifneq ($(wildcard $(RUNNING)/Makefile),)
  KDIR := $(RUNNING)
  KNAME := $(shell uname -r)
else
  KVER := 6.1
  KNAME := 6.1
endif
ifneq ($(KDIR),)
  KNAME := $(or $(file <$(KDIR)/include/config/kernel.release),$(KNAME))
endif

# What a kernel's headers need here. There is no vmlinux to take BTF from; Debian 13's are
# made for a newer gcc and pahole than Debian 12's.
KFLAGS_6.1 := CONFIG_DEBUG_INFO_BTF_MODULES=
KFLAGS_6.12 := CONFIG_DEBUG_INFO_BTF_MODULES=
KFLAGS_7 := CONFIG_DEBUG_INFO_BTF_MODULES= CC=gcc CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT= \
	'PAHOLE_VERSION=$$(CONFIG_PAHOLE_VERSION)'
KFLAGS_uml := ARCH=um
# UML has no CONFIG_UBSAN_SANITIZE_ALL. Nobody's packets are aligned on x86, where that is fine.
KFLAGS_uml-debug := ARCH=um UBSAN_SANITIZE=y CONFIG_UBSAN_ALIGNMENT=

KMOD := $(BUILD)/kmod-$(KNAME)
KMOD_SRC := $(KMOD)/src
# Debug builds run the module's own tests when it is loaded.
KFLAGS := $(KFLAGS_$(KNAME)) $(if $(W),W=$(W)) $(if $(C),C=$(C)) \
	$(if $(DEBUG),CONFIG_SOTTO_SELFTEST=y)

ifneq ($(filter uml uml-debug,$(KNAME)),)
  FETCH_KDIR = selftests/vm/uml $(if $(filter uml-debug,$(KNAME)),debug,bench)
else
  FETCH_KDIR = selftests/vm/fetch headers $(KVER)
endif

# kbuild FOLDER: build the modules there (+: by as many as make was asked for).
define kbuild
	+$(Q)kdir="$(KDIR)"; [ -n "$$kdir" ] || kdir=$$($(FETCH_KDIR)) || exit; \
	[ ! -d "$$kdir/build" ] || kdir=$$kdir/build; \
	$(MAKE) --no-print-directory -s -C "$$kdir" M=$(CURDIR)/$(1) $(KFLAGS) modules
endef

.PHONY: kmod kmod-all
kmod: | deps-build
	$(Q)scripts/link-sources kmod $(KMOD_SRC)/kmod
	$(Q)ln -sfn $(CURDIR)/uapi $(KMOD_SRC)/uapi
	@echo "  KMOD    $(KMOD)/sotto.ko"
	$(call kbuild,$(KMOD_SRC)/kmod)
	$(Q)scripts/update $(KMOD_SRC)/kmod/sotto.ko $(KMOD)/sotto.ko
	$(Q)$(if $(DEBUG)$(findstring uml,$(KNAME)),:,scripts/update $(KMOD)/sotto.ko kmod/sotto.ko)

# What measures the ciphers for the benchmark, for the same kernels.
.PHONY: kmod-cipher
kmod-cipher: | deps-build
	$(Q)scripts/link-sources selftests/bench/cipher $(KMOD)/cipher
	$(Q)scripts/link-sources kmod $(KMOD)/cipher/sotto
	@echo "  KMOD    $(KMOD)/cipher/sotto_bench_cipher.ko"
	$(call kbuild,$(KMOD)/cipher)

# Every kernel that the module must build for.
kmod-all:
	$(Q)for series in 6.1 6.12 7; do $(MAKE) --no-print-directory kmod KDIR= KVER=$$series || exit; done

.PHONY: sparse
sparse: | deps-check
	$(Q)rm -rf $(BUILD)/sparse && mkdir -p $(BUILD)/sparse
	$(Q)$(MAKE) --no-print-directory kmod KDIR= KVER=6.1 BUILD=$(BUILD)/sparse C=2
