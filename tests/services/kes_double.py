#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Starts a stand-in for a KES server on loopback: see kes/__init__.py.

When it is ready it prints one JSON line on standard output:

    {"url": ..., "ca": PATH, "control": URL, "pid": ...}

It ends as double/program.py says. `control` is the plain HTTP address of the side door described in
double/control.py and kes/control.py.
"""

import json

from double.faults import Faults
from double.program import parse, parser, run
from double.stats import Stats
from double.tls import Authority
from double.wire import Server
from kes import stores
from kes.api import Api
from kes.control import KesControl
from kes.mtls import Context

NAMES = ("127.0.0.1", "localhost", "kes.test")


def parse_args():
    options = parser("A stand-in for a KES server, for tests.", NAMES)
    options.add_argument("--admin", default="", metavar="IDENTITY", help="who may do everything")
    options.add_argument("--clients", default="any", metavar="MODE",
                         help="any, optional, or the path of an authority that vouches for them")
    options.add_argument("--files", metavar="DIR", help="keep keys in files there")
    options.add_argument("--vault", metavar="FILE",
                         help="keep keys in a Vault: JSON with what kes/stores.py tells")
    return parse(options)


def make_store(args):
    if args.vault:
        with open(args.vault, encoding="utf-8") as file:
            return stores.Vault(json.load(file))
    return stores.Files(args.files) if args.files else stores.Memory()


def make_leaf(args):
    """(certificate, key, the authority's path or None)"""
    if args.cert:
        return args.cert, args.key, None
    authority = Authority(args.dir)
    leaf = authority.issue("server", tuple(args.names))
    return leaf.cert, leaf.key, authority.path


def start(args):
    api = Api(make_store(args))
    api.rights.admin = args.admin
    faults, stats = Faults(), Stats()
    control = KesControl(api, faults, stats)
    cert, key, ca = make_leaf(args)
    server = control.server = Server(args.port, api.answer, control.answer, faults, stats,
                                     Context(cert, key, args.clients))
    door = Server(0, control.answer, control.answer, Faults(), Stats())
    return {"url": "https://127.0.0.1:%d" % server.listener.port, "ca": ca,
            "control": "http://127.0.0.1:%d" % door.listener.port}


if __name__ == "__main__":
    run(parse_args(), start)
