#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Starts a stand-in for a Vault server on loopback: see double/__init__.py.

When it is ready it prints one JSON line on standard output:

    {"url": ..., "ca": PATH, "token": ..., "unseal_key": ..., "control": URL, "pid": ...}

It ends on SIGTERM or SIGINT, when its parent dies, and when standard input is a pipe that its
other end closes. `control` is the plain HTTP address of the side door described in
double/control.py, which the main address serves too.
"""

import argparse
import ctypes
import json
import os
import signal
import stat
import sys
import threading

from double.api import Api
from double.control import Control
from double.faults import Faults
from double.stats import Stats
from double.tls import LOCAL_NAMES, Authority
from double.wire import Server, tls_context

PR_SET_PDEATHSIG = 1
STANDBY = ("standby", "performance", "dr")


def parse_args():
    parser = argparse.ArgumentParser(description="A stand-in for a Vault server, for tests.")
    parser.add_argument("--dir", required=True, help="where ca.pem, server.pem and server.key go")
    parser.add_argument("--port", type=int, default=0, help="loopback port (default: any free one)")
    parser.add_argument("--plain", action="store_true", help="plain HTTP, no TLS")
    parser.add_argument("--cert", help="server certificate chain (PEM) instead of an own one")
    parser.add_argument("--key", help="its key (PEM)")
    parser.add_argument("--names", nargs="+", default=LOCAL_NAMES, metavar="NAME",
                        help="names in the own certificate (default: %(default)s)")
    parser.add_argument("--client-ca", action="append", default=[], metavar="FILE",
                        help="authority whose client certificates get through the handshake")
    parser.add_argument("--token", default="root", help="the root token (default: root)")
    parser.add_argument("--keys", type=int, metavar="N",
                        help="mount transit with N ECDSA P-256 keys: key-00000 and on")
    parser.add_argument("--standby", nargs="?", const="standby", default="", choices=STANDBY,
                        help="answer as a standby server (default kind: standby)")
    parser.add_argument("--leader", default="", metavar="URL",
                        help="where a standby sends its callers")
    parser.add_argument("--sealed", action="store_true", help="start sealed")
    args = parser.parse_args()
    if bool(args.cert) != bool(args.key):
        parser.error("--cert and --key go together")
    return args


def make_tls(args):
    """(context, path of the CA); neither for plain HTTP."""
    if args.plain:
        return None, None
    if args.cert:
        return tls_context(args.cert, args.key, args.client_ca), None
    authority = Authority(args.dir)
    leaf = authority.issue("server", tuple(args.names))
    return tls_context(leaf.cert, leaf.key, args.client_ca + [authority.path]), authority.path


def end_with_parent(ended):
    """PR_SET_PDEATHSIG for a parent that dies, the pipe on standard input for one that lets go."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    def watch():
        while os.read(0, 4096):
            pass
        ended.set()

    if stat.S_ISFIFO(os.fstat(0).st_mode):
        threading.Thread(target=watch, daemon=True).start()


def main():
    args = parse_args()
    os.makedirs(args.dir, exist_ok=True)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    end_with_parent(ended)

    api = Api(args.token)
    api.system.sealed = args.sealed
    api.system.standby, api.system.leader = args.standby, args.leader
    if args.keys is not None:
        api.make_keys(args.keys)
    faults, stats = Faults(api), Stats()
    control = Control(api, faults, stats)
    tls, ca = make_tls(args)
    server = control.server = Server(args.port, api.answer, control.answer, faults, stats, tls)
    door = Server(0, control.answer, control.answer, Faults(api), Stats())
    scheme = "https" if tls else "http"
    print(json.dumps({"url": "%s://127.0.0.1:%d" % (scheme, server.listener.port), "ca": ca,
                      "token": args.token, "unseal_key": api.unseal_key,
                      "control": "http://127.0.0.1:%d" % door.listener.port,
                      "pid": os.getpid()}), flush=True)
    ended.wait()
    sys.stdout.flush()
    os._exit(0)  # threads that still serve connections are not waited for


if __name__ == "__main__":
    main()
