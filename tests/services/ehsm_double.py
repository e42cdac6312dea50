#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Starts a stand-in for an eHSM-KMS on loopback: see ehsm/__init__.py.

When it is ready it prints one JSON line on standard output:

    {"url": ..., "ca": PATH, "control": URL, "pid": ...}

It ends as double/program.py says. `control` is the plain HTTP address of the side door described in
double/control.py and ehsm/control.py. A fault's `path` is "/ehsm?Action=NAME".
"""

from double.faults import Faults
from double.program import make_tls, parse, parser, run
from double.stats import Stats
from double.wire import Server
from ehsm.api import Api
from ehsm.control import EhsmControl

NAMES = ("127.0.0.1", "localhost", "ehsm.test")


class EhsmServer(Server):
    """Actions are told apart by the query: faults and counters take it for part of the path."""

    def respond(self, connection, request):
        if request.query:
            request.path += "?" + request.query
        return super().respond(connection, request)


def parse_args():
    options = parser("A stand-in for an eHSM-KMS, for tests.", NAMES)
    options.add_argument("--api", default="head", choices=("0.3.2", "0.4.0", "head"),
                         help="the version that it is (default: %(default)s)")
    options.add_argument("--clock-ms", type=int, help="what its clock says at the start")
    return parse(options)


def start(args):
    api = Api(args.api, args.clock_ms)
    faults, stats = Faults(), Stats()
    control = EhsmControl(api, faults, stats)
    tls, ca = make_tls(args)
    server = control.server = EhsmServer(args.port, api.answer, control.answer, faults, stats, tls)
    door = Server(0, control.answer, control.answer, Faults(), Stats())
    return {"url": "https://127.0.0.1:%d" % server.listener.port, "ca": ca,
            "control": "http://127.0.0.1:%d" % door.listener.port}


if __name__ == "__main__":
    run(parse_args(), start)
