#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the KES-compatible server costs, measured by tests/bench/kes_load.c:

    meson test --benchmark -v kes_figures            in a release build

Generate over 1 and 8 keep-alive connections, beside a server that gives a fixed answer over the
same TLS (tests/bench/tls_fixed.c) in the same run, for figures do not carry over from one machine
to the next; with and without --spin; resident memory; and how soon it listens.
Machines are shared and noisy, so this is no test: it prints, and exits with 0.
"""

import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))

from harness import TempConfig  # noqa: E402
from kes_program import KesProgram  # noqa: E402

CPU_MAX, RSS_MAX, LISTEN_MAX = 20.0, 12.0, 20.0  # us a generate at 8 connections, MB, ms
TICK = os.sysconf("SC_CLK_TCK")
ROUNDS, MS = 5, 2000


def program(name):
    return os.path.join(os.environ["HSMBRIDGE_BUILD"], "tests", "bench", name)


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as stat:
        words = stat.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICK


def resident_mb(pid):
    with open("/proc/%d/statm" % pid, encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def verdict(met):
    return "met" if met else "NOT MET"


class Target:
    """A server, and what was measured of it."""

    def __init__(self, name, pid, port, client):
        self.name, self.pid, self.port, self.client = name, pid, port, client
        self.costs, self.rates, self.last = {}, {}, {}

    def measure(self, connections):
        before = cpu_seconds(self.pid)
        result = json.loads(subprocess.run(
            [program("kes_load"), str(self.port), self.client.cert, self.client.key,
             str(connections), str(MS), "PUT", "/v1/key/generate/app"],
            stdout=subprocess.PIPE, check=True).stdout)
        if result["errors"]:
            print("%s: %d of %d requests FAILED" % (self.name, result["errors"], result["calls"]))
        self.costs.setdefault(connections, []).append(
            (cpu_seconds(self.pid) - before) * 1e6 / result["calls"])
        self.rates.setdefault(connections, []).append(result["calls"] / result["seconds"])
        self.last[connections] = result

    def median(self, values, connections):
        return sorted(values[connections])[len(values[connections]) // 2]

    def tell(self, connections):
        print("%-16s %d connections: %6d a second, %5.1f us of CPU each (%.1f to %.1f), p50 %d us, "
              "p99 %d us" % (self.name, connections, self.median(self.rates, connections),
                             self.median(self.costs, connections), min(self.costs[connections]),
                             max(self.costs[connections]), self.last[connections]["p50_us"],
                             self.last[connections]["p99_us"]))


def start_fixed(kes):
    fixed = subprocess.Popen([program("tls_fixed"), kes.cert, kes.key], stdout=subprocess.PIPE)
    return fixed, int(fixed.stdout.readline())


def listening_ms(kes):
    """From the start of the process until a connection is taken; the best of several, since what
    else the machine does comes on top."""
    best = None
    for _ in range(5):
        kes.stop()
        began = time.monotonic()
        kes.start()
        took = (time.monotonic() - began) * 1000
        best = took if best is None else min(best, took)
    return best


def main():
    with TempConfig(log_level="warning") as config, \
            TempConfig(log_level="warning") as other_config, \
            KesProgram(config, create="app") as kes, \
            KesProgram(other_config, "--spin", "50", create="app") as spinning:
        fixed, fixed_port = start_fixed(kes)
        try:
            targets = [Target("fixed answer", fixed.pid, fixed_port, kes.admin_client),
                       Target("hsmbridge-kes", kes.pid, kes.port, kes.admin_client),
                       Target("... --spin 50", spinning.pid, spinning.port,
                              spinning.admin_client)]
            for _ in range(ROUNDS):
                for connections in (1, 8):
                    for target in targets:
                        target.measure(connections)
        finally:
            fixed.kill()
            fixed.wait()
        for connections in (1, 8):
            for target in targets:
                target.tell(connections)
        cost = targets[1].median(targets[1].costs, 8)
        print("CPU of a generate at 8 connections: %.1f us, promised %.0f: %s; the fixed answer's "
              "is %.1f us" % (cost, CPU_MAX, verdict(cost <= CPU_MAX),
                              targets[0].median(targets[0].costs, 8)))
        resident = resident_mb(kes.pid)
        print("resident after that: %.1f MB, promised %.0f: %s" %
              (resident, RSS_MAX, verdict(resident <= RSS_MAX)))
        took = listening_ms(kes)
        print("listening after %.1f ms, promised %.0f: %s" % (took, LISTEN_MAX,
                                                              verdict(took <= LISTEN_MAX)))


if __name__ == "__main__":
    main()
