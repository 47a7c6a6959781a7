# SPDX-License-Identifier: GPL-2.0
"""
Dumps that others change things under: what is there all the time is shown once, and
nothing is shown twice.
"""
from sotto_nl import Sock, obj
from uapi_env import host, sa

PART = 4096	# bytes read at once: the kernel cuts dumps to this


def of_policy(t):
    with host() as s, Sock(size=PART) as small:
        names = ["10.%d.%d.0" % (i // 250, i % 250) for i in range(1000)]
        for p in names:
            s.do("POLICY_ADD", obj("POLICY", PREFIX=p, PLEN=24, ACTION=0))
        got, disturbed = small.dump("POLICY_GET")
        t.equal((sorted(p["PREFIX"] for p in got), disturbed), (sorted(names), False),
                "dump of policy: whole, and calm when nothing changes")
        doomed = names[5::50] + names[::-50]
        victims, parts = iter(doomed), []

        def between():
            parts.append(1)
            for _ in range(4):
                p = next(victims, None)
                if p:
                    s.do("POLICY_DEL", obj("POLICY", PREFIX=p, PLEN=24))
                    s.do("POLICY_ADD", obj("POLICY", PREFIX=p, PLEN=25, ACTION=0))
        got, disturbed = small.dump("POLICY_GET", between)
        shown = [(p["PREFIX"], p["PLEN"]) for p in got]
        t.result(len(parts) > 5 and len(shown) == len(set(shown)), "dump of policy: nothing twice",
                 len(parts))
        t.equal(sorted(p for p, n in shown if n == 24 and p not in doomed),
                sorted(set(names) - set(doomed)),
                "dump of policy: what stays is shown while others come and go")
        t.result(disturbed, "dump of policy: and it says that it was disturbed")


def of_tunnels(t):
    with host() as s, Sock(size=PART) as small:
        peers = [["10.9.%d.%d" % (i, j) for j in range(1, 17)] for i in range(30)]
        for i, p in enumerate(peers):
            s.do("SA_ADD", sa(DIR=1, SPI=1000 + i, PEER_ADDR=p))
        every = [a for p in peers for a in p]
        doomed = every[3::9]
        victims, fresh = iter(doomed[::2] + doomed[1::2][::-1]), iter(range(1, 255))

        def between():
            for _ in range(4):
                a = next(victims, None)
                if a:
                    s.do("TUNNEL_DEL", obj("TUNNEL", DST=a))
            s.do("SA_ADD", sa(DIR=1, SPI=5000, PEER_ADDR=["10.99.0.%d" % next(fresh)]))
        got = [x["DST"] for x in small.dump("TUNNEL_GET", between)[0]]
        t.result(next(fresh) > 10 and len(got) == len(set(got)), "dump of tunnels: nothing twice", got)
        t.equal(sorted(a for a in got if a in every and a not in doomed),
                sorted(set(every) - set(doomed)),
                "dump of tunnels: what stays is shown while others come and go")


def of_associations(t):
    with host() as s, Sock(size=PART) as small:
        every = range(1000, 1100)
        for spi in every:
            s.do("SA_ADD", sa(DIR=0, SPI=spi, PEER_ADDR=["10.9.0.1"]))
            s.do("SA_ADD", sa(DIR=1, SPI=spi, PEER_ADDR=["10.9.0.1"], PAIR_SPI=spi))
        numbers = [x["ID"] for x in s.dump("SA_GET")[0] if x["DIR"]]
        doomed_in, doomed_out = every[1::5], numbers[2::5]
        inbound, outbound = iter(doomed_in), iter(doomed_out[::-1])

        def between():
            spi, number = next(inbound, None), next(outbound, None)
            if spi:
                s.do("SA_DEL", obj("SA", SPI=spi))
                s.do("SA_ADD", sa(DIR=0, SPI=spi + 1000, PEER_ADDR=["10.9.0.1"]))
            if number:
                s.do("SA_DEL", obj("SA", ID=number))
                s.do("SA_ADD", sa(DIR=1, SPI=9999, PEER_ADDR=["10.9.0.1"]))
        got = small.dump("SA_GET", between)[0]
        shown = [(x["DIR"], x["ID"] if x["DIR"] else x["SPI"]) for x in got]
        t.result(next(inbound, 9999) > every[30] and len(shown) == len(set(shown)),
                 "dump of SAs: nothing twice", shown)
        t.equal(sorted(k for d, k in shown if not d and k in every and k not in doomed_in),
                sorted(set(every) - set(doomed_in)),
                "dump of SAs: inbound ones that stay are shown while others come and go")
        t.equal(sorted(k for d, k in shown if d and k in numbers and k not in doomed_out),
                sorted(set(numbers) - set(doomed_out)), "dump of SAs: and outbound ones")
