# SPDX-License-Identifier: Apache-2.0
"""The bad weather of double/faults.py that knows what these services' answers mean."""

import json
from urllib.parse import urlsplit

from double.wire import Response

from .errors import conflict, forbidden, refused
from .limits import throttled

WORDS = {  # innererror to an answer of this kind
    "ForbiddenByRbac": forbidden, "AccessDenied": forbidden, "ForbiddenByFirewall": forbidden,
    "KeyOperationForbidden": forbidden, "KeyDisabled": forbidden, "KeyExpired": forbidden,
    "KeyNotYetValid": forbidden, "ObjectIsDeletedButRecoverable": conflict,
    "ObjectIsBeingDeleted": conflict}


def edit(fault, connection, request, handle):
    """The real answer with `top` merged into it and into objects in it; null takes a member away.
    """
    response = handle(request)
    if isinstance(response.body, dict):
        _merge(response.body, fault.get("top", {}))
    return response, True


def _merge(into, changes):
    for name, value in changes.items():
        if value is None:
            into.pop(name, None)
        elif isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


def refuse(fault, connection, request, handle):
    """The refusal of innererror `inner` or, without one, of `status` and `code`; `message`."""
    inner, message = fault.get("inner"), fault.get("message", "Ordered by a test.")
    if inner in WORDS:
        refusal = WORDS[inner](inner, message)
    else:
        refusal = refused(int(fault.get("status", 500)), fault.get("code", "InternalServerError"),
                          message, inner)
    return Response(refusal.status, refusal.body, refusal.headers), True


def throttle(fault, connection, request, handle):
    """429; Retry-After only if `retry_after` is given."""
    refusal = throttled(fault.get("retry_after"))
    return Response(refusal.status, refusal.body, refusal.headers), True


def end_token(fault, connection, request, handle):
    """The request's token ends just before the request is looked at."""
    fault.api.tokens.end(request.headers.get("authorization", "").partition(" ")[2])
    return handle(request), True


def insufficient_claims(fault, connection, request, handle):
    """Continuous access evaluation: 401 although the token is good."""
    header = ('Bearer authorization="https://login.microsoftonline.com/%s", '
              'resource="https://vault.azure.net", error="insufficient_claims", '
              'claims="eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZX19fQ=="'
              % fault.api.tenant)
    refusal = refused(401, "Unauthorized", "AKV10000: the token must be newer.")
    return Response(401, refusal.body, {"WWW-Authenticate": header}), True


def hostile_challenge(fault, connection, request, handle):
    """401 with the challenge of a vault that wants a token for `resource`, from `authority`."""
    header = 'Bearer authorization="%s/%s", resource="%s"' % (
        fault.get("authority", "https://login.microsoftonline.com"), fault.api.tenant,
        fault.get("resource", "https://management.azure.com"))
    refusal = refused(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.")
    return Response(401, refusal.body, {"WWW-Authenticate": header}), True


def truncate(fault, connection, request, handle):
    """A whole HTTP answer whose JSON ends after `after` bytes (default: half)."""
    response = handle(request)
    body = json.dumps(response.body).encode()
    response.body = body[:int(fault.get("after", len(body) // 2))]
    return response, True


def wrong_kid(fault, connection, request, handle):
    """The answer to an operation says that another version, or `kid`, did it."""
    response = handle(request)
    if isinstance(response.body, dict) and "kid" in response.body:
        base = response.body["kid"].rpartition("/")[0]
        response.body["kid"] = fault.get("kid", base + "/" + "0" * 32)
    return response, True


def next_link(fault, connection, request, handle):
    """A list whose nextLink is `url`; without one it is the request's own."""
    response = handle(request)
    if isinstance(response.body, dict) and "value" in response.body:
        own = "https://%s%s?%s" % (request.headers.get("host", ""), request.path, request.query)
        response.body["nextLink"] = fault.get("url", own)
    return response, True


def foreign_host(fault, connection, request, handle):
    """The real nextLink, at `host_name` (default: evil.test)."""
    response = handle(request)
    link = isinstance(response.body, dict) and response.body.get("nextLink")
    if link:
        parts = urlsplit(link)._replace(netloc=fault.get("host_name", "evil.test"))
        response.body["nextLink"] = parts.geturl()
    return response, True


AZURE_ACTIONS = {action.__name__: action for action in (
    edit, refuse, throttle, end_token, insufficient_claims, hostile_challenge, truncate, wrong_kid,
    next_link, foreign_host)}
