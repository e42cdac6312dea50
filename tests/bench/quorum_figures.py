#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a quorum costs beside the slowest member that it needs.

    HSMBRIDGE_MODULE=... tests/bench/quorum_figures.py [real] [delayed]

real: three Vaults on this machine, which compete for its processors; delayed: three stand-ins that
answer after some milliseconds, as services elsewhere do. Sealing needs all three, opening the two
fastest. Blocks of the quorum and of the member alternate; a figure is the median over the pairs of
the ratio of their p50, with its 95 % interval, met when the interval's lower end reaches it.
Machines are shared and noisy, so this is no test: it prints, and exits with 0.
"""

import math
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))

from harness import Double, RealVault, TempConfig, module_path  # noqa: E402
from p11 import Module  # noqa: E402

AEAD = 0x80000000 | 0x48534201
PAIRS = int(os.environ.get("BENCH_PAIRS", "20"))
BLOCK_S = 0.5
PROMISED = 1.2
DELAYS = (0.004, 0.008, 0.016)  # seconds
MESSAGE = bytes(54)  # as long as what a member seals


def middle(values):
    values = sorted(values)
    return values[len(values) // 2]


def block(operation):
    """p50 of the operation, in seconds."""
    times, end = [], time.perf_counter() + BLOCK_S
    while time.perf_counter() < end:
        begin = time.perf_counter()
        operation()
        times.append(time.perf_counter() - begin)
    return middle(times)


def print_ratio(name, ours, theirs, promised):
    """Of pairs of p50."""
    ratios = sorted(a / b for a, b in zip(ours, theirs))
    reach = int(0.98 * math.sqrt(PAIRS))  # of the median's ranks, by the binomial's spread
    low = ratios[max(0, PAIRS // 2 - reach - 1)]
    high = ratios[min(PAIRS - 1, PAIRS // 2 + reach)]
    print("%-14s %.2f ms beside %.2f ms: %.3f (95 %%: %.3f to %.3f), promised at most %.1f: %s" %
          (name, 1000 * middle(ours), 1000 * middle(theirs), middle(ratios), low, high, promised,
           "met" if low <= promised else "NOT MET"))
    sys.stdout.flush()


def compare(name, quorum, members):
    """members: operations of those that are needed; the slowest of them counts, pair by pair."""
    for operation in (quorum, *members):
        for _ in range(20):
            operation()
    ours, theirs = [], []
    for _ in range(PAIRS):
        ours.append(block(quorum))
        theirs.append(max(block(member) for member in members))
    print_ratio(name, ours, theirs, PROMISED)


def measure(name, session_of, needed):
    quorum = session_of("q")
    key = quorum.secret_key("q")
    sealed = quorum.encrypt(key, AEAD, MESSAGE)
    members = [session_of("m%d" % number) for number in range(3)]
    keys = [member.secret_key("kek") for member in members]
    parts = [member.encrypt(its, AEAD, MESSAGE) for member, its in zip(members, keys)]

    def sealing(number):
        return lambda: members[number].encrypt(keys[number], AEAD, MESSAGE)

    def opening(number):
        return lambda: members[number].decrypt(keys[number], AEAD, parts[number])

    compare(name + " wrap", lambda: quorum.encrypt(key, AEAD, MESSAGE),
            [sealing(number) for number in range(3)])
    compare(name + " unwrap", lambda: quorum.decrypt(key, AEAD, sealed),
            [opening(number) for number in needed])


def with_vaults(name, vaults, needed):
    with TempConfig(log="none") as config:
        for number, vault in enumerate(vaults):
            vault.setup_transit()
            vault.make_key("kek", "aes256-gcm96")
            config.slot("m%d" % number, vault)
        config.slot("q", None, backend="quorum", members="m0/kek m1/kek m2/kek", threshold="2")
        loaded = Module(module_path())
        loaded.initialize(config=config.write())
        measure(name, lambda slot: loaded.open_session(loaded.slot(slot)), needed)
        loaded.finalize()
    for vault in vaults:
        vault.__exit__()


def real():
    with_vaults("real", [RealVault() for _ in range(3)], (0, 1, 2))


def delayed():
    vaults = [Double() for _ in DELAYS]
    for vault, delay in zip(vaults, DELAYS):
        for path in ("/v1/transit/encrypt", "/v1/transit/decrypt"):
            vault.fault("delay", path=path, count=0, delay=delay)
    with_vaults("delayed", vaults, (0, 1))


if __name__ == "__main__":
    for figure in sys.argv[1:] or ["real", "delayed"]:
        {"real": real, "delayed": delayed}[figure]()
