# SPDX-License-Identifier: Apache-2.0
"""The bad weather of faults.py that knows what Vault's answers mean."""

from .api import parse_body, token_of
from .wire import Response


def edit(fault, connection, request, handle):
    """The real answer with `data` merged into its data, and `top` into the object itself."""
    response = handle(request)
    if isinstance(response.body, dict):
        response.body.update(fault.get("top", {}))
        if isinstance(response.body.get("data"), dict):
            response.body["data"].update(fault.get("data", {}))
    return response, True


def other_version(fault, connection, request, handle):
    """Works with key version `version` whatever was asked for. The answer says so, unless
    `claim` is the version that it shall pretend."""
    body = parse_body(request.body)
    body["key_version"] = fault.get("version", 1)
    request.body = Response(200, body).encode().partition(b"\r\n\r\n")[2]
    response = handle(request)
    claim = fault.get("claim")
    if claim is not None and isinstance(response.body, dict):
        _claim(response.body.get("data") or {}, claim)
    return response, True


def _claim(data, version):
    for result in data.get("batch_results", [data]):
        result["key_version"] = version
        for field in ("signature", "ciphertext", "hmac"):
            if field in result:
                result[field] = "vault:v%d:%s" % (version, result[field].split(":", 2)[2])


def expire_token(fault, connection, request, handle):
    """The request's token dies just before the request is looked at."""
    fault.api.tokens.revoke(token_of(request))
    return handle(request), True


VAULT_ACTIONS = {action.__name__: action for action in (edit, other_version, expire_token)}
