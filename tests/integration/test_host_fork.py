#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Forks: children with and without C_Initialize, beside 64 threads that sign and list."""

import unittest

from hosts import HostTestCase

CHILDREN = 200


class ForkTest(HostTestCase):
    def test_fork_when_64_threads_sign_and_list_then_no_hang_and_no_broken_connection(self):
        self.check_host("fork", str(CHILDREN))
        stats = self.vault.stats()
        self.assertGreaterEqual(stats["connections"], CHILDREN)  # a child has its own
        # A byte of a child's in its parent's stream would break a record: the server ends such a
        # connection, the parent repeats the request, and some answer is lost.
        self.assertEqual(stats["by_status"], {"200": stats["requests"]})
        log = self.config.log()
        self.assertNotIn(" error: ", log)
        self.assertNotIn(" warning: ", log)

    def test_fork_when_every_listing_asks_the_server_then_no_hang(self):
        self.config.slot("web", self.vault, cache="0s")
        self.check_host("fork", str(CHILDREN // 2))
        stats = self.vault.stats()
        self.assertEqual(stats["by_status"], {"200": stats["requests"]})

    def test_child_when_made_without_handlers_then_works_or_inherits_nothing(self):
        self.check_host("child")

    def test_token_when_child_finalizes_then_is_not_revoked(self):
        self.check_host("fork", "4")
        self.assertEqual(self.vault.count("POST /v1/auth/token/revoke"), 0)
        self.assertEqual(self.vault.count("PUT /v1/auth/token/revoke"), 0)


if __name__ == "__main__":
    unittest.main()
