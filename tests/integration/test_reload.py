#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A configuration that changes under a program that has the module open."""

import os
import time
import unittest

from harness import CK, Double, HarnessTestCase, TempConfig

SETTLE = 1.3  # seconds until a change counts as written, and the next look is due
DIGEST = bytes(32)


class ReloadTest(HarnessTestCase):
    def setUp(self):
        self.vault = self.enter(Double())
        self.vault.setup_transit("app")
        self.config = self.enter(TempConfig())
        self.config.slot("web", self.vault)

    def scene(self):
        module = self.open_module(self.config)
        session = module.open_session(module.slot("web"))
        self.addCleanup(session.call, "C_CloseSession")
        return module, session

    def look(self, module):
        """What a program does from time to time: counts the slots, then lists them."""
        time.sleep(SETTLE)
        return module.slots()

    def test_slots_when_counted_then_the_new_one_is_there(self):
        module, session = self.scene()
        key = session.private_key("app")
        self.config.slot("late", self.vault, keys="app")
        session.sign(key, CK.CKM_ECDSA, DIGEST)
        self.assertEqual(self.look(module), [0, 1])
        with module.session(module.slot("late")) as late:
            late.sign(late.private_key("app"), CK.CKM_ECDSA, DIGEST)
        session.sign(key, CK.CKM_ECDSA, DIGEST)

    def test_slot_when_it_goes_and_comes_back_then_is_the_same_slot(self):
        self.config.slot("other", self.vault)
        module, session = self.scene()
        other = module.open_session(module.slot("other"))
        key = other.private_key("app")
        self.config.remove_slot("other")
        self.assertEqual(self.look(module), [0])
        self.assertEqual(module.slots(token_present=False), [0, 1])
        self.assert_rv(CK.CKR_SESSION_HANDLE_INVALID, other.sign, key, CK.CKM_ECDSA, DIGEST)
        self.assert_rv(CK.CKR_TOKEN_NOT_PRESENT, module.open_session, 1)
        self.assert_rv(CK.CKR_TOKEN_NOT_PRESENT, module.token_info, 1)
        self.assertFalse(module.slot_info(1).flags & 1)
        self.config.slot("other", self.vault)
        self.assertEqual(self.look(module), [0, 1])
        with module.session(1) as again:
            again.sign(again.private_key("app"), CK.CKM_ECDSA, DIGEST)
        session.sign(session.private_key("app"), CK.CKM_ECDSA, DIGEST)

    def test_slot_when_unchanged_then_keeps_connection_cache_and_login(self):
        module, session = self.scene()
        key = session.private_key("app")
        session.sign(key, CK.CKM_ECDSA, DIGEST)
        self.vault.reset()
        self.config.slot("late", self.vault)
        self.look(module)
        session.sign(session.private_key("app"), CK.CKM_ECDSA, DIGEST)
        counters = self.vault.stats()
        self.assertEqual(counters["requests"], 1, counters)
        self.assertEqual(counters["connections"], 0, counters)

    def test_configuration_when_broken_or_gone_then_the_old_one_serves_with_one_line(self):
        module, session = self.scene()
        key, good = session.private_key("app"), self.config.text()
        for spoil in (lambda: self.config.secret("hsmbridge.conf", "nonsense\n"),
                      lambda: os.chmod(self.config.file, 0o666),
                      lambda: os.unlink(self.config.file)):
            self.config.clear_log()
            spoil()
            for _ in range(2):
                self.assertEqual(self.look(module), [0])
                session.sign(key, CK.CKM_ECDSA, DIGEST)
            self.assertEqual(self.config.log().count("what is configured stays as it was"), 1,
                             self.config.log())
            self.config.secret("hsmbridge.conf", good)
            self.look(module)

    def test_log_level_when_changed_then_holds(self):
        module, _ = self.scene()
        self.config.secret("hsmbridge.conf", self.config.text().replace("log_level = debug",
                                                                        "log_level = error"))
        self.look(module)
        self.config.clear_log()
        self.assertNotEqual(module.call("C_GetTokenInfo", 99, None), CK.CKR_OK)
        self.assertEqual(self.config.log(), "") # where debug would tell of it


class DropInTest(HarnessTestCase):
    def test_drop_in_when_added_and_removed_then_its_slot_comes_and_goes(self):
        vault = self.enter(Double())
        vault.setup_transit("app")
        config = self.enter(TempConfig())
        config.slot("web", vault)
        module = self.open_module_of(config)
        config.slot("extra", vault)
        section = config.text()[config.text().index("[slot extra]"):]
        config.remove_slot("extra")
        path = config.secret("conf.d/extra.conf", section)
        time.sleep(SETTLE)
        self.assertEqual(module.slots(), [0, 1])
        os.unlink(path)
        time.sleep(SETTLE)
        self.assertEqual(module.slots(), [0])

    def open_module_of(self, config):
        """With its directory as the source."""
        os.mkdir(config.path("conf.d"))
        loaded = self.open_module(config)
        loaded.finalize()
        loaded.initialize(os.path.dirname(config.file))
        return loaded


if __name__ == "__main__":
    unittest.main()
