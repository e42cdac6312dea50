#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bad weather under servers with remote keys: the Vault dies, hangs or seals itself, tokens end,
keys are rotated, key files are wrong, two hundred processes fork at once."""

import os
import re
import signal
import ssl
import threading
import time

from nginx import NginxTestCase
from provider_case import free_port, main, wait_until
from provider_haproxy import HELLO, HaproxyTestCase
from provider_store import FOREIGN, key_file
from relay import Relay

TIMEOUT = 1.0  # seconds, of the slot
SLACK = 1.0  # on a busy machine


class AwayTest(NginxTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.relay = Relay(cls.vault.port)
        cls.addClassCleanup(cls.relay.cut)
        cls.config.slot("web", cls.vault, timeout="%dms" % (TIMEOUT * 1000),
                        url="https://127.0.0.1:%d" % cls.relay.port)

    def setUp(self):
        super().setUp()
        self.other = free_port()
        self.start_nginx(self.site_lines(), self.software_site(self.other))
        for _ in range(12):  # several workers have connections
            self.shake_hands(self.port)

    def assert_fails_in_time(self, times):
        """The server says so to its client: no handshake is left hanging."""
        for _ in range(times):
            begin = time.monotonic()
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.shake_hands(self.port)
            self.assertLess(time.monotonic() - begin, TIMEOUT + SLACK)

    def check(self, away, back):
        """While the service is away, and when it is back."""
        self.config.clear_log()
        away()
        slowest = []
        watched = threading.Thread(target=self.watch_other, args=(slowest,))
        watched.start()
        try:
            self.assert_fails_in_time(6)
        finally:
            self.watching = False
            watched.join()
            back()
        self.assertGreater(len(slowest), 20)
        self.assertLess(max(slowest), TIMEOUT + SLACK)  # behind one that waits for the slot
        self.assertIn("slot 'web'", self.error_log())
        wait_until(self.shakes, self.error_log, 10)
        for _ in range(12):
            self.shake_hands(self.port)

    def watch_other(self, times):
        """Handshakes with the site whose key is in a file."""
        self.watching = True
        while self.watching:
            begin = time.monotonic()
            self.shake_hands_with_other(self.other)
            times.append(time.monotonic() - begin)
            time.sleep(0.02)

    def shakes(self):
        try:
            return self.shake_hands(self.port)
        except (ssl.SSLError, ConnectionError):
            return None

    def test_vault_dies_and_comes_back(self):
        self.check(self.relay.cut, self.relay.mend)

    def test_vault_hangs_and_goes_on(self):
        self.check(self.vault.freeze, self.vault.thaw)

    def test_vault_is_sealed_and_unsealed(self):
        self.check(self.vault.seal, self.vault.unseal)


class Revocation:
    """A slot that logs in by AppRole, with files that root alone can read."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        role, secret = cls.vault.setup_approle(cls.vault.setup_signer())
        cls.config.slot("web", cls.vault, timeout="10s", auth="approle",
                        role_id_file=cls.config.secret("role-id", role),
                        secret_id_file=cls.config.secret("secret-id", secret))

    def revoke_all(self):
        """Every token but the root's is dead."""
        own = self.vault.read("auth/token/lookup-self")["accessor"]
        others = [name for name in self.vault.list("auth/token/accessors") if name != own]
        for accessor in others:
            self.vault.write("auth/token/revoke-accessor", {"accessor": accessor})
        return len(others)

    def logins(self):
        """Process ids that have logged in, from the log."""
        return [int(pid) for pid in re.findall(
            r"(?m)^\S+ hsmbridge\[(\d+)\] debug: .*/auth/approle/login: ok", self.config.log())]

    def check_logs_in_again(self):
        for _ in range(8):
            self.shake_hands(self.port)
        for name in ("hsmbridge.conf", "role-id", "secret-id", "."):
            self.assertEqual(os.stat(self.config.path(name)).st_mode & 0o077, 0)
        os.chmod(self.config.path("log"), 0o666)
        for _ in range(2):
            self.config.clear_log()
            self.assertGreater(self.revoke_all(), 0)
            for _ in range(8):
                self.shake_hands(self.port)
            workers = self.workers_now()
            self.assertTrue(self.logins())
            self.assertLessEqual(set(self.logins()), set(workers))


class NginxTokenTest(Revocation, NginxTestCase):
    def test_token_dies_then_workers_without_rights_log_in_again(self):
        self.start_nginx(self.site_lines())
        self.check_logs_in_again()


class HaproxyTokenTest(Revocation, HaproxyTestCase):
    def test_token_dies_then_the_process_in_its_chroot_logs_in_again(self):
        self.start_haproxy(self.frontend(), HELLO)
        self.check_logs_in_again()


class RotationTest(NginxTestCase):
    keys = {"www": "ecdsa-p256"}

    def check(self):
        """The server's signature is of the certificate's key, or the client would not go on."""
        self.start_nginx(self.site_lines())
        for _ in range(2):
            self.vault.rotate_key("www")
            self.shake_hands(self.port)
            self.reload_nginx()
            for _ in range(8):
                self.shake_hands(self.port)

    def test_key_is_rotated_then_the_key_files_version_goes_on(self):
        self.check()

    def test_key_is_rotated_and_named_by_label_then_the_certificates_version_goes_on(self):
        self.config.slot("web", self.vault, timeout="10s", certificates=self.site("www.crt"))
        with open(self.site("www.key"), "w", encoding="ascii") as out:
            out.write(key_file("pkcs11:token=web;object=www"))
        self.check()

    def test_key_is_rotated_and_another_certificate_is_there_then_the_new_version_is_used(self):
        self.start_nginx(self.site_lines())
        self.vault.rotate_key("www")
        self.make_site("www")
        self.reload_nginx()
        self.shake_hands(self.port)


class KeyFileTest(NginxTestCase):
    """`nginx -t` says what is wrong, and a running nginx goes on with what it has."""

    def wrong(self):
        whole = key_file("pkcs11:token=web;object=www")
        self.config.slot("mail", self.vault)
        self.addCleanup(self.config.remove_slot, "mail")
        return (("no slot", key_file("pkcs11:token=wep;object=www"), "no slot 'wep' in "),
                ("no key", key_file("pkcs11:token=web;object=ww"), "no key 'ww' in slot 'web'"),
                ("two keys", key_file("pkcs11:object=www", FOREIGN),
                 "names 2 keys, 'www' of slot 'web' and 'www' of slot 'mail' among them"),
                ("cut short", whole[:len(whole) // 2], "is cut short"),
                ("foreign URI", key_file("file:/etc/ssl/key.pem"),
                 "no 'hsmbridge:' or 'pkcs11:' URI"))

    def test_key_file_is_wrong_then_told_and_the_running_server_goes_on(self):
        self.start_nginx(self.site_lines())
        for name, text, says in self.wrong():
            with self.subTest(name):
                path = self.write("wrong.key", text)
                self.write_nginx(self.site_lines().replace(self.site("www.key"), path))
                said = self.must_fail(*self.nginx_words("-t"), env=self.unit_env("nginx"))
                self.assertIn(says, said)
                self.nginx.send_signal(signal.SIGHUP)
                wait_until(lambda: says in self.error_log(), self.error_log)
                self.write("error.log", b"", mode=0o644)
                self.shake_hands(self.port)


class ManyWorkersTest(NginxTestCase):
    workers = 200
    clients = 8
    each = 100

    def test_two_hundred_workers_fork_at_once_and_serve(self):
        self.start_nginx(self.site_lines())
        self.config.clear_log()
        failures = []

        def work():
            for _ in range(self.each):
                try:
                    self.shake_hands(self.port)
                except (OSError, AssertionError) as error:
                    failures.append(error)
        threads = [threading.Thread(target=work) for _ in range(self.clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        signed = set(re.findall(r"hsmbridge\[(\d+)\] debug: .*/sign/", self.config.log()))
        self.assertLessEqual(signed, set(map(str, self.workers_now())))
        self.assertGreater(len(signed), 4)
        self.reload_nginx()
        self.shake_hands(self.port)


if __name__ == "__main__":
    main()
