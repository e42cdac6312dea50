# SPDX-License-Identifier: Apache-2.0
"""What has a name and versions, be it a key or a certificate."""


class Versioned:
    """name: as first given; versions: the newest is last; deleted: time of deletion, or None."""

    def __init__(self, name):
        self.name = name
        self.versions = []
        self.deleted = None

    @property
    def latest(self):
        return self.versions[-1]

    def find(self, ident):
        """A version by its id; the latest without one; None if there is none."""
        if not ident:
            return self.latest
        return next((one for one in self.versions if one.id == ident.lower()), None)
