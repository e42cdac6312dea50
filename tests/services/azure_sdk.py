# SPDX-License-Identifier: Apache-2.0
"""Microsoft's own clients, made to find the stand-in behind the real host names."""

import os
import socket
from unittest import mock

from azure.core.pipeline.transport import RequestsTransport
from requests import Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection


def transport(azure):
    """An azure-core transport that connects to an AzureDouble, whatever the URL's host, and
    verifies the certificate for that host."""
    class Connection(HTTPSConnection):
        def _new_conn(self):
            sock = socket.create_connection(("127.0.0.1", azure.port), 60)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    adapter = HTTPAdapter()
    adapter.poolmanager.pool_classes_by_scheme = dict(
        adapter.poolmanager.pool_classes_by_scheme, https=Pool)
    session = Session()
    session.trust_env = False
    session.mount("https://", adapter)
    return RequestsTransport(session=session, session_owner=False, connection_verify=azure.ca)


def environment(**values):
    """A context with these variables and none of those by which a credential finds its service."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("AZURE_", "IDENTITY_", "MSI_", "IMDS_"))}
    return mock.patch.dict(os.environ, dict(kept, NO_PROXY="*", **values), clear=True)
