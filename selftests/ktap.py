# SPDX-License-Identifier: GPL-2.0
"""KTAP on standard output, with the exit status that kselftest expects."""
import sys

PASS, FAIL, SKIP = 0, 1, 4


def difference(got, want):
    """Lines that tell two values apart; of two like collections only what differs."""
    if isinstance(got, dict) and isinstance(want, dict):
        got, want = set(map(repr, got.items())), set(map(repr, want.items()))
    elif isinstance(got, (list, set)) and type(got) is type(want):
        got, want = set(map(repr, got)), set(map(repr, want))
    if not isinstance(got, set) or got == want:
        return ["got  %r" % (got,), "want %r" % (want,)]
    return (["only got  " + x for x in sorted(got - want)] +
            ["only want " + x for x in sorted(want - got)])


class Ktap:
    """Numbered results. Names are stable; what went wrong stands in # lines above."""

    def __init__(self, plan=None):
        self.number = self.failed = self.passed = self.skipped = 0
        print("TAP version 13", flush=True)
        if plan is not None:
            print("1..%d" % plan, flush=True)
        self.plan = plan

    def result(self, ok, name, *why):
        """One test. *why is printed when it failed."""
        self.number += 1
        if not ok:
            self.diag(*why)
        print("%sok %d - %s" % ("" if ok else "not ", self.number, name), flush=True)
        self.passed += bool(ok)
        self.failed += not ok
        return ok

    def equal(self, got, want, name):
        return self.result(got == want, name, *difference(got, want))

    def skip(self, name, why):
        self.number += 1
        self.skipped += 1
        print("ok %d - %s # SKIP %s" % (self.number, name, why), flush=True)

    @staticmethod
    def diag(*lines):
        for line in lines:
            for part in str(line).splitlines() or [""]:
                print("# " + part, flush=True)

    def end(self):
        if self.plan is None:
            print("1..%d" % self.number, flush=True)
        self.diag("Totals: pass:%d fail:%d xfail:0 xpass:0 skip:%d error:0"
                  % (self.passed, self.failed, self.skipped))
        if self.failed or self.plan not in (None, self.number):
            sys.exit(FAIL)
        sys.exit(PASS if self.passed or not self.skipped else SKIP)


def skip_all(why):
    """Nothing can be tested here."""
    print("TAP version 13\n1..0 # SKIP %s" % why, flush=True)
    sys.exit(SKIP)
