# SPDX-License-Identifier: GPL-2.0
# make install [DESTDIR=…] [PREFIX=/usr/local]

PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
INCLUDEDIR ?= $(PREFIX)/include
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
MODULEDIR ?= /lib/modules
DOCDIR ?= $(PREFIX)/share/doc/sotto

.PHONY: install install-programs install-kmod uninstall
install: install-programs install-kmod

install-programs: programs
	$(Q)install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(UNITDIR) $(DESTDIR)$(INCLUDEDIR)/linux
	$(Q)install -m 755 $(PROGRAMS) $(DESTDIR)$(SBINDIR)
	$(Q)install -m 644 uapi/linux/sotto.h $(DESTDIR)$(INCLUDEDIR)/linux
	$(Q)for unit in packaging/*.service; do \
		sed 's#@SBINDIR@#$(SBINDIR)#' $$unit >$(DESTDIR)$(UNITDIR)/$${unit##*/} || exit; \
	done
	$(Q)for page in $(wildcard tools/man/*.[1-9]); do \
		install -D -m 644 -t $(DESTDIR)$(MANDIR)/man$${page##*.} $$page || exit; \
	done
	$(Q)for file in $(wildcard tools/completion/*); do \
		install -D -m 644 -t $(DESTDIR)$(COMPLETIONDIR) $$file || exit; \
	done
	$(Q)install -D -m 644 -t $(DESTDIR)$(DOCDIR) LICENSE $(wildcard README.md NEWS Documentation/*.md)
	@echo "installed the programs under $(DESTDIR)$(PREFIX)"

# Into the tree of the kernel that it was built for, which need not be the one that runs.
install-kmod: kmod
	$(Q)release=$$(modinfo -F vermagic $(KMOD)/sotto.ko | cut -d' ' -f1) && \
	install -D -m 644 -t $(DESTDIR)$(MODULEDIR)/$$release/updates $(KMOD)/sotto.ko && \
	echo "installed sotto.ko for $$release" && \
	if [ -z "$(DESTDIR)" ]; then depmod $$release; fi

# The sources where dkms looks for them: dkms install sotto/VERSION builds it for every kernel.
DKMSDIR ?= /usr/src
.PHONY: install-dkms
install-dkms:
	$(Q)dir=$(DESTDIR)$(DKMSDIR)/sotto-$(VERSION) && install -d $$dir && \
	tar -c --exclude='*.o' --exclude='*.ko' --exclude='*.cmd' Kbuild kmod uapi | tar -C $$dir -x && \
	sed 's/@VERSION@/$(VERSION)/' packaging/dkms.conf >$$dir/dkms.conf && \
	echo "installed the module's sources in $$dir; next: dkms install sotto/$(VERSION)"

uninstall:
	$(Q)rm -f $(addprefix $(DESTDIR)$(SBINDIR)/,sotto sottod sotto-authd) \
		$(DESTDIR)$(INCLUDEDIR)/linux/sotto.h $(DESTDIR)$(MODULEDIR)/*/updates/sotto.ko \
		$(addprefix $(DESTDIR)$(UNITDIR)/,$(notdir $(wildcard packaging/*.service)))
	$(Q)for page in $(notdir $(wildcard tools/man/*.[1-9])); do \
		rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$$page; \
	done
	$(Q)rm -f $(addprefix $(DESTDIR)$(COMPLETIONDIR)/,$(notdir $(wildcard tools/completion/*)))
	$(Q)rm -rf $(DESTDIR)$(DOCDIR)
