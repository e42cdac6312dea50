#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A quorum over key services of different kinds: through the module, the tool, and a reader that was
written from docs/quorum.md alone and asks each member by its own API."""

import base64
import ctypes
import itertools
import json
import os
import signal
import stat
import threading
import time
import unittest

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from harness import AzureDouble, CK, Double, HarnessTestCase, RealVault, TempConfig
from azure_server import WEB
from hsm_slot import PIN, SOFTHSM, Token
from kes_server import KesDouble, new_api_key
from p11 import Module
from p11_types import Ulong, mechanism_of, template
from quorum_reader import open_container

AEAD = 0x80000000 | 0x48534201
SECRET = {"CKA_CLASS": CK.CKO_SECRET_KEY, "CKA_KEY_TYPE": CK.CKK_AES, "CKA_EXTRACTABLE": True,
          "CKA_SENSITIVE": False}
VALUE = b"0123456789abcdef0123456789abcdef"
THREADS = 64
HEDGE = 0.5  # seconds, of members that nothing is known of yet


def with_aad(aad):
    return (AEAD, ctypes.create_string_buffer(aad, len(aad)))


def vault_opener(vault):
    def opened(sealed):
        answer = vault.write("transit/decrypt/kek", {"ciphertext": sealed.decode()})
        return base64.b64decode(answer["plaintext"])
    return opened


class QuorumCase(HarnessTestCase):
    def setUp(self):
        self.config = self.enter(TempConfig())
        self.addCleanup(self.assert_log_keeps_secrets)

    def assert_log_keeps_secrets(self):
        log = self.config.log()
        for secret in (VALUE.decode(), base64.b64encode(VALUE).decode(), VALUE.hex()):
            self.assertNotIn(secret, log)

    def open(self, slot="q"):
        self.p11 = self.open_module(self.config)
        return self.enter(self.p11.session(self.p11.slot(slot)))

    def cli(self, *args, code=0):
        done = self.run_cli(self.config, *args)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def file(self, name, content=None):
        path = self.config.path(name)
        if content is not None:
            with open(path, "wb") as out:
                out.write(content)
        return path

    @staticmethod
    def read(path):
        with open(path, "rb") as file:
            return file.read()

    @staticmethod
    def make(session, name, *args):
        handle = Ulong()
        session.must(name, *args, ctypes.byref(handle))
        return handle.value

    def session_key(self, session):
        attributes = dict(SECRET, CKA_VALUE=VALUE)
        return self.make(session, "C_CreateObject", template(attributes), len(attributes))

    @staticmethod
    def wrap(session, box, key, mechanism=AEAD):
        return session._output("C_WrapKey", ctypes.byref(mechanism_of(mechanism)), box, key,
                               size=65536)

    def unwrap(self, session, box, wrapped, mechanism=AEAD):
        return self.make(session, "C_UnwrapKey", ctypes.byref(mechanism_of(mechanism)), box,
                         wrapped, len(wrapped), template(SECRET), len(SECRET))


class KindsTest(QuorumCase):
    """Members of every kind at once; the Azure vault has an RSA key."""

    names = "v/kek r/kek h/kek z/kek k/kek"

    @classmethod
    def setUpClass(cls):
        if not os.access(SOFTHSM, os.R_OK):
            raise unittest.SkipTest("SoftHSM2 is not installed")
        cls.double, cls.real = Double(), RealVault()
        cls.azure, cls.kes = AzureDouble(), KesDouble()
        for server in (cls.double, cls.real, cls.azure, cls.kes):
            cls.addClassCleanup(server.__exit__)
        for vault in (cls.double, cls.real):
            vault.setup_transit()
            vault.make_key("kek", "aes256-gcm96")
        cls.set_up_azure()
        cls.api_key = new_api_key()
        cls.kes.allow("app", cls.api_key, "/v1/key/*")
        cls.kes.admin.create("kek")
        cls.set_up_hsm()

    @classmethod
    def set_up_azure(cls):
        cls.azure.allow_all()
        cls.rsa = rsa.generate_private_key(65537, 2048)
        numbers = cls.rsa.private_numbers()
        parts = {"n": numbers.public_numbers.n, "e": 65537, "d": numbers.d, "p": numbers.p,
                 "q": numbers.q, "dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp}
        cls.azure.import_key("kek", dict({
            name: base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))
                  .decode().rstrip("=") for name, value in parts.items()}, kty="RSA",
            key_ops=["wrapKey", "unwrapKey", "encrypt", "decrypt"]))

    @classmethod
    def set_up_hsm(cls):
        cls.home = TempConfig()
        cls.addClassCleanup(cls.home.remove)
        cls.token = Token(cls.home)
        cls.hsm_value = os.urandom(32)
        attributes = dict(SECRET, CKA_VALUE=cls.hsm_value, CKA_TOKEN=True, CKA_LABEL="kek",
                          CKA_ID=b"\x01", CKA_ENCRYPT=True, CKA_DECRYPT=True, CKA_PRIVATE=True)
        module = Module(SOFTHSM)
        module.initialize()
        with module.session(module.slot("hsm"), read_write=True) as session:
            session.login(PIN)
            cls.make(session, "C_CreateObject", template(attributes), len(attributes))
        module.finalize()

    def setUp(self):
        super().setUp()
        config = self.config
        config.slot("v", self.double)
        config.slot("r", self.real)
        config.slot("h", None, backend="pkcs11", module=SOFTHSM, token="pkcs11:token=hsm",
                    pin_file=config.secret("pin", PIN + "\n"))
        config.slot("z", None, backend="azure", url="https://" + WEB, ca_file=self.azure.ca,
                    connect_to="::" + self.azure.connect_to, auth="client_secret",
                    tenant_id=self.azure.tenant, client_id=self.azure.client_id,
                    client_secret_file=config.secret("az", self.azure.client_secret))
        config.slot("k", None, backend="kes", url=self.kes.url, ca_file=self.kes.ca,
                    api_key_file=config.secret("api-key", self.api_key + "\n"))
        self.quorum()

    def quorum(self, **options):
        self.config.slot("q", None, **dict({"backend": "quorum", "members": self.names,
                                            "threshold": 3, "allow_unauthenticated": "yes"},
                                           **options))

    def openers(self):
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        return {("v", "kek"): vault_opener(self.double), ("r", "kek"): vault_opener(self.real),
                ("h", "kek"): lambda s: AESGCM(self.hsm_value).decrypt(s[:12], s[12:], None),
                ("z", "kek"): lambda s: self.rsa.decrypt(s, oaep),
                ("k", "kek"): lambda s: self.kes.admin.decrypt("kek", s)}

    def test_reader_by_any_three_members_opens_what_was_sealed(self):
        session = self.open()
        key = session.secret_key("q")
        sealed = session.encrypt(key, with_aad(b"bound"), b"content")
        openers = self.openers()
        for chosen in itertools.combinations(openers, 3):
            members = {name: openers[name] for name in chosen}
            self.assertEqual(open_container(sealed, members, b"bound"), b"content", chosen)
        with self.assertRaises(AssertionError):
            open_container(sealed, {name: openers[name] for name in list(openers)[:2]}, b"bound")
        self.assertEqual(session.decrypt(key, with_aad(b"bound"), sealed), b"content")

    def test_wrap_and_unwrap_when_tampered_then_wrapped_key_invalid(self):
        session = self.open()
        box = session.secret_key("q")
        wrapped = self.wrap(session, box, self.session_key(session))
        self.assertEqual(open_container(wrapped, self.openers()), VALUE)
        back = self.unwrap(session, box, wrapped)
        self.assertEqual(session.attribute(back, "CKA_VALUE"), VALUE)
        for at in (0, 7, 44, 50, 80, 100, 200, len(wrapped) - 1):
            bad = bytearray(wrapped)
            bad[at] ^= 1
            self.assert_rv(CK.CKR_WRAPPED_KEY_INVALID, self.unwrap, session, box, bytes(bad))
            self.assert_rv(CK.CKR_ENCRYPTED_DATA_INVALID, session.decrypt, box, AEAD, bytes(bad))

    def test_rsa_member_when_not_allowed_then_said_so(self):
        self.quorum(allow_unauthenticated="no")
        text = self.cli("encrypt", "--slot", "q", "--key", "q", "--in", self.file("in", b"x"),
                        "--out", self.file("out"), code=3)
        self.assertIn("'z/kek': an RSA key, for which anybody can make a container; set "
                      "allow_unauthenticated = yes in slot 'q'", text)
        self.assertFalse(os.path.exists(self.file("out")))

    def test_tool_when_sealing_checking_and_rewrapping(self):
        self.cli("encrypt", "--slot", "q", "--key", "q", "--aad", "a", "--in",
                 self.file("in", b"hello"), "--out", self.file("one"))
        found = {f["check"]: f for f in json.loads(self.cli("check", "--slot", "q", "--json"))
                 ["findings"]}
        for member in self.names.split():
            self.assertEqual(found["member " + member]["result"], "ok", member)
        self.assertIn("rsa 2048", found["member z/kek"]["detail"])
        self.assertTrue(any("5 of 5 members answer, 3 are needed" in f["detail"]
                            for f in found.values()), found)
        before = self.read(self.file("one"))
        self.quorum(members="v/kek r/kek h/kek", threshold=2, retired="z/kek k/kek")
        self.cli("quorum", "rewrap", "--slot", "q", "--key", "q", "--in", self.file("one"),
                 "--out", self.file("two"))
        after = self.read(self.file("two"))
        self.assertEqual(self.read(self.file("one")), before)
        self.assertEqual((after[45], after[-33:]), (3, before[-33:]))
        self.quorum(members="v/kek r/kek h/kek", threshold=2)
        self.assertEqual(self.cli("decrypt", "--slot", "q", "--key", "q", "--aad", "a", "--in",
                                  self.file("two")), "hello")
        self.assertIn("does not open this ciphertext", self.cli(
            "decrypt", "--slot", "q", "--key", "q", "--aad", "a", "--in", self.file("one"),
            code=1))
        self.assertEqual(open_container(after, self.openers(), b"a"), b"hello")

    def test_rewrap_when_in_place_then_whole_or_not_at_all(self):
        for name in ("a", "b"):
            self.cli("encrypt", "--slot", "q", "--key", "q", "--in",
                     self.file("in", name.encode()), "--out", self.file(name))
        os.chmod(self.file("a"), 0o640)
        before = {name: self.read(self.file(name)) for name in ("a", "b")}
        self.file("broken", b"no container")
        text = self.cli("quorum", "rewrap", "--slot", "q", "--key", "q", "--file", self.file("a"),
                        "--file", self.file("broken"), "--file", self.file("b"), code=1)
        self.assertIn(self.file("broken"), text)
        self.assertEqual(self.read(self.file("broken")), b"no container")
        for name in ("a", "b"):
            self.assertNotEqual(self.read(self.file(name))[28:44], before[name][28:44])
            self.assertEqual(self.cli("decrypt", "--slot", "q", "--key", "q", "--in",
                                      self.file(name)), name)
        self.assertEqual(stat.S_IMODE(os.stat(self.file("a")).st_mode), 0o640)
        self.cli("quorum", "rewrap", "--slot", "q", "--key", "q", "--in", self.file("a"), "--out",
                 self.file("a"))
        self.assertEqual(open_container(self.read(self.file("a")), self.openers()), b"a")
        self.assertEqual([n for n in os.listdir(os.path.dirname(self.file("a"))) if "a." in n], [])


class VaultsTest(QuorumCase):
    """Three Vaults of two of which are needed."""

    @classmethod
    def setUpClass(cls):
        cls.vaults = [Double() for _ in range(3)]
        for vault in cls.vaults:
            cls.addClassCleanup(vault.__exit__)
            vault.setup_transit()
            vault.make_key("kek", "aes256-gcm96")

    def setUp(self):
        super().setUp()
        for number, vault in enumerate(self.vaults):
            vault.clear()
            self.config.slot("m%d" % number, vault)
        self.quorum()

    def quorum(self, name="q", **options):
        self.config.slot(name, None, **dict({"backend": "quorum", "threshold": 2,
                                             "members": "m0/kek m1/kek m2/kek"}, **options))

    def test_unwrap_when_a_member_hangs_then_costs_at_most_the_hedge(self):
        session = self.open()
        key = session.secret_key("q")
        sealed = session.encrypt(key, AEAD, b"content")
        for _ in range(3):
            self.assertEqual(session.decrypt(key, AEAD, sealed), b"content")
        for vault in self.vaults[:1]:
            vault.fault("hang", path="/v1/transit/decrypt", count=0, seconds=30)
        times = []
        for _ in range(5):
            started = time.monotonic()
            self.assertEqual(session.decrypt(key, AEAD, sealed), b"content")
            times.append(time.monotonic() - started)
        self.assertLess(max(times), HEDGE + 1)
        self.assertLess(sorted(times)[2], HEDGE)  # it is asked once, and then left alone

    def test_unwrap_when_too_few_are_there_then_device_error(self):
        session = self.open()
        box = session.secret_key("q")
        wrapped = self.wrap(session, box, self.session_key(session))
        for vault in self.vaults[:2]:
            vault.fault("status", path="/v1/transit/decrypt", count=0, status=503)
        self.assert_rv(CK.CKR_DEVICE_ERROR, self.unwrap, session, box, wrapped)
        self.assert_rv(CK.CKR_DEVICE_ERROR, session.decrypt, box, AEAD, wrapped)
        for vault in self.vaults:
            vault.clear()
        self.assertEqual(session.attribute(self.unwrap(session, box, wrapped), "CKA_VALUE"), VALUE)

    def test_wrap_when_a_member_is_away_then_device_error_unless_wrap_min(self):
        self.vaults[1].fault("status", path="/v1/transit/encrypt", count=0, status=503)
        self.quorum("some", wrap_min=2)
        session = self.open()
        box = session.secret_key("q")
        self.assert_rv(CK.CKR_DEVICE_ERROR, self.wrap, session, box, self.session_key(session))
        some = self.enter(self.p11.session(self.p11.slot("some")))
        box = some.secret_key("some")
        wrapped = self.wrap(some, box, self.session_key(some))
        self.assertEqual(some.attribute(self.unwrap(some, box, wrapped), "CKA_VALUE"), VALUE)
        self.assertIn("sealed with 2 of 3 members", self.config.log())

    def test_keys_when_rotated_or_destroyed_then_older_containers_open(self):
        session = self.open()
        key = session.secret_key("q")
        sealed = session.encrypt(key, AEAD, b"content")
        self.vaults[0].make_key("other", "aes256-gcm96")
        self.vaults[1].rotate_behind("kek")
        self.assertEqual(session.decrypt(key, AEAD, sealed), b"content")
        self.vaults[2].delete_behind("kek")
        self.addCleanup(self.vaults[2].make_key, "kek", "aes256-gcm96")
        for _ in range(3):
            self.assertEqual(session.decrypt(key, AEAD, sealed), b"content")
        self.vaults[0].fault("status", path="/v1/transit/decrypt", count=0, status=503)
        self.assert_rv(CK.CKR_DEVICE_ERROR, session.decrypt, key, AEAD, sealed)

    def test_threads_when_64_seal_and_open_then_all_do(self):
        session = self.open()
        key, slot, failures = session.secret_key("q"), self.p11.slot("q"), []
        sealed = session.encrypt(key, AEAD, b"content")

        def work(number):
            try:
                with self.p11.session(slot) as mine:
                    for _ in range(3):
                        own = mine.encrypt(key, AEAD, b"%d" % number)
                        assert mine.decrypt(key, AEAD, own) == b"%d" % number
                        assert mine.decrypt(key, AEAD, sealed) == b"content"
            except Exception as error:  # pylint: disable=broad-except
                failures.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def child(self, session, key, sealed):
        signal.alarm(30)
        try:
            good = session.decrypt(key, AEAD, sealed) == b"content"
            again = session.decrypt(key, AEAD, session.encrypt(key, AEAD, b"child")) == b"child"
            os._exit(0 if good and again else 1)
        except BaseException:  # pylint: disable=broad-except
            os._exit(2)

    def test_fork_when_a_fan_is_under_way_then_parent_and_child_go_on(self):
        session = self.open()
        key, slot, stop, failures = session.secret_key("q"), self.p11.slot("q"), [], []
        sealed = session.encrypt(key, AEAD, b"content")

        def work():
            try:
                with self.p11.session(slot) as mine:
                    while not stop:
                        assert mine.decrypt(key, AEAD, sealed) == b"content"
            except Exception as error:  # pylint: disable=broad-except
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(6):
            pid = os.fork()
            if pid == 0:
                self.child(session, key, sealed)
            self.assertEqual(os.waitpid(pid, 0)[1], 0)
        stop.append(True)
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_quorum_of_quorums_then_each_decides_by_its_own(self):
        self.quorum("left", members="m0/kek m1/kek", threshold=1)
        self.quorum("right", members="m2/kek", threshold=1)
        self.quorum("top", members="left/left right/right", threshold=2)
        session = self.open("top")
        key = session.secret_key("top")
        sealed = session.encrypt(key, AEAD, b"content")
        self.vaults[0].fault("status", path="/v1/transit/decrypt", count=0, status=503)
        self.assertEqual(session.decrypt(key, AEAD, sealed), b"content")
        inner = {("m%d" % n, "kek"): vault_opener(vault) for n, vault in enumerate(self.vaults)}
        members = {(name, name): lambda part: open_container(part, inner)
                   for name in ("left", "right")}
        self.vaults[0].clear()
        self.assertEqual(open_container(sealed, members), b"content")

    def test_reload_when_members_come_and_go_then_taken_over(self):
        self.quorum(members="m0/kek m1/kek", threshold=2)
        session = self.open()
        key = session.secret_key("q")
        sealed = session.encrypt(key, AEAD, b"content")
        self.assertEqual(sealed[45], 2)
        self.quorum(members="m1/kek m2/kek", threshold=2, retired="m0/kek")
        deadline = time.monotonic() + 20
        fresh = sealed
        while fresh[78:94] == sealed[78:94] and time.monotonic() < deadline:
            time.sleep(0.3)
            session = self.enter(self.p11.session(self.p11.slot("q")))
            key = session.secret_key("q")
            fresh = session.encrypt(key, AEAD, b"content")
        self.assertEqual(fresh[78:94], sealed[78 + self.part_size(sealed):][:16])  # m1 comes first
        self.assertEqual(session.decrypt(key, AEAD, sealed), b"content")
        self.assertEqual(session.decrypt(key, AEAD, fresh), b"content")

    @staticmethod
    def part_size(container):
        return 56 + int.from_bytes(container[132:134], "big")

    def test_slots_of_one_host_when_trust_differs_then_no_connection_is_shared(self):
        """Both in one fan: what the one slot trusts is nothing to the other."""
        server, other = self.vaults[:2]
        server.make_key("second", "aes256-gcm96")
        self.config.slot("good", server)
        self.config.slot("bad", server, ca_file=other.ca)
        for members in ("bad/second good/kek", "good/kek bad/second"):
            self.quorum("q", members=members, threshold=1, wrap_min=1)
            self.config.clear_log()
            p11 = self.open_module(self.config)
            with p11.session(p11.slot("q")) as session:
                key = session.secret_key("q")
                for _ in range(3):  # the second time a connection of the good one is there
                    sealed = session.encrypt(key, AEAD, b"content")
                    self.assertEqual(session.decrypt(key, AEAD, sealed), b"content")
            p11.call("C_Finalize", None)
            log = self.config.log()
            self.assertEqual(log.count("sealed with 1 of 2 members"), 3, log)
            self.assertIn("member 'bad/second'", log)
            self.assertNotIn("transit/encrypt/second: ok", log)


if __name__ == "__main__":
    unittest.main()
