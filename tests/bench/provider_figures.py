#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the OpenSSL provider promises, measured beside its references in one run.

    meson test --benchmark -v                        in a release build, or
    HSMBRIDGE_MODULE=... HSMBRIDGE_CLI=... HSMBRIDGE_BUILD=... HSMBRIDGE_SOURCE=... \
        tests/bench/provider_figures.py [NAME...]

handshakes: full TLS 1.3 handshakes a second of nginx with a remote P-256 key, as a part of
    1/(1/S + 1/L): S, the same nginx with a software key; L, the bare libcurl loop's signatures with
    as many connections.
software: the same with a software key, where the provider is loaded, against where it is not.
dgst: `openssl dgst -sign` from start to end, against the same with a software key plus one cold
    curl that logs in and signs.

Blocks alternate, BENCH_PAIRS (20) of each; medians with their 95 % intervals, as figures.py has
them. It prints, and exits with 0.
"""

import json
import math
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "integration")]

from figures import PAIRS, interval, verdict  # noqa: E402
from harness import cli_path  # noqa: E402
from nginx import NginxTestCase  # noqa: E402
from provider_case import free_port  # noqa: E402

WORKERS = 4
CLIENTS = 8
BLOCK_MS = 1000


def median_interval(values):
    """As tools/bench_stats.c has it: order statistics of the binomial distribution."""
    ordered, count = sorted(values), len(values)
    total, low = 0.0, 0
    while True:
        total += math.comb(count, low) / 2 ** count
        if total > 0.025:
            break
        low += 1
    middle = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    low = max(low, 1)
    return {"median": middle, "low": ordered[low - 1], "high": ordered[count - low]}


class Bench(NginxTestCase):
    """Not a test: what it sets up and takes down is the same."""

    keys = {"www": "ecdsa-p256"}
    workers = WORKERS

    def runTest(self):
        """For unittest's constructor."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        role, secret = cls.vault.setup_approle(cls.vault.setup_signer())
        cls.approle = {"role_id": role, "secret_id": secret}
        cls.config.slot("web", cls.vault, timeout="10s", auth="approle",
                        role_id_file=cls.config.secret("role-id", role),
                        secret_id_file=cls.config.secret("secret-id", secret))

    def handshakes(self, port):
        done = subprocess.run([os.path.join(os.environ["HSMBRIDGE_BUILD"], "tests", "bench",
                                            "handshakes"), str(port), str(CLIENTS),
                               str(BLOCK_MS)], check=True, stdout=subprocess.PIPE, text=True)
        return float(done.stdout)

    def loop(self):
        """The bare libcurl loop's signatures a second; 6 pairs are the fewest that it does."""
        done = subprocess.run([cli_path(), "bench", "--json", "--key", "www", "--threads",
                               str(WORKERS), "--pairs", "6", "--block", "%dms" % (BLOCK_MS // 6)],
                              env=self.tool_env(), check=True, stdout=subprocess.PIPE)
        return json.loads(done.stdout)["loop"]["ops_per_second"]

    # ---- the figures ----

    def measure_handshakes(self):
        software = free_port()
        self.start_nginx(self.site_lines(), self.software_site(software))
        ratios, rows = [], []
        self.handshakes(self.port)  # warm
        for _ in range(int(PAIRS)):
            row = self.handshakes(software), self.loop(), self.handshakes(self.port)
            rows.append(row)
            ratios.append(row[2] * (1 / row[0] + 1 / row[1]))
        self.print_ratio("handshakes", "of 1/(1/S + 1/L)", ratios, 0.9)
        print("%-10s S %.0f, L %.0f, remote %.0f a second" % ("", *(
            median_interval(column)["median"] for column in zip(*rows))))

    def measure_software(self):
        with_us, without = free_port(), free_port()
        ports = {}
        for name, env in (("with", self.unit_env("nginx")),
                          ("without", dict(self.env(), OPENSSL_CONF="/dev/null"))):
            self.setUp()
            self.port = ports[name] = {"with": with_us, "without": without}[name]
            self.start_nginx(self.software_site(self.port), env=env)
        ratios = []
        for turn in range(int(PAIRS)):
            order = ("with", "without") if turn % 2 else ("without", "with")
            rates = {name: self.handshakes(ports[name]) for name in order}
            ratios.append(rates["with"] / rates["without"])
        self.print_ratio("software", "provider loaded : absent", ratios, 0.98)

    @staticmethod
    def print_ratio(name, what, values, promised):
        found = median_interval(values)
        print("%-10s %s: %s, promised %.2f: %s" % (name, what, interval(found), promised,
                                                   verdict(found["high"] >= promised)))
        sys.stdout.flush()

    @staticmethod
    def time(words, env):
        begin = time.perf_counter()
        subprocess.run(words, env=env, check=True, stdout=subprocess.DEVNULL)
        return (time.perf_counter() - begin) * 1000

    def curl_words(self):
        """One process and one connection: a login, then a signature with a token that is known."""
        login = self.write("login", json.dumps(self.approle))
        body = self.write("body", json.dumps({"input": "A" * 43 + "=", "prehashed": True,
                                              "marshaling_algorithm": "jws"}))
        base = ["--silent", "--fail", "--cacert", self.vault.ca, "--output", "/dev/null"]
        return ["curl", *base, "--data", "@" + login, self.vault.url + "/v1/auth/approle/login",
                "--next", *base, "--header", "X-Vault-Token: " + self.vault.token, "--data",
                "@" + body, self.vault.url + "/v1/transit/sign/www/sha2-256"]

    def measure_dgst(self):
        leaf = self.software_certificate("plain")
        remote = ("openssl", "dgst", "-sha256", "-sign", self.site("www.key"), self.message)
        plain = ("openssl", "dgst", "-sha256", "-sign", leaf.key, self.message)
        without = dict(self.env(), OPENSSL_CONF="/dev/null")
        curl, extra, totals = self.curl_words(), [], []
        self.time(remote, self.env())
        for _ in range(2 * int(PAIRS)):
            reference = self.time(plain, without) + self.time(curl, without)
            totals.append(self.time(remote, self.env()))
            extra.append(totals[-1] - reference)
        found = median_interval(extra)
        print("%-10s %.1f ms more (95 %%: %.1f to %.1f) of %.1f ms in all, promised at most 15: %s"
              % ("dgst", found["median"], found["low"], found["high"],
                 median_interval(totals)["median"], verdict(found["low"] <= 15)))
        sys.stdout.flush()


def main(names):
    Bench.setUpClass()
    try:
        for name in names or ["handshakes", "software", "dgst"]:
            bench = Bench()
            bench.setUp()
            try:
                getattr(bench, "measure_" + name)()
            finally:
                bench.doCleanups()
    finally:
        Bench.doClassCleanups()


if __name__ == "__main__":
    main(sys.argv[1:])
