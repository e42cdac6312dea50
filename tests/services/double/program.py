# SPDX-License-Identifier: Apache-2.0
"""What the programs of all doubles have in common: options, TLS, the ready line, the end.

When such a program is ready it prints one JSON line on standard output, with its `pid`. It ends
on SIGTERM or SIGINT, when its parent dies, and when standard input is a pipe that its other end
closes.
"""

import argparse
import ctypes
import json
import os
import signal
import stat
import sys
import threading

from .tls import Authority
from .wire import tls_context

PR_SET_PDEATHSIG = 1


def parser(description, names):
    """An ArgumentParser with the common options; names: of the own certificate."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--dir", required=True,
                         help="where ca.pem, server.pem and server.key go")
    options.add_argument("--port", type=int, default=0, help="loopback port (default: a free one)")
    options.add_argument("--cert", help="server certificate chain (PEM) instead of an own one")
    options.add_argument("--key", help="its key (PEM)")
    options.add_argument("--names", nargs="+", default=names, metavar="NAME",
                         help="names in the own certificate (default: %(default)s)")
    options.add_argument("--client-ca", action="append", default=[], metavar="FILE",
                         help="authority whose client certificates get through the handshake")
    return options


def parse(options):
    args = options.parse_args()
    if bool(args.cert) != bool(args.key):
        options.error("--cert and --key go together")
    return args


def make_tls(args):
    """(context, path of the CA or None)"""
    if args.cert:
        return tls_context(args.cert, args.key, args.client_ca), None
    authority = Authority(args.dir)
    leaf = authority.issue("server", tuple(args.names))
    return tls_context(leaf.cert, leaf.key, args.client_ca + [authority.path]), authority.path


def _end_with_parent(ended):
    """PR_SET_PDEATHSIG for a parent that dies, the pipe on standard input for one that lets go."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    def watch():
        while os.read(0, 4096):
            pass
        ended.set()

    if stat.S_ISFIFO(os.fstat(0).st_mode):
        threading.Thread(target=watch, daemon=True).start()


def run(args, start):
    """Runs until told to end; start() brings the servers up and returns the ready line."""
    os.makedirs(args.dir, exist_ok=True)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    _end_with_parent(ended)
    print(json.dumps(dict(start(args), pid=os.getpid())), flush=True)
    ended.wait()
    sys.stdout.flush()
    os._exit(0)  # threads that still serve connections are not waited for
