#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The figures that this project promises, measured beside their references in one run.

    meson test --benchmark -v                        in a release build, or
    HSMBRIDGE_MODULE=... HSMBRIDGE_CLI=... HSMBRIDGE_BUILD=... tests/bench/figures.py [NAME...]

Against a real Vault over TLS 1.3 on this machine; BENCH_PAIRS (20) is how many pairs. Each
figure is a ratio with its 95 % interval, met when the interval's upper end reaches it (a p99's
when the lower end does). Machines are shared and noisy, so this is no test: it prints, and exits
with 0.
"""

import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))

from harness import RealVault, TempConfig, cli_path, module_path  # noqa: E402
from p11 import Module  # noqa: E402

PAIRS = os.environ.get("BENCH_PAIRS", "20")
# name: (key, threads, ratio of operations promised, ratio of p99 promised)
LOOPS = {"ecdsa-1": ("ec", 1, 0.95, None), "rsa-1": ("rsa", 1, 0.95, None),
         "ecdsa-8": ("ec", 8, 0.95, None), "rsa-8": ("rsa", 8, 0.95, None),
         "ecdsa-64": ("ec", 64, 2.0, 0.5), "rsa-64": ("rsa", 64, 0.95, None)}


def verdict(met):
    return "met" if met else "NOT MET"


def interval(ratio):
    return "%.3f (95 %%: %.3f to %.3f)" % (ratio["median"], ratio["low"], ratio["high"])


def bench_loop(config, name, *more):
    key, threads, promised, tail = LOOPS[name]
    done = subprocess.run([cli_path(), "bench", "--json", "--key", key, "--threads", str(threads),
                           "--pairs", PAIRS, *more], env=config.env(), check=True,
                          stdout=subprocess.PIPE)
    result = json.loads(done.stdout)
    ratio = result["ratio"]
    print("%-10s operations: %s, promised %.2f: %s" %
          (name, interval(ratio), promised, verdict(ratio["high"] >= promised)))
    if tail is not None:
        ratio = result["p99_ratio"]
        print("%-10s p99: %s, promised below %.2f: %s" %
              (name, interval(ratio), tail, verdict(ratio["low"] < tail)))
    sys.stdout.flush()


def bench_start(vault):
    """C_Initialize to C_GetMechanismList with every endpoint dead."""
    times = []
    with TempConfig(log="none") as config:
        for slot in range(4):
            config.slot("dead%d" % slot, None, backend="vault", url="https://127.0.0.1:9",
                        token_file=config.secret("token%d" % slot, "hvs." + "x" * 24),
                        ca_file=vault.ca)
        config.write()
        loaded = Module(module_path())
        for _ in range(51):
            begin = time.perf_counter()
            loaded.initialize(config=config.file)
            for slot in loaded.slots():
                loaded.token_info(slot)
                loaded.mechanisms(slot)
            times.append(time.perf_counter() - begin)
            loaded.finalize()
    times.sort()
    middle = times[len(times) // 2] * 1000
    print("%-10s %.2f ms, promised below 5 ms: %s" % ("start", middle, verdict(middle < 5)))


def bench_session_key(config):
    """AES-256-GCM of 16 KiB on a session key beside raw EVP with a kept, keyed context."""
    program = os.path.join(os.environ["HSMBRIDGE_BUILD"], "tests", "bench", "session_key")
    done = subprocess.run([program, module_path(), config.file], check=True,
                          stdout=subprocess.PIPE)
    middle, low, high = map(float, done.stdout.split())
    print("%-10s operations: %s, promised 0.90: %s" %
          ("aes-gcm", interval({"median": middle, "low": low, "high": high}),
           verdict(high >= 0.9)))


if __name__ == "__main__":
    wanted = sys.argv[1:] or [*LOOPS, "aes-gcm", "start"]
    with RealVault() as vault, TempConfig(log_level="warning") as bench_config:
        vault.setup_transit("ec", rsa="rsa-2048")
        bench_config.slot("bench", vault, timeout="5s")
        bench_config.write()
        for figure in wanted:
            if figure == "start":
                bench_start(vault)
            elif figure == "aes-gcm":
                bench_session_key(bench_config)
            else:
                bench_loop(bench_config, figure)
