#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A threshold KMS of Zama as a slot: its keys as objects, public decryption of each type and
format, the signatures that go with it, and the tool. The KMS is a double with real signatures,
which answers as the real one was recorded to; eth-account (from the package index) recovers who
signed what is handed out for a chain.
"""

import base64
import ctypes
import json
import os
import unittest

from harness import CK, Double  # before what it makes known the place of
import environments
from p11_types import Ulong, mechanism_of, template
from zama_case import (AEAD, BY_HEADER, CKK_FHE, DATA_KEY, FHE_DECRYPT, SYNC, Proof, ZamaTestCase,
                       fhe)
from zama_client import (DOMAIN, EXTRA_DATA, REQUIREMENTS, Answer, Asked, Caller, typed_message)
from zama_double_case import CIPHERTEXTS, load
from zama_server import EBOOL, EUINT8, EUINT64, EUINT256, ZamaDouble
from zama.ciphertexts import BITS, size_of
from zama.messages import Ciphertext, Plaintext, Question
from zama.signing import SEPARATOR, bincode

SECP256K1 = bytes.fromhex("06052b8104000a")
ED25519_PARAMS = (bytes.fromhex("06032b6570"), b"\x13\x0cedwards25519")


class ObjectsTest(ZamaTestCase):
    def test_fhe_key_when_found_then_a_pair_with_its_id(self):
        session = self.open()
        ident = bytes.fromhex(self.zama.key_id)
        private, public = (session.find_one(CKA_CLASS=kind, CKA_ID=ident)
                           for kind in (CK.CKO_PRIVATE_KEY, CK.CKO_PUBLIC_KEY))
        for key in (private, public):
            self.assertEqual(session.number(key, "CKA_KEY_TYPE"), CKK_FHE)
            self.assertEqual(session.attribute(key, "CKA_LABEL").decode(), self.zama.key_id)
        for name, value in (("CKA_DECRYPT", 1), ("CKA_SENSITIVE", 1), ("CKA_EXTRACTABLE", 0),
                            ("CKA_SIGN", 0), ("CKA_UNWRAP", 0)):
            self.assertEqual(session.number(private, name), value, name)
        self.assertEqual(session.find(CKA_KEY_TYPE=CKK_FHE, CKA_CLASS=CK.CKO_PRIVATE_KEY),
                         [private])

    def test_fhe_key_when_of_too_few_parties_then_not_there(self):
        more, single = ("%02x" % byte * 32 for byte in (0xaa, 0xbb))
        for number in self.zama.parties:
            self.addCleanup(self.zama.party, number, keys=[self.zama.key_id])
            self.zama.party(number, keys=[self.zama.key_id, more] + [single] * (number == 1)
                            if number < 3 else [self.zama.key_id])
        session = self.open()
        labels = {session.attribute(key, "CKA_LABEL").decode()
                  for key in session.find(CKA_KEY_TYPE=CKK_FHE)}
        self.assertEqual(labels, {self.zama.key_id, more})
        told = self.cli("zama", "keys")
        self.assertRegex(told, r"%s +4 +yes" % self.zama.key_id)
        self.assertRegex(told, r"%s +2 +yes" % more)
        self.assertRegex(told, r"%s +1 +no" % single)

    def test_party_keys_when_pinned_then_public_keys_that_verify(self):
        pins = self.zama.pins(lambda party: "%s,%s" % (party.point.hex(), party.ed25519.hex()))
        session = self.open(parties=pins, signing_schemes="ecdsa ed25519")
        for number, party in self.zama.parties.items():
            found = {session.number(key, "CKA_KEY_TYPE"): key
                     for key in session.find(CKA_LABEL="party-%d" % number)}
            self.assertEqual(set(found), {CK.CKK_EC, CK.CKK_EC_EDWARDS})
            point = session.attribute(found[CK.CKK_EC], "CKA_EC_POINT")
            self.assertEqual(session.attribute(found[CK.CKK_EC], "CKA_EC_PARAMS"), SECP256K1)
            self.assertEqual((point[:3], point[3:35]), (b"\x04\x41\x04", party.point[1:]))
            self.assertEqual(session.attribute(found[CK.CKK_EC_EDWARDS], "CKA_EC_POINT")[-32:],
                             party.ed25519)
            self.assertIn(session.attribute(found[CK.CKK_EC_EDWARDS], "CKA_EC_PARAMS"),
                          ED25519_PARAMS)
        self.assert_verifies(session)

    def assert_verifies(self, session):
        """A party's signature over its payload is an ordinary one."""
        asked = Asked(self.zama)
        callers = {number: self.enter(Caller(party)) for number, party in self.zama.parties.items()}
        started = [caller.start("PublicDecryptSync", asked.message) for caller in callers.values()]
        answer = Answer(Caller.take(started[0]).message)
        signed = SEPARATOR + bincode(answer.verification_key, answer.plaintexts, answer.request_id)
        key = session.find_one(CKA_LABEL="party-1", CKA_KEY_TYPE=CK.CKK_EC)
        session.verify(key, CK.CKM_ECDSA_SHA256, signed, answer.internal)
        self.assert_rv(CK.CKR_SIGNATURE_INVALID, session.verify, key, CK.CKM_ECDSA_SHA256,
                       signed + b"x", answer.internal)

    def test_party_key_when_only_its_address_is_pinned_then_there_after_an_answer(self):
        session = self.open()
        self.assertEqual(session.find(CKA_KEY_TYPE=CK.CKK_EC), [])
        self.decrypt(session)
        found = session.find(CKA_KEY_TYPE=CK.CKK_EC)
        self.assertGreaterEqual(len(found), self.zama.threshold + 1)

    def test_token_when_described_then_mode_parties_and_how_many_answer(self):
        session = self.open()
        self.decrypt(session)
        slot = self.p11.slot("fhe")
        text = self.p11.slot_info(slot).slotDescription.decode()
        self.assertIn("2 of 4, 4 answer", text)
        self.assertTrue(self.p11.token_info(slot).flags & CK.CKF_WRITE_PROTECTED)
        self.assertFalse(self.p11.token_info(slot).flags & CK.CKF_LOGIN_REQUIRED)

    def test_mechanisms_when_listed_then_decryption_and_local_verification_only(self):
        self.open()
        slot = self.p11.slot("fhe")
        listed = self.p11.mechanisms(slot)
        self.assertIn(FHE_DECRYPT, listed)
        self.assertIn(CK.CKM_ECDSA_SHA256, listed)
        for absent in (AEAD, DATA_KEY):
            self.assertNotIn(absent, listed)
        self.assertEqual(self.p11.mechanism_info(slot, FHE_DECRYPT).flags & CK.CKF_DECRYPT,
                         CK.CKF_DECRYPT)

    def test_what_the_kms_does_not_do_when_asked_then_refused_without_a_request(self):
        session = self.open()
        key = self.key(session)
        self.zama.reset()
        self.assert_rv(CK.CKR_KEY_TYPE_INCONSISTENT, session.init, "Sign", key,
                       CK.CKM_ECDSA)
        self.assert_rv(CK.CKR_MECHANISM_INVALID, session.init, "Encrypt",
                       session.find_one(CKA_CLASS=CK.CKO_PUBLIC_KEY, CKA_KEY_TYPE=CKK_FHE), fhe())
        self.assertEqual(self.generate_pair(CKA_TOKEN=True), CK.CKR_FUNCTION_NOT_SUPPORTED)
        self.assertEqual(self.zama.count("POST"), 0)

    def generate_pair(self, **wanted):
        """C_GenerateKeyPair of a key on a curve that is to stay."""
        session = self.enter(self.p11.session(self.p11.slot("fhe"), read_write=True))
        wanted["CKA_EC_PARAMS"] = SECP256K1
        handles = [Ulong(), Ulong()]
        return session.call("C_GenerateKeyPair",
                            ctypes.byref(mechanism_of(CK.CKM_EC_KEY_PAIR_GEN)), template(wanted),
                            len(wanted), template({"CKA_TOKEN": True}), 1,
                            *[ctypes.byref(handle) for handle in handles])


class DecryptTest(ZamaTestCase):
    def test_each_type_and_format_when_decrypted_then_the_value(self):
        session = self.open()
        key = self.key(session)
        for fhe_type, bits in BITS.items():
            value = (1 << bits) - 1 - 5 * (bits > 8)
            for fmt in range(4):
                for told in (fmt, BY_HEADER):
                    plain = session.decrypt(key, fhe(fhe_type, told),
                                            self.zama.seal(fhe_type, value, fmt))
                    self.assertEqual(plain, value.to_bytes(size_of(fhe_type), "little"))

    def test_recorded_ciphertexts_when_decrypted_then_their_values(self):
        recorded = load("ciphertexts.json")
        zama = self.enter(ZamaDouble("--recorded", CIPHERTEXTS))
        self.config.slot("fhe", None, **zama.slot())
        self.p11 = self.open_module(self.config)
        session = self.enter(self.p11.session(self.p11.slot("fhe")))
        key = session.find_one(CKA_CLASS=CK.CKO_PRIVATE_KEY,
                               CKA_ID=bytes.fromhex(recorded["key_id"]))
        for entry in recorded["ciphertexts"]:
            self.assertEqual(session.decrypt(key, fhe(entry["fhe_type"]),
                                             base64.b64decode(entry["blob"])),
                             bytes.fromhex(entry["value"]), entry["name"])

    def test_length_when_asked_for_then_exact_and_without_a_request(self):
        session = self.open()
        key = self.key(session)
        sealed = self.zama.seal(EUINT64, 1)
        self.zama.reset()
        session.init("Decrypt", key, fhe(EUINT64))
        length = Ulong()
        session.must("C_Decrypt", sealed, len(sealed), None, ctypes.byref(length))
        self.assertEqual((length.value, self.zama.count("POST")), (8, 0))
        self.assertEqual(session._output("C_Decrypt", sealed, len(sealed), size=8),
                         (1).to_bytes(8, "little"))
        session.init("Decrypt", key, fhe(EUINT64))
        self.assert_rv(CK.CKR_BUFFER_TOO_SMALL, session._output, "C_Decrypt", sealed, len(sealed),
                       size=7)

    def test_parts_when_updated_then_as_one(self):
        session = self.open()
        sealed = self.zama.seal(EUINT8, 0x2a)
        session.init("Decrypt", self.key(session), fhe())
        for at in range(0, len(sealed), 100):
            self.assertEqual(session._output("C_DecryptUpdate", sealed[at:at + 100],
                                             len(sealed[at:at + 100])), b"")
        self.assertEqual(session._output("C_DecryptFinal"), b"\x2a")

    def test_request_when_sent_then_the_same_bytes_to_all_and_new_ids_each_time(self):
        session = self.open()
        self.zama.reset()
        self.decrypt(session)
        self.decrypt(session)
        sent = [entry["body"] for entry in self.zama.requests()
                if entry["path"].endswith(SYNC)]
        self.assertGreaterEqual(len(sent), 4)
        self.assertEqual(len(set(sent)), 2)
        first, second = (Question(base64.b64decode(body)[5:]) for body in set(sent))
        self.assertNotEqual(first.request_id, second.request_id)
        self.assertNotEqual(first.ciphertexts[0].handle, second.ciphertexts[0].handle)
        self.assertEqual((first.domain, first.extra_data, len(first.ciphertexts[0].handle)),
                         (DOMAIN, EXTRA_DATA, 32))
        headers = [entry["headers"] for entry in self.zama.requests()
                   if entry["path"].endswith(SYNC)]
        self.assertEqual({(each["content-type"], each["te"]) for each in headers},
                         {("application/grpc", "trailers")})
        for each in headers:
            self.assertRegex(each["grpc-timeout"], r"^\d{1,8}[HMSmun]$")

    def test_bad_parameters_when_given_then_refused_without_a_request(self):
        session = self.open()
        key = self.key(session)
        self.zama.reset()
        for mechanism in (fhe(1), fhe(9), fhe(77), fhe(EUINT8, 4), fhe(handle=bytes(33)),
                          FHE_DECRYPT, (FHE_DECRYPT, ctypes.create_string_buffer(8)),
                          fhe(proof=Proof(8)), fhe((1 << 64) - 1)):
            self.assert_rv(CK.CKR_MECHANISM_PARAM_INVALID, session.init, "Decrypt", key, mechanism)
        self.assertEqual(self.zama.count("POST"), 0)

    def test_bad_ciphertexts_when_given_then_one_code(self):
        session = self.open()
        key = self.key(session)
        good = self.zama.seal(EUINT8, 1)
        for mechanism, sealed in ((fhe(EUINT8, 0), b"garbage"), (fhe(EUINT8, 0), good[:100]),
                                  (fhe(EUINT64), good), (fhe(EUINT8, 2), good), (fhe(), b"?" * 99),
                                  (fhe(EUINT8, 0), self.zama.seal(EUINT8, 1, 1))):
            self.assert_rv(CK.CKR_ENCRYPTED_DATA_INVALID, session.decrypt, key, mechanism, sealed)

    def test_proof_when_wanted_then_signatures_of_the_parties_over_this_result(self):
        session = self.open()
        proof, wanted = Proof(), Proof(0)
        session.init("Decrypt", self.key(session), fhe(EUINT256, proof=wanted))
        self.assertEqual(wanted.length.value, 32 + 1 + 2 * 65 + 65)
        session.must("C_DecryptInit", None, 0)
        for handle in (b"", b"\1\2\3", os.urandom(32)):
            proof = Proof()
            value = self.decrypt(session, 1 << 200, EUINT256, handle=handle, proof=proof)
            signed_for, signatures, extra_data = proof.parts()
            self.assertEqual((value, extra_data, len(signatures)), (1 << 200, EXTRA_DATA, 2))
            if handle:
                self.assertEqual(signed_for, handle.rjust(32, b"\0"))
            self.assertEqual(len(self.signers(signed_for, 1 << 200, signatures)), 2)

    def signers(self, handle, value, signatures):
        """The parties that eth-account says have signed."""
        from eth_account import Account  # only in the environment
        asked = Asked(self.zama, ciphertexts=[Ciphertext(b"", EUINT256, handle, 0)])
        answer = Answer(b"")
        answer.plaintexts = [Plaintext(value.to_bytes(32, "little"), EUINT256)]
        answer.extra_data = EXTRA_DATA
        message = typed_message(asked, answer)
        found = {Account.recover_message(message, signature=each) for each in signatures}
        self.assertLessEqual(found, set(self.zama.addresses.values()))
        return found

    def test_domain_when_of_another_deployment_then_signed_for_it(self):
        session = self.open(domain_name="Decryption", chain_id="0x1f47",
                            domain_salt="0102" * 16, extra_data="0x")
        self.zama.reset()
        self.assertEqual(self.decrypt(session, 7), 7)
        sent = Question(base64.b64decode(self.zama.requests()[-1]["body"])[5:])
        self.assertEqual((sent.domain.name, int.from_bytes(sent.domain.chain_id, "big"),
                          sent.domain.salt, sent.extra_data),
                         ("Decryption", 0x1f47, b"\1\2" * 16, b""))

    def test_schemes_when_only_ed25519_then_its_signatures_decide(self):
        pins = self.zama.pins(lambda party: party.ed25519.hex())
        session = self.open(parties=pins, signing_schemes="ed25519")
        self.assertEqual(self.decrypt(session, 9), 9)
        for number in (1, 2, 3):
            self.zama.fault("flip", SYNC, 0, party=number, of="ed25519")
        self.assert_told(self.config, CK.CKR_DEVICE_ERROR, lambda: self.decrypt(session),
                         "its Ed25519 signature is wrong", within=5)


class CentralizedTest(ZamaTestCase):
    options = ("--parties", "1")

    def test_decrypt_when_there_is_one_party_then_it_answers_alone(self):
        session = self.open()
        proof = Proof()
        self.assertEqual(self.decrypt(session, 1, EBOOL, proof=proof), 1)
        self.assertEqual(len(proof.parts()[1]), 1)
        self.assertIn("centralized", self.p11.slot_info(
            self.p11.slot("fhe")).slotDescription.decode())
        self.assertIn("centralized KMS", self.cli("zama", "health"))

    def test_lie_when_there_is_one_party_then_nobody_outvotes_it_but_forgery_is_seen(self):
        session = self.open()
        self.zama.fault("forge", SYNC, 1)
        self.assert_rv(CK.CKR_DEVICE_ERROR, self.decrypt, session)
        self.zama.fault("lie", SYNC, 1)
        self.assertEqual(self.decrypt(session), 0x2b)


class ToolTest(ZamaTestCase):
    def setUp(self):
        super().setUp()
        self.slot()
        self.sealed = self.config.path("sealed")
        with open(self.sealed, "wb") as out:
            out.write(self.zama.seal(EUINT64, 0x1122334455667788))

    def decrypt_args(self, *more):
        return ("zama", "decrypt", "--key", self.zama.key_id, "--type", "uint64", "--in",
                self.sealed, *more)

    def test_health_when_all_are_well_or_one_is_dead_then_told_party_by_party(self):
        told = self.cli("zama", "health")
        for number, party in self.zama.parties.items():
            self.assertRegex(told, r"(?m)^%d +%s +well +[\d.]+ ms +party %d, optimal, "
                             r"parties reachable: 4, FHE keys: 1" % (number, party.url, number))
        self.zama.kill(2)
        self.addCleanup(self.zama.restart, 2)
        told = json.loads(self.run_cli(self.config, "zama", "health", "--json").stdout)
        self.assertEqual([entry["well"] for entry in told], [True, False, True, True])
        self.assertIn("healthy", told[0]["detail"])

    def test_health_when_too_few_are_well_then_its_exit_code_says_so(self):
        for number in (1, 2):
            self.zama.kill(number)
            self.addCleanup(self.zama.restart, number)
        told = self.cli("zama", "health", code=4)
        self.assertIn("unhealthy", told)
        self.assertIn("of 4 parties are well where 2 are needed", told)

    def test_decrypt_when_done_then_the_value_and_the_proof(self):
        proof = self.config.path("proof")
        self.assertIn("8877665544332211", self.cli(*self.decrypt_args("--hex", "--signatures",
                                                                      proof)))
        with open(proof, "rb") as file:
            self.assertEqual(len(file.read()), 32 + 1 + 2 * 65 + 65)
        told = self.cli(*self.decrypt_args("--format", "big-compressed"), code=1)
        self.assertIn("cannot decrypt this", told + self.config.log())

    def test_arguments_when_wrong_then_one_line(self):
        for args, words in ((("--type", "uint4"), "--type 'uint4'"),
                            (("--format", "huge"), "--format 'huge'"),
                            (("--handle", "xyz"), "--handle")):
            told = self.cli(*self.decrypt_args(), *args, code=2)
            self.assertIn(words, told)
        self.assertIn("what to do?", self.cli("zama", code=2))

    def stored(self):
        asked = Asked(self.zama)
        callers = {number: self.enter(Caller(party)) for number, party in self.zama.parties.items()}
        started = {number: caller.start("PublicDecryptSync", asked.message)
                   for number, caller in callers.items()}
        replies = {number: Caller.take(future).message for number, future in started.items()}
        return self.store("request", asked.message), replies

    def store(self, name, data):
        path = self.config.path(name)
        with open(path, "wb") as out:
            out.write(data)
        return path

    def test_verify_when_offline_then_says_whose_and_what(self):
        request, replies = self.stored()
        self.zama.reset()
        for number, reply in replies.items():
            path = self.store("answer-%d" % number, reply)
            told = self.cli("zama", "verify", "--request", request, "--in", path)
            self.assertIn("party %d: authentic" % number, told)
            self.assertIn("uint8 2a", told)
        bad = self.store("bad", replies[1].replace(b"\x0a\x01\x2a", b"\x0a\x01\x2b"))
        self.assertIn("no party's answer", self.cli("zama", "verify", "--request", request, "--in",
                                                    bad, code=1))
        told = self.cli("zama", "verify", "--request", request, "--in", bad, "--party", "1", code=1)
        self.assertIn("answer of party 1", told)
        self.assertEqual(self.zama.count("POST"), 0)

    def test_slot_of_another_kind_when_named_then_refused(self):
        vault = self.enter(Double())
        vault.setup_transit("app")
        self.config.slot("web", vault)
        self.assertIn("zama", self.cli("zama", "health", "--slot", "web", code=2))


if __name__ == "__main__":
    environments.enter("zama", REQUIREMENTS)
    unittest.main(verbosity=2)
