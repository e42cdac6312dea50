# SPDX-License-Identifier: Apache-2.0
"""From a request to an answer, in the order of akka's routes: path, method, parameters, login, keys.
Whatever goes wrong behind the parameters is an exception, and an exception is a 500."""

import base64
import json
import urllib.parse

from double.wire import Response

from . import shamir
from .store import Thrown

TEXT = "text/plain; charset=UTF-8"
SERVER = {"Server": "akka-http/10.1.15"}
NOT_FOUND = "The requested resource could not be found."
SHARES, NEEDED = 5, 3
ADVICE = {
    "user": "create a user like: POST /user/{userName}?token=a_token_for_the_user",
    "primary": "get a primary key like: POST /primaryKey/{primaryKeyName}"
               "?user=your_username&&token=your_token",
    "data": "get a data key like: POST /dataKey/{dataKeyName}?primaryKeyName="
            "the_primary_key_name&&user=your_username&&token=your_token",
    "get": "get the data key like: GET /dataKey/{dataKeyName}?primaryKeyName="
           "the_primary_key_name&&user=your_username&&token=your_token"}
WELCOME = {False: "welcome to bigdl-key-management-server", True: "welcome to BigDL KMS Frontend"}
PRIMARY_DONE = {False: "generate primaryKey [%s] successfully!",
                True: "primaryKey [%s] is generated successfully!"}


class Refusal(Exception):
    def __init__(self, status, text):
        super().__init__(status, text)
        self.status, self.text = status, text


def answer(status, text):
    return Response(status, text.encode(), SERVER, TEXT)


def parameters(query):
    """The first value of each; a bare '+' is a blank, and '&&' nothing."""
    found = {}
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True):
        found.setdefault(name, value)
    return found


class Api:
    """v1: of the first generation."""

    def __init__(self, store, v1=False):
        self.store = store
        self.v1 = v1
        self.java8 = False
        self._shares = {}

    METHODS = {"user": ["POST"], "primaryKey": ["POST"], "dataKey": ["POST", "GET"]}

    def answer(self, request):
        try:
            return answer(200, self._route(request))
        except Refusal as refusal:
            return answer(refusal.status, refusal.text)

    def _route(self, request):
        segments = [urllib.parse.unquote(part) for part in request.path.split("/")[1:]]
        if request.path == "/":
            return WELCOME[self.v1] + "\n \ncreate a user like: POST /user/{userName}?..."
        if segments[0] == "rootKey" and not self.v1:
            return self._root_key(request, segments[1:])
        if len(segments) != 2 or segments[0] not in self.METHODS or not segments[1]:
            raise Refusal(404, NOT_FOUND)
        methods = self.METHODS[segments[0]]
        if request.method not in methods:
            raise Refusal(405, "HTTP method not allowed, supported methods: " + ", ".join(methods))
        return self._operation(request, *segments)

    def _operation(self, request, kind, name):
        given = parameters(request.query)
        wanted = {"user": ["token"], "primaryKey": ["user", "token"],
                  "dataKey": ["primaryKeyName", "user", "token"]}[kind]
        for parameter in wanted:
            if parameter not in given:
                raise Refusal(404, "Request is missing required query parameter '%s'" % parameter)
        operation = {"user": "user", "primaryKey": "primary",
                     "dataKey": "data" if request.method == "POST" else "get"}[kind]
        try:
            if kind != "user":
                self.store.login(given["user"], given["token"])
            return getattr(self, "_" + operation)(name, given)
        except Thrown as thrown:
            text = "null" if self.java8 and str(thrown).startswith("Cannot invoke") else str(thrown)
            raise Refusal(500, "%s\n please %s" % (text, ADVICE[operation])) from None

    def _user(self, name, given):
        self.store.add_user(name, given["token"])
        return "user [%s] is created successfully!" % name

    def _primary(self, name, given):
        self.store.add_primary(given["user"], name)
        return PRIMARY_DONE[self.v1] % name

    def _data(self, name, given):
        self.store.add_data(given["user"], name, given["primaryKeyName"])
        return "dataKey [%s] is generated successfully!" % name

    def _get(self, name, given):
        key = self.store.data(given["user"], name, given["primaryKeyName"])
        return base64.b64encode(key).decode()

    # ---- the root key: anybody may ----

    def _root_key(self, request, rest):
        if (request.method, rest) == ("GET", ["rotate"]):
            shares = shamir.split(self.store.rotate(), SHARES, NEEDED)
            self._shares = {}
            return "%s need %d of %d shares to recover" % (
                ",".join('{"index":%d,"content":"%s"}' % (n, base64.b64encode(share).decode())
                         for n, share in shares.items()), NEEDED, SHARES)
        if (request.method, rest) == ("PUT", ["recover"]):
            return self._recover(json.loads(request.body))
        raise Refusal(404, NOT_FOUND)

    def _recover(self, share):
        self._shares[int(share["index"])] = base64.b64decode(share["content"])
        if len(self._shares) < NEEDED:
            return "received %d/%d shares" % (len(self._shares), NEEDED)
        self.store.root_key = shamir.join(self._shares)
        self._shares = {}
        return "recover root key and initialize server successfully!"
