# SPDX-License-Identifier: Apache-2.0
"""The BigDL double as a process of a test, and what BigDL's own client does with it.

    with BigdlDouble() as kms:
        user = kms.enroll("alice", "token")
        user.primary("p")
        user.data("d", "p")
        user.get("d", "p")                       # the bytes
"""

import base64
import http.client
import os
import ssl
import urllib.parse
from collections import namedtuple

from double.tls import Authority
from process import PYTHON, Controlled, Process, ServerError

SERVICES = os.path.dirname(os.path.abspath(__file__))
NAMES = ("127.0.0.1", "localhost", "bigdl.test")
Reply = namedtuple("Reply", "status headers body")


def quote(text):
    return urllib.parse.quote(text, safe="")


class User:
    """BigDLKeyManagementService: primary keys by name, data keys by name."""

    def __init__(self, server, name, token):
        self.server, self.name, self.token = server, name, token

    def _call(self, method, kind, name, primary=None):
        path = "/%s/%s?" % (kind, quote(name))
        if primary is not None:
            path += "primaryKeyName=%s&&" % quote(primary)
        reply = self.server.call(method, "%suser=%s&&token=%s" % (path, quote(self.name),
                                                                 quote(self.token)))
        if reply.status != 200:
            raise ServerError("%d: %s" % (reply.status, reply.body.decode()))
        return reply.body.decode()

    def primary(self, name):
        return self._call("POST", "primaryKey", name)

    def data(self, name, primary):
        return self._call("POST", "dataKey", name, primary)

    def get(self, name, primary):
        return base64.b64decode(self._call("GET", "dataKey", name, primary), validate=True)


class BigdlDouble(Controlled, Process):
    """url, ca, port"""

    def __init__(self, *options, authority=None, port=0, names=NAMES):
        super().__init__()
        self._options = options
        self.authority = authority or Authority(self.dir)
        self.ca = self.authority.path
        self._leaf = self.authority.issue("server-" + os.path.basename(self.dir), names)
        self._context = ssl.create_default_context(cafile=self.ca)
        self.start(port)

    def _command(self, port):
        return [PYTHON, os.path.join(SERVICES, "bigdl_double.py"), "--dir", self.dir, "--port",
                str(port), "--cert", self._leaf.cert, "--key", self._leaf.key, *self._options]

    def start(self, port=None):
        self.launch(self.port if port is None else port)
        self.url = self.ready["url"]
        self.port = int(self.url.rsplit(":", 1)[1])

    def call(self, method, path, body=None):
        door = http.client.HTTPSConnection("127.0.0.1", self.port, context=self._context,
                                           timeout=30)
        try:
            door.request(method, path, body)
            reply = door.getresponse()
            return Reply(reply.status, dict(reply.getheaders()), reply.read())
        finally:
            door.close()

    def enroll(self, name, token):
        reply = self.call("POST", "/user/%s?token=%s" % (quote(name), quote(token)))
        if reply.status != 200:
            raise ServerError(reply.body.decode())
        return User(self, name, token)

    def state(self, **state):
        """root, java8: bigdl/control.py"""
        self.control("POST", "state", state)

    def rotations(self):
        return self.control("POST", "facts")["rotations"]
