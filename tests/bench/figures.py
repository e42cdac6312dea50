#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The figures that this project promises, measured beside their references in one run.

    meson test --benchmark -v                        in a release build, or
    HSMBRIDGE_MODULE=... HSMBRIDGE_CLI=... HSMBRIDGE_BUILD=... tests/bench/figures.py [NAME...]

Signatures: against a real Vault over TLS 1.3 on this machine; BENCH_PAIRS (20) is how many pairs.
Session keys, the pkcs11 backend and finding keys need no Vault. Each
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

from harness import CK, Double, RealVault, TempConfig, cli_path, module_path  # noqa: E402
from p11 import Module  # noqa: E402

PAIRS = os.environ.get("BENCH_PAIRS", "20")
KEYS = 10000
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
# name: (key, threads, ratio of operations promised, ratio of p99 promised)
LOOPS = {"ecdsa-1": ("ec", 1, 0.95, None), "rsa-1": ("rsa", 1, 0.95, None),
         "ecdsa-8": ("ec", 8, 0.95, None), "rsa-8": ("rsa", 8, 0.95, None),
         "ecdsa-64": ("ec", 64, 2.0, 0.5), "rsa-64": ("rsa", 64, 0.95, None)}


def verdict(met):
    return "met" if met else "NOT MET"


def interval(ratio):
    return "%.3f (95 %%: %.3f to %.3f)" % (ratio["median"], ratio["low"], ratio["high"])


def run_bench(config, *args):
    """What `hsmbridge bench` measured."""
    done = subprocess.run([cli_path(), "bench", "--json", "--pairs", PAIRS, *args],
                          env=config.env(), check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def print_operations(name, ratio, promised):
    print("%-10s operations: %s, promised %.2f: %s" %
          (name, interval(ratio), promised, verdict(ratio["high"] >= promised)))


def bench_loop(config, name):
    key, threads, promised, tail = LOOPS[name]
    result = run_bench(config, "--key", key, "--threads", str(threads))
    print_operations(name, result["ratio"], promised)
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


def print_ratio(name, what, numbers, promised):
    middle, low, high = map(float, numbers)
    print("%-10s %s: %s, promised %.2f: %s" %
          (name, what, interval({"median": middle, "low": low, "high": high}), promised,
           verdict(high >= promised)))


def bench_program(name, *args, **options):
    program = os.path.join(os.environ["HSMBRIDGE_BUILD"], "tests", "bench", name)
    done = subprocess.run([program, module_path(), *args], check=True, text=True,
                          stdout=subprocess.PIPE, **options)
    return [line.split() for line in done.stdout.splitlines()]


def bench_session_key():
    """AES-256-GCM of 16 KiB on a session key beside raw EVP: with a context for each message, as
    C_EncryptInit is given the key for each, and with one that stays keyed: the limit."""
    whats = {"fresh": "beside EVP with a new context", "kept": "beside EVP with a kept context"}
    with TempConfig(log="none") as config:
        config.slot("local", url="http://127.0.0.1:9", insecure_transport="yes", auth="token",
                    token_file=config.secret("token", "hvs." + "x" * 24))
        for name, *numbers in bench_program("session_key", config.file):
            print_ratio("aes-gcm", whats[name], numbers, 0.9)


def make_token(config):
    """A SoftHSM2 token with an EC key; the environment that names it."""
    os.mkdir(config.path("tokens"))
    env = dict(os.environ, SOFTHSM2_CONF=config.secret(
        "softhsm2.conf", "directories.tokendir = %s\n" % config.path("tokens")))
    for command in (["softhsm2-util", "--init-token", "--free", "--label", "bench", "--so-pin",
                     "5678", "--pin", "1234"],
                    ["pkcs11-tool", "--module", SOFTHSM, "--token-label", "bench", "--login",
                     "--pin", "1234", "--keypairgen", "--key-type", "EC:prime256v1", "--label",
                     "bench", "--id", "01", "--usage-sign"]):
        subprocess.run(command, env=env, check=True, capture_output=True)
    return env


def bench_hsm():
    """32 threads on SoftHSM2 through the pkcs11 backend beside 32 threads on SoftHSM2 itself."""
    with TempConfig(log="none") as config:
        env = make_token(config)
        config.slot("hsm", backend="pkcs11", module=SOFTHSM, token="pkcs11:token=bench",
                    pin_file=config.secret("pin", "1234"))
        for numbers in bench_program("hsm_threads", config.file, SOFTHSM, "1234", env=env):
            print_ratio("hsm-32", "operations", numbers, 0.95)


def time_find(session, name, templates, promised=None):
    times = []
    for wanted in templates:
        begin = time.perf_counter()
        session.find(wanted)
        times.append((time.perf_counter() - begin) * 1000)
    times.sort()
    middle, tail = times[len(times) // 2], times[len(times) * 99 // 100]
    print("%-10s by %s: median %.3f ms, p99 %.3f ms%s" %
          ("find", name, middle, tail, "" if promised is None else
           ", promised below %d ms: %s" % (promised, verdict(middle < promised))))


def bench_find():
    """C_FindObjects over 10,000 keys that are known already."""
    with Double(keys=KEYS) as vault, TempConfig(log="none") as config:
        config.slot("bench", vault, timeout="5s", cache="1h")
        loaded = Module(module_path())
        loaded.initialize(config=config.file)
        with loaded.session(loaded.slot("bench")) as session:
            some = session.find(CKA_CLASS=CK.CKO_PRIVATE_KEY)[::KEYS // 500]
            labels = [session.attribute(key, "CKA_LABEL") for key in some]
            ids = [session.attribute(key, "CKA_ID") for key in some]
            time_find(session, "label", [{"CKA_LABEL": label} for label in labels], 2)
            time_find(session, "id", [{"CKA_ID": number} for number in ids], 2)
            time_find(session, "class and label", [{"CKA_CLASS": CK.CKO_PRIVATE_KEY,
                                                    "CKA_LABEL": label} for label in labels], 2)
            time_find(session, "class alone (all of them)",
                      [{"CKA_CLASS": CK.CKO_PRIVATE_KEY}] * 20)
        loaded.finalize()


ALONE = {"aes-gcm": bench_session_key, "hsm-32": bench_hsm, "find": bench_find}


def bench_with_vault(names):
    with RealVault() as vault, TempConfig(log_level="warning") as config:
        vault.setup_transit("ec", rsa="rsa-2048")
        config.slot("bench", vault, timeout="5s")
        config.write()
        for name in names:
            if name == "start":
                bench_start(vault)
            else:
                bench_loop(config, name)


if __name__ == "__main__":
    wanted_figures = sys.argv[1:] or [*LOOPS, "start", *ALONE]
    with_vault = [name for name in wanted_figures if name not in ALONE]
    if with_vault:
        bench_with_vault(with_vault)
    for figure in wanted_figures:
        if figure in ALONE:
            ALONE[figure]()
