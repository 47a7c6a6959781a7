# SPDX-License-Identifier: GPL-2.0
"""A realm for second agents: the real sotto-authd, $SOTTO_AUTHD, with its state in a folder of
its own, and what one wants to know of members."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import second_protocol as p
from second_agent import Agent, run


class Server:
    def __init__(self):
        self.top = tempfile.mkdtemp(prefix="sotto-second.")
        self.env = dict(os.environ)
        for name in ("etc", "run", "state"):
            os.mkdir(os.path.join(self.top, name))
            self.env["SOTTO_" + name.upper()] = os.path.join(self.top, name)
        self.authd = os.environ["SOTTO_AUTHD"]
        self.sotto = os.path.join(os.path.dirname(self.authd), "sotto")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.where = "127.0.0.1:%d" % free.getsockname()[1]
        self.log = os.path.join(self.top, "log")
        self.process = None
        self.cli("realm", "init")

    def cli(self, *words):
        """What sotto prints."""
        done = subprocess.run([self.sotto, *words], env=self.env, text=True, capture_output=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout

    def stat(self, name):
        return json.loads(self.cli("realm", "stats", "--json"))[name]

    def apply(self, text):
        path = os.path.join(self.top, "policy")
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        self.cli("policy", "apply", path)

    def start(self, cookie_rate=200):
        with open(os.path.join(self.top, "etc/authd.conf"), "w", encoding="ascii") as f:
            f.write("[server]\nlisten = %s\nendpoint = %s\nworkers = 2\n[limits]\n"
                    "cookie_rate = %d\n" % (self.where, self.where, cookie_rate))
        with open(self.log, "w", encoding="ascii") as log:
            self.process = subprocess.Popen([self.authd], env=self.env, stderr=log, stdout=log)
        end = time.monotonic() + 20
        while "ready," not in self.said():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("sotto-authd does not start")
            time.sleep(0.01)

    def said(self):
        with open(self.log, encoding="utf-8") as log:
            return log.read()

    def end(self, how=signal.SIGTERM):
        if self.process:
            self.process.send_signal(how)
            status, self.process = self.process.wait(), None
            return status
        return None

    def remove(self):
        self.end(signal.SIGKILL)
        shutil.rmtree(self.top)

    def add(self, name, *addresses):
        words = [word for address in addresses for word in ("--address", address)]
        return Agent(self.cli("member", "add", name, *words).splitlines()[-1])


def agree(one, other, ask):
    """Both have the session that was granted, each with the other's keys."""
    s, t = (x.sessions.get(ask.answer.get("session-id")) for x in (one, other))
    return bool(s and t) and (s.tx, s.rx) == (t.rx, t.tx) and s.tx != s.rx


def made(agent, destination):
    ask = agent.requested(destination)
    p.need(ask.message == "session-grant", ask.refusal())
    return ask.answer["session-id"]


def online(*agents):
    return run(lambda: all(a.current and not a.hand and not any(
        x.asks for x in a.associations.values()) for a in agents))


def said(ask):
    return ask.message, ask.refusal()
