#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Starts a stand-in for a Vault server on loopback: see double/__init__.py.

When it is ready it prints one JSON line on standard output:

    {"url": ..., "ca": PATH, "token": ..., "unseal_key": ..., "control": URL, "pid": ...}

It ends as double/program.py says. `control` is the plain HTTP address of the side door described
in double/control.py, which the main address serves too.
"""

from double.api import Api
from double.faults import Faults
from double.program import make_tls, parse, parser, run
from double.stats import Stats
from double.tls import LOCAL_NAMES
from double.vault_control import VaultControl
from double.vault_faults import VAULT_ACTIONS
from double.wire import Server

STANDBY = ("standby", "performance", "dr")


def parse_args():
    options = parser("A stand-in for a Vault server, for tests.", LOCAL_NAMES)
    options.add_argument("--plain", action="store_true", help="plain HTTP, no TLS")
    options.add_argument("--token", default="root", help="the root token (default: root)")
    options.add_argument("--keys", type=int, metavar="N",
                         help="mount transit with N ECDSA P-256 keys: key-00000 and on")
    options.add_argument("--standby", nargs="?", const="standby", default="", choices=STANDBY,
                         help="answer as a standby server (default kind: standby)")
    options.add_argument("--leader", default="", metavar="URL",
                         help="where a standby sends its callers")
    options.add_argument("--sealed", action="store_true", help="start sealed")
    return parse(options)


def make_api(args):
    api = Api(args.token)
    api.system.sealed = args.sealed
    api.system.standby, api.system.leader = args.standby, args.leader
    if args.keys is not None:
        api.make_keys(args.keys)
    return api


def start(args):
    api = make_api(args)
    faults, stats = Faults(api, VAULT_ACTIONS), Stats()
    control = VaultControl(api, faults, stats)
    tls, ca = (None, None) if args.plain else make_tls(args)
    server = control.server = Server(args.port, api.answer, control.answer, faults, stats, tls)
    door = Server(0, control.answer, control.answer, Faults(), Stats())
    scheme = "https" if tls else "http"
    return {"url": "%s://127.0.0.1:%d" % (scheme, server.listener.port), "ca": ca,
            "token": args.token, "unseal_key": api.unseal_key,
            "control": "http://127.0.0.1:%d" % door.listener.port}


if __name__ == "__main__":
    run(parse_args(), start)
