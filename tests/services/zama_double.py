#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Starts a stand-in for Zama's threshold KMS on loopback: see zama/__init__.py.

When it is ready it prints one JSON line on standard output:

    {"parties": [{"party": 1, "url": ..., "address": ..., "point": HEX, "ed25519": HEX}, ...],
     "threshold": T, "key_ids": [HEX, ...], "ca": PATH or null, "control": URL, "pid": ...}

It ends as double/program.py says. `control` is the plain HTTP address of the side door described in
double/control.py and zama/control.py.
"""

import asyncio
import hashlib
import ssl
import threading

from double.faults import Faults
from double.program import make_tls, parse, parser, run
from double.stats import Stats
from double.wire import Server
from zama.control import PartyStats, ZamaControl
from zama.http2 import Door
from zama.service import Service
from zama.signing import checksummed
from zama.weather import Weather

NAMES = ("127.0.0.1", "localhost", "zama.test")


def parse_args():
    options = parser("A stand-in for Zama's threshold KMS, for tests.", NAMES)
    options.add_argument("--parties", type=int, default=4, help="1: centralized (default: 4)")
    options.add_argument("--threshold", type=int, help="parties that may be corrupt (default: "
                         "fewer than a third of them)")
    options.add_argument("--seed", default="hsmbridge", help="the parties' keys come from it")
    options.add_argument("--tls", action="store_true", help="TLS on the parties' ports")
    options.add_argument("--mtls", action="store_true", help="and client certificates demanded")
    options.add_argument("--recorded", metavar="FILE", help="recorded ciphertexts that are known, "
                         "with their key: tests/fixtures/zama/ciphertexts.json")
    return parse(options)


def make_context(args):
    if not args.tls and not args.mtls:
        return None, None
    context, ca = make_tls(args)
    context.set_alpn_protocols(["h2"])
    if args.mtls:
        context.verify_mode = ssl.CERT_REQUIRED
    return context, ca


def make_service(args):
    threshold = (args.parties - 1) // 3 if args.threshold is None else args.threshold
    seed = args.seed.encode()
    return threshold, Service(args.parties, threshold, seed,
                              [hashlib.sha256(b"key " + seed).hexdigest()], args.recorded)


def describe(door, scheme):
    signer = door.party.signer
    return {"party": door.party.number, "url": "%s://127.0.0.1:%d" % (scheme, door.port),
            "address": checksummed(signer.address), "point": signer.point.hex(),
            "ed25519": signer.ed25519.hex()}


def start(args):
    context, ca = make_context(args)
    loop, weather, stats = asyncio.new_event_loop(), Weather(), PartyStats()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    threshold, service = make_service(args)
    doors = {number: Door(party, weather, stats, context)
             for number, party in service.parties.items()}
    if args.port:
        for number, door in doors.items():
            door.port = args.port + number - 1
    for door in doors.values():
        asyncio.run_coroutine_threadsafe(door.open(), loop).result(10)
    control = ZamaControl(service, doors, weather, stats, loop)
    side = Server(0, control.answer, control.answer, Faults(), Stats())
    return {"parties": [describe(door, "https" if context else "http") for door in doors.values()],
            "threshold": threshold, "key_ids": service.key_ids, "ca": ca,
            "control": "http://127.0.0.1:%d" % side.listener.port}


if __name__ == "__main__":
    run(parse_args(), start)
