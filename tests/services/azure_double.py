#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Starts a stand-in for Azure on loopback: see keyvault/__init__.py.

When it is ready it prints one JSON line on standard output:

    {"url": ..., "port": N, "ca": PATH, "identity": URL, "identity_header": ..., "tenant": ...,
     "client_id": ..., "client_secret": ..., "object_id": ..., "control": URL, "pid": ...}

It ends as double/program.py says. All host names are behind one port: the request's Host says
which it is for, and its certificate has them all (keyvault/clouds.py); clients are told to connect
there instead. `identity` is where IMDS, App Service and Azure Arc are, in plain HTTP; `control`
that of the side door described in double/control.py and keyvault/control.py.
"""

import secrets
import uuid

from double.faults import Faults
from double.program import make_tls, parse, parser, run
from double.stats import Stats
from double.wire import Server
from keyvault.clouds import NAMES
from keyvault.control import AzureControl
from keyvault.service import Service
from keyvault.weather import AZURE_ACTIONS


def parse_args():
    options = parser("A stand-in for Azure Key Vault, Managed HSM and Entra ID, for tests.", NAMES)
    options.add_argument("--tenant", default=str(uuid.uuid4()), help="(default: a new one)")
    options.add_argument("--client-id", default=str(uuid.uuid4()),
                         help="of an application that may all (default: a new one)")
    options.add_argument("--client-secret", default=secrets.token_urlsafe(30),
                         help="its secret (default: a new one)")
    return parse(options)


def start(args):
    service = Service(args.tenant, args.client_id, args.client_secret)
    faults, stats = Faults(service, AZURE_ACTIONS), Stats()
    control = AzureControl(service, faults, stats)
    tls, ca = make_tls(args)
    server = control.server = Server(args.port, service.answer, control.answer, faults, stats, tls)
    plain = Server(0, service.answer_plain, control.answer, faults, stats)
    door = Server(0, control.answer, control.answer, Faults(), Stats())
    return {"url": "https://127.0.0.1:%d" % server.listener.port, "port": server.listener.port,
            "ca": ca, "identity": "http://127.0.0.1:%d" % plain.listener.port,
            "identity_header": service.identity.header, "tenant": args.tenant,
            "client_id": args.client_id, "client_secret": args.client_secret,
            "object_id": service.app.object_id,
            "control": "http://127.0.0.1:%d" % door.listener.port}


if __name__ == "__main__":
    run(parse_args(), start)
