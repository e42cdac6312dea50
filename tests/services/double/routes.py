# SPDX-License-Identifier: Apache-2.0
"""A table of paths below a mount: method and pattern to function."""

import re

from .errors import Refusal

UNSUPPORTED_PATH = "1 error occurred:\n\t* unsupported path\n\n"
UNSUPPORTED_OPERATION = "1 error occurred:\n\t* unsupported operation\n\n"


class Routes:
    def __init__(self):
        self._rows = []

    def on(self, method, pattern, login=False):
        """Decorates a function of (mount, request, **groups) that returns an answer's data.
        login: it serves callers without a token."""
        def add(function):
            self._rows.append((method, re.compile(pattern), function, login))
            return function
        return add

    def find(self, method, path):
        """(function, groups, login)"""
        known = False
        for row_method, pattern, function, login in self._rows:
            match = pattern.fullmatch(path)
            known = known or match is not None
            if match and method == row_method:
                return function, match.groupdict(), login
        raise self.refusal(known)

    @staticmethod
    def refusal(known):
        """What is raised for a path that has no such method (known), or that is none."""
        return Refusal(405, [UNSUPPORTED_OPERATION]) if known else Refusal(404, [UNSUPPORTED_PATH])

    def is_login(self, method, path):
        return any(login and method == row_method and pattern.fullmatch(path)
                   for row_method, pattern, _, login in self._rows)
