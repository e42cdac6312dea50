# SPDX-License-Identifier: Apache-2.0
"""Lists in pages: maxresults, nextLink and the mark within it."""

import json
from urllib.parse import quote

from . import jwt
from .errors import bad

PAGE_MAX = 25


def page(vault, call, things, show):
    """One page; a nextLink of null ends the last. The port is in it even where the request's URL
    had none, as the real service does."""
    size = _size(call.query.get("maxresults", PAGE_MAX))
    start = _start(call.query.get("$skiptoken"))
    shown = [show(thing) for thing in things[start:start + size]]
    return {"value": shown, "nextLink": _link(vault, call, start + size)
            if start + size < len(things) else None}


def _size(text):
    try:
        size = int(text)
    except ValueError:
        size = 0
    if not 1 <= size <= PAGE_MAX:
        raise bad("Invalid value for maxresults: %s. It must be between 1 and %d."
                  % (text, PAGE_MAX))
    return size


def _start(mark):
    if mark is None:
        return 0
    try:
        return int(json.loads(jwt.decode(mark))["NextMarker"])
    except (ValueError, KeyError, TypeError):
        raise bad("Invalid value for $skiptoken.") from None


def _link(vault, call, start):
    mark = jwt.encode(json.dumps({"NextMarker": str(start)}).encode())
    link = "https://%s:%d/%s?api-version=%s&$skiptoken=%s" % (
        vault.host, vault.port or 443, quote(call.path), call.api_version, mark)
    if "maxresults" in call.query:
        link += "&maxresults=" + call.query["maxresults"]
    return link
