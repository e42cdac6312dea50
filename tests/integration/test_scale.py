#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What must not grow: requests and memory with the number of keys, anything with time."""

import socket
import time

from harness import CK, Double, HarnessTestCase, TempConfig, module
from weather import WeatherTestCase, descriptors, main, status

KEYS = 10000
ROUNDS, WARM_UP = 1000, 200


class NoNetworkTest(HarnessTestCase):
    def test_initialize_to_mechanisms_when_all_endpoints_dead_then_no_packet_and_quick(self):
        """Listeners that never answer stand for the endpoints: whoever connects is seen."""
        config, listeners = self.enter(TempConfig()), []
        for number in range(4):
            listener = socket.create_server(("127.0.0.1", 0))
            self.addCleanup(listener.close)
            listener.setblocking(False)
            listeners.append(listener)
            config.slot("slot-%d" % number, auth="token", token_file=config.secret("t", "hvs.x"),
                        url="https://127.0.0.1:%d https://192.0.2.1:8200"
                            % listener.getsockname()[1])
        module()
        config.write()
        begin = time.monotonic()
        p11 = self.open_module(config)
        p11.info()
        for slot in p11.slots():
            p11.slot_info(slot)
            p11.token_info(slot)
            for mechanism in p11.mechanisms(slot):
                p11.mechanism_info(slot, mechanism)
            with p11.session(slot) as session:
                session.info()
                session.login("1234")
                session.random(8)
                session.logout()
        self.assertLess(time.monotonic() - begin, 1.0)  # the bench measures it
        self.assertEqual(len(p11.slots()), 4)
        for listener in listeners:
            self.assertRaises(BlockingIOError, listener.accept)


class ManyKeysTest(WeatherTestCase):
    def test_keys_when_10000_then_requests_and_memory_stay_small(self):
        vault = self.enter(Double(keys=KEYS))
        web = self.scene(vault, "key-07777", warm=False, timeout=5.0)
        vault.reset()
        web.sign()
        self.assertLessEqual(vault.stats()["requests"], 3)  # the token, the key, the signature
        self.assert_works(web)
        vault.reset()
        before = status("VmRSS")
        found = web.session.find(CKA_CLASS=CK.CKO_PRIVATE_KEY)
        grown = status("VmRSS") - before
        self.assertEqual(len(found), KEYS)
        stats = vault.stats()
        self.assertLessEqual(stats["max_in_flight"], 32)
        self.assertLessEqual(stats["connections"], 32)
        self.assertLessEqual(stats["requests"], KEYS + 1)
        self.assertLess(grown, 30 << 10)
        vault.reset()
        self.assertEqual(len(web.session.find(CKA_CLASS=CK.CKO_PUBLIC_KEY)), KEYS)
        self.assertEqual(vault.stats()["requests"], 0)
        web.key = None
        web.sign()
        self.assertEqual(vault.stats()["requests"], 1)


class RoundsTest(HarnessTestCase):
    def test_rounds_when_1000_then_no_growth(self):
        vault = self.enter(Double())
        vault.setup_transit("app")
        config = self.enter(TempConfig(log_level="error"))
        config.slot("web", vault)
        path, p11 = config.write(), module()

        def one_round():
            p11.initialize(path)
            with p11.session(0) as session:
                session.sign(session.private_key("app"), CK.CKM_ECDSA, bytes(32))
            p11.finalize()

        for _ in range(WARM_UP):
            one_round()
        before = descriptors(), status("Threads"), status("VmRSS")
        for _ in range(ROUNDS - WARM_UP):
            one_round()
        after = descriptors(), status("Threads"), status("VmRSS")
        self.assertEqual(after[:2], before[:2])
        # a leak of 1 kB a round would be 800; the allocator's own moods are less than this
        self.assertLess(after[2] - before[2], 400)
        self.assertEqual(vault.stats()["open_connections"], 0)


if __name__ == "__main__":
    main()
