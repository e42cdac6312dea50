#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Starts a stand-in for a BigDL KMS on loopback: see bigdl/__init__.py.

When it is ready it prints one JSON line on standard output:

    {"url": ..., "ca": PATH, "control": URL, "pid": ...}

It ends as double/program.py says. `control` is the plain HTTP address of the side door described in
double/control.py and bigdl/control.py.
"""

import os

from bigdl.api import Api
from bigdl.control import BigdlControl
from bigdl.store import PRIMARY_LEN, Keywhiz, Store
from double.faults import Faults
from double.program import make_tls, parse, parser, run
from double.stats import Stats
from double.wire import Server

NAMES = ("127.0.0.1", "localhost", "bigdl.test")


def parse_args():
    options = parser("A stand-in for a BigDL KMS, for tests.", NAMES)
    options.add_argument("--v1", action="store_true", help="the first generation, over keywhiz")
    options.add_argument("--no-root-key", action="store_true", help="it was never set up")
    return parse(options)


def start(args):
    store = Keywhiz() if args.v1 else Store(b"" if args.no_root_key else os.urandom(PRIMARY_LEN))
    api = Api(store, args.v1)
    faults, stats = Faults(), Stats()
    control = BigdlControl(api, faults, stats)
    tls, ca = make_tls(args)
    server = control.server = Server(args.port, api.answer, control.answer, faults, stats, tls)
    door = Server(0, control.answer, control.answer, Faults(), Stats())
    return {"url": "https://127.0.0.1:%d" % server.listener.port, "ca": ca,
            "control": "http://127.0.0.1:%d" % door.listener.port}


if __name__ == "__main__":
    run(parse_args(), start)
