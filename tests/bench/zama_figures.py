#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a public decryption costs beside the parties' own answers.

    HSMBRIDGE_MODULE=... tests/bench/zama_figures.py

Four parties on this machine, one of which may lie: of their answers to one question, asked of
all at once by grpcio, the second fastest is the slowest that is needed. Blocks of the slot's
decryptions and of such questions alternate; a figure is the median over the pairs of the ratio of
their p50, with its 95 % interval, met when the interval's lower end reaches it. Machines are shared
and noisy, and the parties are Python in one process, so this is no test: it prints, and exits with
0.
"""

import os
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "integration")]

from harness import CK, TempConfig, module_path  # noqa: E402
from p11 import Module  # noqa: E402
from quorum_figures import PAIRS, block, middle, print_ratio  # noqa: E402
from zama_case import fhe  # noqa: E402
from zama_client import Asked, Caller  # noqa: E402
from zama_server import EUINT64, ZamaDouble  # noqa: E402

PROMISED = 1.3
LATENCY = 0.01  # seconds; about what real parties take for a big compressed ciphertext
BLOCK_S = 0.5
FORMAT = 2  # big compressed


def fastest(callers, message, needed):
    """Seconds until so many of the parties have answered."""
    taken, ready = [], threading.Semaphore(0)
    begin = time.perf_counter()

    def done(_):
        taken.append(time.perf_counter() - begin)
        ready.release()

    futures = [caller.start("PublicDecryptSync", message) for caller in callers]
    for future in futures:
        future.add_done_callback(done)
    for future in futures:
        assert Caller.take(future).code == 0
        ready.acquire()
    return sorted(taken)[needed - 1]


def raw_block(zama, callers, sealed):
    """p50 of the slowest answer that is needed."""
    times, end = [], time.perf_counter() + BLOCK_S
    while time.perf_counter() < end:
        asked = Asked(zama, blob=sealed, fhe_type=EUINT64, claimed_format=FORMAT, schemes=(0,))
        times.append(fastest(callers, asked.message, zama.threshold + 1))
    return middle(times)


def measure(zama, session):
    key = session.find_one(CKA_CLASS=CK.CKO_PRIVATE_KEY, CKA_ID=bytes.fromhex(zama.key_id))
    sealed = zama.seal(EUINT64, 1, FORMAT)
    callers = [Caller(party) for party in zama.parties.values()]

    def decrypt():
        session.decrypt(key, fhe(EUINT64), sealed)

    block(decrypt)
    raw_block(zama, callers, sealed)
    pairs = [(block(decrypt), raw_block(zama, callers, sealed)) for _ in range(PAIRS)]
    for caller in callers:
        caller.__exit__()
    return pairs


def main():
    with ZamaDouble() as zama, TempConfig(log_level="warning") as config:
        zama.state(latency=LATENCY)
        config.slot("fhe", None, **zama.slot())
        module = Module(module_path())
        module.initialize(config.write())
        with module.session(module.slot("fhe")) as session:
            pairs = measure(zama, session)
        module.finalize()
    print_ratio("zama-decrypt", *zip(*pairs), PROMISED)


if __name__ == "__main__":
    main()
