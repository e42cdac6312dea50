#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Statuses of the double of Zama's KMS against those that the real one gave, case by case:
tests/fixtures/zama/errors.json. The clients are grpcio and curl."""

import os
import re
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from zama_client import DOMAIN, Answer, Asked, Caller  # noqa: E402
from zama_double_case import ASYNC, GET, SYNC, ZamaDoubleTestCase, load  # noqa: E402
from zama_server import EUINT8, EUINT64  # noqa: E402
from zama.messages import Ciphertext, data  # noqa: E402
from zama.service import CONTEXT  # noqa: E402

OTHER_CONTEXT = "07" + "00" * 30 + "99"


def changed_domain(**change):
    return DOMAIN._replace(**change)


def with_blob(change):
    """A case of which only the ciphertext is another."""
    def make(zama):
        return Asked(zama, blob=change(zama.seal(EUINT8, 0x2a)))
    return make


def two(zama, second):
    entries = [Ciphertext(blob, EUINT8, handle, 0) for blob, handle in
               ((zama.seal(EUINT8, 1), bytes(32)), second)]
    return Asked(zama, ciphertexts=entries)


def flip_middle(blob):
    return blob[:100] + bytes([blob[100] ^ 1]) + blob[101:]


GOOD = "5b" * 32

# A case by its recorded name: what is asked with PublicDecryptSync, alone and of a fresh double.
DECRYPTIONS = {
    "unknown_key_id": lambda z: Asked(z, key_id="ab" * 32),
    "no_key_id": lambda z: Asked(z, key_id=None),
    "malformed_key_id_short": lambda z: Asked(z, key_id="ab" * 31),
    "request_id_empty": lambda z: Asked(z, request_id=""),
    "request_id_nonhex": lambda z: Asked(z, request_id="zz" * 32),
    "request_id_short63": lambda z: Asked(z, request_id="a" * 63),
    "request_id_long66": lambda z: Asked(z, request_id="a" * 66),
    "request_id_x0": lambda z: Asked(z, request_id="0x" + GOOD),
    "request_id_upper": lambda z: Asked(z, request_id=GOOD.upper().replace("5B5B", "5B5C")),
    "request_id_zero": lambda z: Asked(z, request_id="00" * 32),
    "no_request_id": lambda z: Asked(z, request_id=None),
    "missing_domain": lambda z: Asked(z, domain=None),
    "domain_lowercase_contract": lambda z: Asked(z, domain=changed_domain(
        verifying_contract=DOMAIN.verifying_contract.lower())),
    "domain_bad_contract": lambda z: Asked(z, domain=changed_domain(verifying_contract="0x12")),
    "domain_empty_contract": lambda z: Asked(z, domain=changed_domain(verifying_contract="")),
    "domain_chain_id_33_bytes": lambda z: Asked(z, domain=changed_domain(chain_id=bytes(33))),
    "domain_chain_id_empty": lambda z: Asked(z, domain=changed_domain(chain_id=b"")),
    "domain_salt_31": lambda z: Asked(z, domain=changed_domain(salt=bytes(31))),
    "domain_salt_32": lambda z: Asked(z, domain=changed_domain(salt=bytes(range(32)))),
    "domain_chain_id_2_bytes": lambda z: Asked(z, domain=changed_domain(chain_id=b"\x1f\x46")),
    "domain_empty_name": lambda z: Asked(z, domain=changed_domain(name="")),
    "domain_other_name": lambda z: Asked(z, domain=changed_domain(name="Decryption")),
    "no_ciphertexts": lambda z: Asked(z, ciphertexts=[]),
    "ciphertext_empty": with_blob(lambda blob: b""),
    "ciphertext_garbage": with_blob(lambda blob: os.urandom(700)),
    "ciphertext_truncated": with_blob(lambda blob: blob[:len(blob) // 2]),
    "ciphertext_trailing_bytes": with_blob(lambda blob: blob + b"more"),
    "ciphertext_bitflip_middle": with_blob(flip_middle),
    "wrong_fhe_type_u64_for_u8": lambda z: Asked(z, claimed_type=5),
    "fhe_type_77": lambda z: Asked(z, claimed_type=77),
    "fhe_type_euint4": lambda z: Asked(z, claimed_type=1),
    "fhe_type_negative": lambda z: Asked(z, claimed_type=-1),
    "wrong_ciphertext_format_1_for_0": lambda z: Asked(z, claimed_format=1),
    "wrong_ciphertext_format_2_for_0": lambda z: Asked(z, claimed_format=2),
    "wrong_ciphertext_format_3_for_0": lambda z: Asked(z, claimed_format=3),
    "ciphertext_format_9": lambda z: Asked(z, claimed_format=9),
    "handle_33_bytes": lambda z: Asked(z, handle=bytes(33)),
    "handle_empty": lambda z: Asked(z, handle=b""),
    "handle_short_4": lambda z: Asked(z, handle=b"\1\2\3\4"),
    "duplicate_handles": lambda z: two(z, (z.seal(EUINT8, 2), bytes(32))),
    "one_good_one_garbage": lambda z: two(z, (os.urandom(700), bytes(31))),
    "unknown_signing_scheme_9": lambda z: Asked(z, schemes=(9,)),
    "duplicate_signing_scheme": lambda z: Asked(z, schemes=(0, 0)),
    "unknown_context": lambda z: Asked(z, context_id=OTHER_CONTEXT),
    "unknown_epoch": lambda z: Asked(z, epoch_id=OTHER_CONTEXT),
    "malformed_context": lambda z: Asked(z, context_id="07"),
    "extra_data_malformed": lambda z: Asked(z, extra_data=b"\x63" * 9),
    "extra_data_v2_unknown_ctx": lambda z: Asked(z, extra_data=b"\2" + bytes(64)),
    "extra_data_v1": lambda z: Asked(z, extra_data=b"\1" + bytes.fromhex(CONTEXT)),
    "extra_data_v0": lambda z: Asked(z, extra_data=b"\0"),
}
UNKNOWN = data(1, os.urandom(32).hex())
RAW_ID = {"empty": "", "nonhex": "zz" * 32, "short63": "a" * 63, "long66": "a" * 66,
          "zero": "00" * 32}

# (method, message)
CALLS = {
    "unknown_method": ("Nope", b""), "unknown_service": ("/foo.v1.Bar/Baz", b""),
    "method_wrong_case": ("publicDecrypt", b""),
    "malformed_protobuf": (SYNC, b"\xff" * 20), "empty_request_message": (SYNC, b""),
    "invalid_utf8_in_id": (GET, b"\x0a\x02\xff\xfe"),
    "unknown_protobuf_field": ("GetKeyMaterialAvailability", b"\xfa\x06\x03abc"),
    "health_unknown_service": ("/grpc.health.v1.Health/Check", b"\x0a\x03foo"),
    "health_metastore_service": ("/grpc.health.v1.Health/Check",
                                 data(1, "metastore_status.v1.MetaStoreStatusService")),
    "reflection_v1": ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", b""),
    "message_over_100MiB": (SYNC, bytes(110100836)),
    "get_unknown_request_id": (GET, UNKNOWN), "get_keygen_unknown": ("GetKeyGenResult", UNKNOWN),
    "get_insecure_keygen_unknown": ("GetInsecureKeyGenResult", UNKNOWN),
    "get_crs_unknown": ("GetCrsGenResult", UNKNOWN),
    "get_userdec_unknown": ("GetUserDecryptionResult", UNKNOWN),
    "get_preproc_unknown": ("GetKeyGenPreprocResult", UNKNOWN),
    "get_epoch_result_unknown": ("GetEpochResult", UNKNOWN),
    "abort_keygen_unknown": ("AbortKeyGen", UNKNOWN),
    "destroy_context_unknown": ("DestroyMpcContext", UNKNOWN),
    "get_operator_public_key": ("GetOperatorPublicKey", b""),
}
CALLS.update(("get_request_id_" + name, (GET, data(1, text)))
             for name, text in RAW_ID.items())

# What the double has no part of: keys' generation, user decryption, custodians, panics.
NOT_SERVED = re.compile("preproc|keygen|user_decrypt|central_|backup_restore|get_epoch_result$")


class ErrorsTest(ZamaDoubleTestCase):
    @classmethod
    def setUpClass(cls):
        cls.rows = {row["case"]: row for row in load("errors.json")["grpc"]}
        cls.met = set()

    def setUp(self):
        self.doubles = {}
        for mode, parties in (("centralized", 1), ("threshold", 4)):
            self.doubles[mode] = self.start("--parties", str(parties))

    @classmethod
    def tearDownClass(cls):
        left = {case for case in cls.rows if not NOT_SERVED.search(case)} - cls.met
        assert not left, "recorded cases that no test has met: %s" % sorted(left)

    def expect(self, case, mode, replies, request_id=None):
        """The recorded code, and the text unless the client made it."""
        self.met.add(case)
        row = self.rows[case]
        self.assertIn(mode, row)
        for reply in replies.values() if isinstance(replies, dict) else [replies]:
            self.assertEqual(reply.code, row[mode], (case, mode, reply))
            text = re.sub("0100{61}[0-9a-f]*|01(00){31}", "<dummy 0100..00>", reply.details or "")
            text = re.sub("[0-9a-f]{64}", "<id>", text)
            if row[mode] not in (4, 14) or "Failed on" in row["message"][mode]:
                self.assertEqual(text, row["message"][mode], case)
            if request_id and "<id>" in text:
                self.assertIn(request_id, reply.details)

    def each(self):
        for mode, (zama, callers) in self.doubles.items():
            with self.subTest(mode=mode):
                yield mode, zama, callers

    def test_decryptions_when_asked_alone_then_as_recorded(self):
        for mode, zama, callers in self.each():
            for case, make in DECRYPTIONS.items():
                with self.subTest(mode=mode, case=case):
                    asked = make(zama)
                    replies = self.ask(callers, SYNC, asked.message)
                    self.expect(case, mode, replies)
                    if self.rows[case][mode] == 0:
                        self.assert_signed(zama, asked, replies)

    def assert_signed(self, zama, asked, replies):
        asked.request_id = asked.request_id.lower().replace("0x", "")
        for number, reply in replies.items():
            self.assertIsNone(Answer(reply.message).check(asked, zama.parties[number]))

    def test_calls_when_made_alone_then_as_recorded(self):
        for mode, zama, callers in self.each():
            for case, (method, message) in CALLS.items():
                if mode in self.rows[case]:
                    with self.subTest(mode=mode, case=case):
                        self.expect(case, mode, self.ask(callers, method, message))

    def test_ids_when_of_another_form_then_found(self):
        for mode, zama, callers in self.each():
            asked = Asked(zama)
            self.answers(callers, asked)
            for case, text in (("get_request_id_x0", "0x" + asked.request_id),
                               ("get_request_id_upper", asked.request_id.upper())):
                replies = self.ask(callers, GET, data(1, text))
                self.expect(case, mode, replies)
                self.assertEqual(Answer(replies[1].message).request_id, asked.request_id)

    def test_done_id_when_asked_again_then_attached_or_refused(self):
        for mode, zama, callers in self.each():
            asked = Asked(zama, schemes=(0,))
            first = self.ask(callers, SYNC, asked.message)
            changed = {
                "same_bytes": asked,
                "other_content": Asked(zama, request_id=asked.request_id, schemes=(0,)),
                "other_handle": Asked(zama, request_id=asked.request_id, schemes=(0,)),
                "other_ciphertext": Asked(zama, 7, EUINT64, request_id=asked.request_id),
                "other_extra_data": Asked(zama, request_id=asked.request_id, extra_data=b"x"),
                "other_schemes": Asked(zama, request_id=asked.request_id, schemes=(1,)),
                "other_domain": Asked(zama, request_id=asked.request_id,
                                      domain=changed_domain(name="Other")),
                "unknown_key": Asked(zama, request_id=asked.request_id, key_id="ab" * 32),
                "missing_domain": Asked(zama, request_id=asked.request_id, domain=None),
                "unknown_context": Asked(zama, request_id=asked.request_id,
                                         context_id=OTHER_CONTEXT)}
            for name, again in changed.items():
                for kind, method in (("sync", SYNC), ("async", ASYNC)):
                    case = "duplicate_%s_%s_done" % (kind, name)
                    if mode in self.rows.get(case, ()):
                        replies = self.ask(callers, method, again.message)
                        self.expect(case, mode, replies)
                        if replies[1].code == 0:
                            self.assertEqual(replies, first)

    def test_pending_id_when_asked_again_then_attached_or_refused(self):
        for mode, zama, callers in self.each():
            zama.state(latency=2)
            asked = Asked(zama)
            pending = {number: caller.start(SYNC, asked.message)
                       for number, caller in callers.items()}
            self.await_requests(zama, pending, SYNC)
            self.expect("duplicate_async_while_pending", mode,
                        self.ask(callers, ASYNC, asked.message))
            again = self.ask(callers, SYNC, asked.message)
            self.expect("duplicate_sync_while_pending", mode, again)
            self.assertEqual({number: Caller.take(future) for number, future in pending.items()},
                             again)

    def test_failed_id_when_used_again_then_it_is_done_anew(self):
        for mode, zama, callers in self.each():
            get = None
            for kind, method in (("sync", SYNC), ("async", ASYNC)):
                bad = with_blob(lambda blob: b"garbage")(zama)
                good = Asked(zama, request_id=bad.request_id)
                get = data(1, bad.request_id)
                self.expect("failed_id_first", mode, self.ask(callers, SYNC, bad.message),
                            bad.request_id)
                self.expect("failed_id_same_bytes_async", mode,
                            self.ask(callers, ASYNC, bad.message))
                self.expect("failed_id_get_after_redo", mode, self.ask(callers, GET, get))
                self.expect("failed_id_resubmitted_with_good_ciphertext_" + kind, mode,
                            self.ask(callers, method, good.message))
            self.expect("failed_id_resubmitted_get", mode, self.ask(callers, GET, get))

    def test_submit_when_of_garbage_or_an_unknown_key_then_told_where_it_was(self):
        for mode, zama, callers in self.each():
            bad = with_blob(lambda blob: b"garbage")(zama)
            self.expect("ciphertext_garbage_async_submit", mode,
                        self.ask(callers, ASYNC, bad.message))
            self.expect("ciphertext_garbage_async_get", mode,
                        self.ask(callers, GET, data(1, bad.request_id)), bad.request_id)
            unknown = Asked(zama, key_id="ab" * 32)
            self.expect("unknown_key_id_async_submit", mode,
                        self.ask(callers, ASYNC, unknown.message), unknown.request_id)

    def test_deadline_when_of_the_client_then_the_work_goes_on(self):
        for mode, zama, callers in self.each():
            self.ask(callers, "GetHealthStatus", b"")  # connections are open
            zama.state(latency=2)
            asked = Asked(zama)
            get = data(1, asked.request_id)
            self.expect("sync_client_deadline_50ms_on_slow_decrypt", mode,
                        self.ask(callers, SYNC, asked.message, 0.5))
            if mode == "threshold":
                self.expect("get_before_ready_client_deadline_10ms", mode,
                            self.ask(callers, GET, get, 0.01))
            self.expect("get_after_client_deadline", mode, self.ask(callers, GET, get))

    def test_quorum_when_too_few_were_asked_then_unavailable_until_enough_were(self):
        zama, callers = self.doubles["threshold"]
        zama.state(window=1)
        asked = Asked(zama)
        half = {number: callers[number] for number in (1, 2)}
        begin = time.monotonic()
        self.expect("result_not_ready_sync_2_of_4", "threshold",
                    self.ask(half, SYNC, asked.message), asked.request_id)
        self.assertGreaterEqual(time.monotonic() - begin, 0.9)
        zama.state(window=60)
        answers = self.answers(callers, asked)
        for number, answer in answers.items():
            self.assertIsNone(answer.check(asked, zama.parties[number]))
        zama.state(window=1)
        alone = Asked(zama)
        callers[1].call(ASYNC, alone.message)
        get = data(1, alone.request_id)
        self.expect("result_not_ready_get_1_of_4", "threshold", callers[1].call(GET, get))
        self.expect("get_on_party_that_never_got_the_request", "threshold",
                    callers[2].call(GET, get))

    def test_epoch_when_not_made_yet_then_nothing_is_found(self):
        zama, callers = self.doubles["threshold"]
        for number in callers:
            zama.party(number, initialized=False)
        asked = Asked(zama)
        self.expect("decrypt_before_epoch_init", "threshold",
                    self.ask(callers, SYNC, asked.message), asked.request_id)

    def test_restart_when_over_then_results_are_gone_and_answers_the_same(self):
        zama, callers = self.doubles["centralized"]
        asked = Asked(zama)
        get = data(1, asked.request_id)
        first = callers[1].call(SYNC, asked.message)
        zama.state(latency=20)
        zama.reset()
        pending = callers[1].start(SYNC, Asked(zama).message)
        self.await_requests(zama, (1,), SYNC)
        zama.kill(1)
        self.expect("sigterm_during_decrypt", "centralized", Caller.take(pending))
        self.expect("server_down_connection_refused", "centralized",
                    callers[1].call("GetHealthStatus"))
        zama.restart(1)
        zama.state(latency=0)
        with Caller(zama.parties[1]) as caller:
            self.expect("after_restart_get_old_result", "centralized", caller.call(GET, get))
            again = caller.call(SYNC, asked.message)
        self.expect("after_restart_sync_same_bytes", "centralized", again)
        self.assertEqual(again.message, first.message)

    def test_bucket_when_empty_then_resource_exhausted(self):
        zama, callers = self.doubles["centralized"]
        zama.party(1, bucket=3)
        zama.state(latency=2)
        for kind, method in (("sync", SYNC), ("async", ASYNC)):
            started = [callers[1].start(method, Asked(zama).message) for _ in range(8)]
            replies = [Caller.take(future) for future in started]
            refused = [reply for reply in replies if reply.code]
            self.assertEqual(len(refused), 5)
            for reply in refused:
                self.expect("rate_limit_exceeded_" + kind, "centralized", reply)
            time.sleep(2.5)  # until the three have ended
        self.met.add("rate_limit_cost_above_bucket")  # of the generation of keys


class HttpTest(ZamaDoubleTestCase):
    """As the curl tool sees it."""

    ARGUMENTS = {
        "http_ok": [], "http_no_te": ["-H", "te:"],
        "http_content_type_json": ["-H", "content-type: application/json"],
        "http_no_content_type": ["-H", "content-type:"],
        "http_grpc_proto_ct": ["-H", "content-type: application/grpc+proto"],
        "http_grpc_timeout_1n": ["-H", "grpc-timeout: 1n"],
        "http_grpc_timeout_bad": ["-H", "grpc-timeout: soon"],
        "http_grpc_encoding_gzip": ["-H", "grpc-encoding: gzip"]}
    BODIES = {"http_short_body": b"\0\0\0\0\5a", "http_no_body": b"",
              "http_compressed_flag": b"\1\0\0\0\0"}
    PATHS = {"http_unknown_path": "/kms_service.v1.CoreServiceEndpoint/nope", "http_root": "/"}

    def curl(self, url, *arguments, body=b"\0\0\0\0\0"):
        done = subprocess.run(
            ["curl", "-s", "--max-time", "20", "--http2-prior-knowledge", "-D", "-", "-o",
             "/dev/null", "-H", "content-type: application/grpc", "-H", "te: trailers",
             "--data-binary", "@-", *arguments, url], input=body, capture_output=True, check=False)
        headers = {}
        for line in done.stdout.decode().splitlines()[1:]:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        return done.returncode, headers

    def test_cases_when_sent_by_curl_then_headers_as_recorded(self):
        rows = [row for row in load("errors.json")["http"] if row["mode"] == "threshold"]
        zama, _ = self.start()
        base = zama.parties[1].url
        for row in rows:
            case = row["case"]
            if case in ("http_http11", "http_http11_upgrade", "http_get_method",
                        "http_grpc_timeout_50m_on_2s_decrypt"):
                continue  # below
            with self.subTest(case=case):
                url = base + self.PATHS.get(case, "/kms_service.v1.CoreServiceEndpoint/"
                                            "GetHealthStatus")
                code, headers = self.curl(url, *self.ARGUMENTS.get(case, ()),
                                          body=self.BODIES.get(case, b"\0\0\0\0\0"))
                self.assertEqual(code, row["curl_exit"])
                self.assert_headers(headers, row["headers"])

    def assert_headers(self, ours, theirs):
        for name in ("grpc-status", "grpc-message", "content-type"):
            if name in theirs:
                self.assertEqual(ours.get(name), theirs[name])
        self.assertEqual(ours.get("grpc-status", "0"), theirs.get("grpc-status", "0"))

    def test_timeout_when_on_a_slow_decryption_then_cancelled_and_the_work_goes_on(self):
        zama, callers = self.start("--parties", "1")
        zama.state(latency=0.5)
        asked = Asked(zama)
        body = b"\0" + len(asked.message).to_bytes(4, "big") + asked.message
        code, headers = self.curl(zama.parties[1].url +
                                  "/kms_service.v1.CoreServiceEndpoint/PublicDecryptSync",
                                  "-H", "grpc-timeout: 50m", body=body)
        self.assertEqual((code, headers["grpc-status"], headers["grpc-message"]),
                         (0, "1", "Timeout%20expired"))
        self.assertEqual(callers[1].call(GET, data(1, asked.request_id)).code, 0)

    def test_get_when_sent_then_no_message(self):
        zama, _ = self.start("--parties", "1")
        done = subprocess.run(["curl", "-s", "--max-time", "20", "--http2-prior-knowledge", "-D",
                               "-", zama.parties[1].url + "/kms_service.v1.CoreServiceEndpoint/"
                               "GetHealthStatus"], capture_output=True, text=True, check=True)
        self.assertIn("grpc-status: 13", done.stdout)

    def test_http11_when_spoken_then_no_answer_that_makes_sense(self):
        zama, _ = self.start("--parties", "1")
        done = subprocess.run(["curl", "-s", "--max-time", "20", "--http1.1",
                               zama.parties[1].url], capture_output=True, check=False)
        self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
