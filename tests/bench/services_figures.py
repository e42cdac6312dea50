#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What slots of the other services reach beside a bare libcurl loop on the same service.

    HSMBRIDGE_MODULE=... HSMBRIDGE_CLI=... tests/bench/services_figures.py [NAME...]

As figures.py, but against the stand-ins, which are Python, one process each, and so do one thing at
a time. With one that is busy all the time both sides wait for it, and their ratio says little of
us: then that is told, with how busy it was. (On a machine with other work it may be the limit
without being that busy.)
"""

import os
import sys
import time
from contextlib import contextmanager

from figures import print_operations, run_bench
from azure_server import AzureDouble
from bigdl_server import BigdlDouble
from ehsm_server import EhsmDouble
from harness import TempConfig
from kes_server import KesDouble
from service_slots import NAME, azure_slot, bigdl_slot, ehsm_slot, kes_slot

PROMISED = 0.95
BUSY = 0.9  # of one processor
THREADS = (1, 8)
TICKS = os.sysconf("SC_CLK_TCK")


def azure_sign(azure, config):
    azure_slot(azure, config)
    return ["sign"]


def kes_hmac(kes, config):
    kes_slot(kes, config)
    return ["sign"]


def kes_encrypt(kes, config):
    kes_slot(kes, config)
    return ["encrypt"]


def ehsm_sign(ehsm, config):
    ehsm_slot(ehsm, config, "EH_EC_P256")
    return ["sign"]


def ehsm_encrypt(ehsm, config):
    ehsm_slot(ehsm, config, "EH_AES_GCM_256")
    return ["encrypt"]


def bigdl_unwrap(kms, config):
    bigdl_slot(kms, config)
    return ["decrypt", "--mechanism", "HSMBRIDGE-BIGDL-NAME", "--in", config.secret("name", "data")]


# name: (the double, what sets it up and says what is measured)
SERVICES = {"azure-sign": (AzureDouble, azure_sign), "kes-hmac": (KesDouble, kes_hmac),
            "kes-seal": (KesDouble, kes_encrypt), "ehsm-sign": (EhsmDouble, ehsm_sign),
            "ehsm-seal": (EhsmDouble, ehsm_encrypt), "bigdl-open": (BigdlDouble, bigdl_unwrap)}


def processor_seconds(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS  # utime, stime: proc(5)


@contextmanager
def share_of(pid, ret):
    """Appends the share of one processor that a process used meanwhile."""
    began, used = time.monotonic(), processor_seconds(pid)
    yield
    ret.append((processor_seconds(pid) - used) / (time.monotonic() - began))


def measure(name):
    double, set_up = SERVICES[name]
    with double() as service, TempConfig(log_level="warning") as config:
        what = set_up(service, config)
        if double is EhsmDouble:
            print("%-10s the service takes each request once: the loop's are signed as they go" %
                  name)
        for threads in THREADS:
            busy = []
            with share_of(service.pid, busy):
                result = run_bench(config, *what, "--key", NAME, "--threads", str(threads))
            title = "%s %d" % (name, threads)
            print_operations(title, result["ratio"], PROMISED)
            ours, loop = result["ours"], result["loop"]
            print("%-10s %.0f a second, %.6f connections and %.0f us of processor time each (the "
                  "loop %.0f us); the stand-in took %.0f %% of a processor%s" %
                  (title, ours["ops_per_second"], ours["connections_per_op"],
                   ours["cpu_us_per_op"], loop["cpu_us_per_op"], 100 * busy[0],
                   ": it is the limit, and the ratio says little" if busy[0] > BUSY else ""))
            sys.stdout.flush()


if __name__ == "__main__":
    for wanted in sys.argv[1:] or SERVICES:
        measure(wanted)
