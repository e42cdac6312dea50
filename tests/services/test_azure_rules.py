#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the stand-in for Azure insists on, request by request: the rules that Microsoft's own
clients (test_azure_double.py) never break."""

import base64
import hashlib
import json
import os
import time
import unittest
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from azure_server import HSM, WEB, AzureDouble

AUTHORITY = "login.microsoftonline.com"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
IMDS = ("/metadata/identity/oauth2/token?api-version=2018-02-01"
        "&resource=https%3A%2F%2Fvault.azure.net")
DIGEST = hashlib.sha256(b"hello world").digest()
MANAGEMENT = "https://management.azure.com"


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class RulesTestCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.azure = AzureDouble()
        cls.addClassCleanup(cls.azure.__exit__)
        cls.tokens = {host: cls.azure.issue_token("https://" + host.partition(".")[2])
                      for host in (WEB, HSM)}

    def setUp(self):
        self.azure.reset()

    def call(self, method, path, body=None, host=WEB, token=None, api="7.4", headers=None):
        if api:
            path += ("&" if "?" in path else "?") + "api-version=" + api
        headers = dict({"Authorization": "Bearer " + (token or self.tokens[host])},
                       **(headers or {}))
        return self.azure.request(method, host, path, body, headers)

    def assert_error(self, answer, status, code, text=""):
        self.assertEqual((answer.status, answer.json["error"]["code"]), (status, code), answer.text)
        self.assertIn(text, answer.json["error"]["message"])
        return answer.json["error"].get("innererror", {}).get("code")


class AssertionTest(RulesTestCase):
    """Client assertions as this project's module makes them: PS256, x5t#S256."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client_id, path = cls.azure.add_certificate_app()
        with open(path, "rb") as file:
            pem = file.read()
        cls.key = serialization.load_pem_private_key(pem, None)
        cls.certificate = x509.load_pem_x509_certificate(pem)

    def header(self, **more):
        return dict({"alg": "PS256", "typ": "JWT",
                     "x5t#S256": b64(self.certificate.fingerprint(hashes.SHA256()))}, **more)

    def claims(self, **more):
        now = int(time.time())
        return dict({"aud": "https://%s/%s/oauth2/v2.0/token" % (AUTHORITY, self.azure.tenant),
                     "iss": self.client_id, "sub": self.client_id, "jti": str(uuid.uuid4()),
                     "nbf": now, "exp": now + 600}, **more)

    def sign(self, header, claims, key=None):
        signed = ".".join(b64(json.dumps(part).encode()) for part in (header, claims))
        scheme = padding.PKCS1v15() if header.get("alg") == "RS256" else \
            padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        return signed + "." + b64((key or self.key).sign(signed.encode(), scheme, hashes.SHA256()))

    def ask(self, assertion, **more):
        return self.azure.ask_token(**dict({
            "client_id": self.client_id, "client_secret": None, "client_assertion": assertion,
            "client_assertion_type": ASSERTION}, **more))

    def assert_refused(self, assertion, number, status=401, **more):
        answer = self.ask(assertion, **more)
        self.assertEqual((answer.status, answer.json.get("error_codes")), (status, [number]),
                         answer.text)

    def test_ps256_when_all_is_right_then_token(self):
        answer = self.ask(self.sign(self.header(), self.claims()))
        self.assertEqual((answer.status, answer.json["token_type"], answer.json["expires_in"]),
                         (200, "Bearer", 3599))
        self.assertEqual(self.call("GET", "/keys", token=answer.json["access_token"]).status, 200)

    def test_rs256_when_thumbprint_is_sha1_then_token(self):
        for padded in ("", "="):
            header = {"alg": "RS256", "x5t": b64(self.certificate.fingerprint(
                hashes.SHA1())) + padded}
            self.assertEqual(self.ask(self.sign(header, self.claims())).status, 200)

    def test_audience_when_another_then_700023(self):
        for audience in ("https://%s/%s/oauth2/v2.0/token" % ("login.microsoftonline.us",
                                                              self.azure.tenant),
                         "https://%s/%s/oauth2/v2.0/token" % (AUTHORITY, "other"), AUTHORITY):
            self.assert_refused(self.sign(self.header(), self.claims(aud=audience)), 700023)

    def test_time_when_over_or_not_begun_then_700024(self):
        now = int(time.time())
        for times in ({"exp": now - 400}, {"nbf": now + 400}, {"exp": None}):
            self.assert_refused(self.sign(self.header(), self.claims(**times)), 700024)

    def test_thumbprint_when_another_then_700027(self):
        header = self.header(**{"x5t#S256": b64(bytes(32))})
        self.assert_refused(self.sign(header, self.claims()), 700027)

    def test_signature_when_by_another_key_then_50013(self):
        other = rsa.generate_private_key(65537, 2048)
        self.assert_refused(self.sign(self.header(), self.claims(), other), 50013)

    def test_algorithm_when_unknown_then_5002738(self):
        for alg in ("none", "ES256", "RS512"):
            self.assert_refused(self.sign(self.header(alg=alg), self.claims()), 5002738)

    def test_subject_when_not_the_client_then_700021(self):
        self.assert_refused(self.sign(self.header(), self.claims(sub="other")), 700021)

    def test_jti_when_missing_then_50027(self):
        self.assert_refused(self.sign(self.header(), self.claims(jti=None)), 50027)

    def test_form_when_malformed_then_50027(self):
        good = self.sign(self.header(), self.claims())
        for bad in ("", "a.b", good + "\n", good + "=", good.replace(".", "!")):
            self.assert_refused(bad, 50027, 400)

    def test_type_when_missing_then_900144(self):
        self.assert_refused(self.sign(self.header(), self.claims()), 900144, 400,
                            client_assertion_type="jwt")


class TokenTest(RulesTestCase):
    def assert_refused(self, answer, status, error, number):
        self.assertEqual((answer.status, answer.json["error"], answer.json["error_codes"]),
                         (status, error, [number]), answer.text)
        self.assertTrue(answer.json["error_description"].startswith("AADSTS%d: " % number))

    def test_secret_when_wrong_then_invalid_client(self):
        self.assert_refused(self.azure.ask_token(client_secret="x"), 401, "invalid_client",
                            7000215)

    def test_proof_when_none_then_invalid_client(self):
        self.assert_refused(self.azure.ask_token(client_secret=None), 401, "invalid_client",
                            7000216)

    def test_form_when_incomplete_then_says_what(self):
        for name in ("grant_type", "client_id", "scope"):
            answer = self.azure.ask_token(**{name: None})
            self.assert_refused(answer, 400, "invalid_request", 900144)
            self.assertIn("'%s'" % name, answer.json["error_description"])

    def test_grant_when_another_then_70003(self):
        self.assert_refused(self.azure.ask_token(grant_type="password"), 400,
                            "unsupported_grant_type", 70003)

    def test_body_when_json_then_nothing_is_found_in_it(self):
        answer = self.azure.request("POST", AUTHORITY, "/%s/oauth2/v2.0/token" % self.azure.tenant,
                                    {"grant_type": "client_credentials"})
        self.assert_refused(answer, 400, "invalid_request", 900144)

    def test_tenant_when_unknown_then_90002(self):
        self.assert_refused(self.azure.ask_token(path="/other/oauth2/v2.0/token"), 400,
                            "invalid_request", 90002)

    def test_scope_when_not_a_default_one_then_1002012(self):
        for scope in ("https://vault.azure.net", "https://vault.azure.net/user_impersonation",
                      "https://vault.azure.net/.default openid"):
            self.assert_refused(self.azure.ask_token(scope=scope), 400, "invalid_scope", 1002012)

    def test_scope_when_of_another_cloud_then_500011(self):
        for scope in ("https://web.vault.azure.net/.default",
                      "https://vault.usgovcloudapi.net/.default"):
            self.assert_refused(self.azure.ask_token(scope=scope), 400, "invalid_resource", 500011)

    def test_scope_when_its_resource_ends_with_a_slash_then_vault_refuses_the_token(self):
        token = self.azure.ask_token(
            scope="https://vault.azure.net//.default").json["access_token"]
        self.assert_error(self.call("GET", "/keys", token=token), 401, "Unauthorized",
                          "AKV10022: Invalid audience. Expected https://vault.azure.net, found: "
                          "https://vault.azure.net/.")

    def test_v1_when_asked_then_numbers_are_text(self):
        answer = self.azure.ask_token(path="/%s/oauth2/token" % self.azure.tenant, scope=None,
                                      resource="https://vault.azure.net")
        self.assertEqual((answer.json["expires_in"], answer.json["resource"]),
                         ("3599", "https://vault.azure.net"))

    def test_refresh_in_when_ordered_then_in_the_answer(self):
        self.assertNotIn("refresh_in", self.azure.ask_token().json)
        self.azure.state(refresh_in=1800, lifetime=7200)
        self.addCleanup(self.azure.state, lifetime=3599)
        answer = self.azure.ask_token().json
        self.assertEqual(answer["refresh_in"], 1800)
        self.assertIn(answer["expires_in"], (7199, 7200))  # a second may have passed

    def test_federated_token_when_audience_or_issuer_is_another_then_refused(self):
        client_id, _ = self.azure.add_federated_app()
        for number, options in ((700212, {"audience": "vault"}),
                                (700211, {"claims": {"iss": "https://other.test/"}})):
            with open(self.azure.federated_token(**options), encoding="ascii") as file:
                answer = self.azure.ask_token(client_id=client_id, client_secret=None,
                                              client_assertion=file.read(),
                                              client_assertion_type=ASSERTION)
            self.assert_refused(answer, 401, "invalid_client", number)

    def test_federated_token_when_tampered_with_then_50013(self):
        client_id, path = self.azure.add_federated_app()
        with open(path, encoding="ascii") as file:
            head, claims, _ = file.read().split(".")
        answer = self.azure.ask_token(
            client_id=client_id, client_secret=None, client_assertion_type=ASSERTION,
            client_assertion=".".join((head, claims, b64(bytes(256)))))
        self.assert_refused(answer, 401, "invalid_client", 50013)


class IdentityTest(RulesTestCase):
    def ask(self, path=IMDS, **headers):
        return self.azure.request_plain(path, dict({"Metadata": "true"}, **headers))

    def test_imds_when_asked_then_numbers_are_text(self):
        answer = self.ask().json
        self.assertEqual((answer["resource"], answer["token_type"]),
                         ("https://vault.azure.net", "Bearer"))
        for name in ("expires_in", "expires_on", "ext_expires_in", "not_before"):
            self.assertRegex(answer[name], "^[0-9]+$")

    def test_imds_when_header_is_missing_then_400(self):
        answer = self.azure.request_plain(IMDS)
        self.assertEqual((answer.status, answer.json["error_description"]),
                         (400, "Required metadata header not specified"))

    def test_imds_when_a_proxy_was_asked_then_400(self):
        self.assertEqual(self.ask(**{"X-Forwarded-For": "192.0.2.1"}).status, 400)

    def test_imds_when_version_or_resource_is_missing_then_400(self):
        self.assertEqual(self.ask(IMDS.replace("2018-02-01", "2010-01-01")).status, 400)
        self.assertEqual(self.ask(IMDS.partition("&")[0]).json["error"], "invalid_resource")

    def test_imds_when_no_identity_is_meant_then_400(self):
        self.azure.state(system_identity=False)
        self.addCleanup(self.azure.state, system_identity=True)
        self.assertEqual(self.ask().json["error_description"], "Identity not found")
        ids = [self.azure.assign_identity() for _ in range(2)]
        self.assertIn("Multiple user assigned", self.ask().json["error_description"])
        self.assertEqual(self.ask(IMDS + "&client_id=" + ids[1]["client_id"]).json["client_id"],
                         ids[1]["client_id"])
        self.assertEqual(self.ask(IMDS + "&msi_res_id=" + ids[0]["resource_id"]).status, 200)

    def test_arc_when_file_is_not_shown_then_401_and_each_only_once(self):
        directory = os.path.join(self.azure.dir, "arc")
        self.azure.state(arc_directory=directory)
        path = IMDS.replace("2018-02-01", "2020-06-01")
        answer = self.ask(path)
        scheme, _, file = answer.headers["WWW-Authenticate"].partition("=")
        self.assertEqual((answer.status, scheme), (401, "Basic realm"))
        with open(file, encoding="ascii") as challenge:
            secret = challenge.read()
        self.assertEqual([self.ask(path, Authorization="Basic " + text).status
                          for text in ("wrong", secret, secret)], [401, 200, 401])


class AccessTest(RulesTestCase):
    """Before a vault looks at what is asked of it."""

    def test_token_when_missing_then_challenge_whatever_the_path(self):
        for method, path in (("GET", "/keys"), ("POST", "/keys/x/sign"), ("GET", "/nowhere")):
            answer = self.azure.request(method, WEB, path)
            self.assert_error(answer, 401, "Unauthorized", "AKV10000")
            self.assertEqual(answer.headers["WWW-Authenticate"],
                             'Bearer authorization="https://login.windows.net/%s", '
                             'resource="https://vault.azure.net"' % self.azure.tenant)

    def test_token_when_missing_for_hsm_then_empty_body(self):
        answer = self.azure.request("GET", HSM, "/keys")
        self.assertEqual((answer.status, answer.text), (401, ""))
        self.assertEqual(answer.headers["WWW-Authenticate"],
                         'Bearer authorization="https://login.microsoftonline.com/%s", '
                         'resource="https://managedhsm.azure.net"' % self.azure.tenant)

    def test_token_when_for_another_audience_then_says_so(self):
        management = self.azure.issue_token(MANAGEMENT)
        self.assert_error(self.call("GET", "/keys", token=management), 401, "Unauthorized",
                          "AKV10022: Invalid audience.")
        self.assert_error(self.call("GET", "/keys", token=self.tokens[WEB], host=HSM), 401,
                          "Unauthorized", "Found token with aud=https://vault.azure.net, but "
                          "expected aud=https://managedhsm.azure.net")

    def test_token_when_of_another_tenant_then_says_so(self):
        token = self.azure.issue_token(tenant="other")
        self.assert_error(self.call("GET", "/keys", token=token), 401, "Unauthorized",
                          "AKV10032: Invalid issuer.")

    def test_token_when_ended_or_unknown_then_401(self):
        token = self.azure.issue_token()
        self.azure.end_tokens(token)
        self.assert_error(self.call("GET", "/keys", token=token), 401, "Unauthorized", "Expired")
        self.assert_error(self.call("GET", "/keys", token="x.y.z"), 401, "Unauthorized", "AKV10046")

    def test_api_version_when_missing_or_unknown_then_400(self):
        self.assert_error(self.call("GET", "/keys", api=None), 400, "BadParameter",
                          "api-version must be specified")
        self.assert_error(self.call("GET", "/keys", api="9.9"), 400, "BadParameter",
                          "The specified version (9.9) is not recognized.")

    def test_path_when_unknown_then_404_and_method_405(self):
        self.assert_error(self.call("GET", "/nowhere"), 404, "NotFound")
        self.assert_error(self.call("DELETE", "/keys"), 405, "MethodNotAllowed")
        self.assert_error(self.call("GET", "/certificates", host=HSM), 404, "NotFound")

    def test_body_when_not_a_json_object_then_400(self):
        for body in (b"{", b"[]"):
            self.assert_error(self.call("POST", "/keys/x/create", body, headers={
                "Content-Type": "application/json"}), 400, "BadParameter")
        self.assertEqual(self.call("POST", "/keys/x/create", b"{}").status, 415)

    def test_host_when_nobodys_then_404(self):
        self.assertEqual(self.azure.request(
            "GET", "127.0.0.1", "/keys", headers={"Host": "evil.test"}).status, 404)

    def test_host_when_with_port_then_ids_have_it(self):
        self.azure.make_key("ported")
        host = "%s:%d" % (WEB, self.azure.port)
        answer = self.call("GET", "/keys/ported", headers={"Host": host})
        self.assertTrue(answer.json["key"]["kid"].startswith("https://%s/keys/" % host))

    def test_rights_when_without_in_hsm_then_its_words(self):
        self.azure.make_key("app", vault=HSM)
        self.azure.allow("keys/read", vault=HSM)
        self.addCleanup(self.azure.allow_all, vault=HSM)
        self.assert_error(self.call("GET", "/keys/app", host=HSM), 403, "AccessDenied",
                          "Not authorized to access Microsoft.KeyVault/managedHsm/keys/get")


class KeyRulesTest(RulesTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.azure.make_key("rsa", "RSA")
        cls.azure.make_key("ec")
        cls.azure.make_key("rsa", "RSA", vault=HSM)
        cls.azure.make_key("aes", "oct-HSM", vault=HSM, key_size=256)

    def create(self, host=WEB, name="new", **body):
        return self.call("POST", "/keys/%s/create" % name, body, host)

    def test_create_when_wrong_then_400(self):
        for body in ({"kty": "DSA"}, {}, {"kty": "RSA", "key_size": 1024},
                     {"kty": "RSA", "public_exponent": 17}, {"kty": "EC", "crv": "P-224"},
                     {"kty": "EC", "key_ops": ["encrypt"]}, {"kty": "oct-HSM", "key_size": 256},
                     {"kty": "EC", "tags": {str(number): "" for number in range(16)}},
                     {"kty": "EC", "tags": {"a": "b" * 257}},
                     {"kty": "EC", "attributes": {"enabled": "yes"}},
                     {"kty": "EC", "attributes": {"nbf": 2, "exp": 1}}):
            self.assert_error(self.create(**body), 400, "BadParameter")
        for name in ("with_underscore", "a" * 128, "dot."):
            self.assert_error(self.create(name=name, kty="EC"), 400, "BadParameter",
                              "invalid name")

    def test_ids_when_in_other_letters_then_found(self):
        kid = self.call("GET", "/keys/RSA/" + self.azure.version("rsa").upper()).json["key"]["kid"]
        self.assertEqual(kid, "https://%s/keys/rsa/%s" % (WEB, self.azure.version("rsa")))

    def test_get_when_path_ends_with_slash_then_latest(self):
        self.assertEqual(self.call("GET", "/keys/rsa/").json, self.call("GET", "/keys/rsa").json)

    def test_list_when_maxresults_is_out_of_range_then_400(self):
        for text in ("0", "26", "x"):
            self.assert_error(self.call("GET", "/keys?maxresults=" + text), 400, "BadParameter")

    def test_next_link_when_there_then_with_the_port_and_null_at_the_end(self):
        first = self.call("GET", "/keys?maxresults=1").json
        link = first["nextLink"]
        self.assertTrue(link.startswith("https://%s:443/keys?api-version=7.4&$skiptoken=" % WEB))
        second = self.call("GET", link[len("https://%s:443" % WEB):], api=None).json
        self.assertEqual([page["value"][0]["kid"].rpartition("/")[2] for page in (first, second)],
                         ["ec", "rsa"])
        self.assertIsNone(self.call("GET", "/keys").json["nextLink"])
        self.assertNotIn("key", first["value"][0])

    def test_oct_size_when_api_is_old_then_not_told(self):
        shown = self.call("GET", "/keys/aes", host=HSM).json
        self.assertEqual((shown["key"]["kty"], set(shown["key"])),
                         ("oct-HSM", {"kid", "kty", "key_ops"}))
        self.assertNotIn("key_size", shown["attributes"])
        self.assertEqual(self.call("GET", "/keys/aes", host=HSM, api="2026-04-01")
                         .json["attributes"]["key_size"], 256)

    def operate(self, path, host=WEB, api="7.4", **body):
        return self.call("POST", "/keys/" + path, {
            name: b64(value) if isinstance(value, bytes) else value
            for name, value in body.items()}, host, api=api)

    def test_digest_when_of_wrong_length_then_400(self):
        for name, alg, size in (("ec", "ES256", 31), ("rsa", "RS256", 48), ("rsa", "PS512", 32)):
            self.assert_error(self.operate(name + "/sign", alg=alg, value=bytes(size)), 400,
                              "BadParameter", "Invalid length")

    def test_algorithm_when_not_the_keys_then_400(self):
        for name, alg in (("ec", "RS256"), ("rsa", "ES256"), ("ec", "ES384"), ("rsa", "XX"),
                          ("rsa", None), ("rsa", "HS256")):
            self.assert_error(self.operate(name + "/sign", alg=alg, value=DIGEST), 400,
                              "BadParameter")
        self.assert_error(self.operate("ec/encrypt", alg="RSA-OAEP", value=b"x"), 403, "Forbidden")

    def test_value_when_not_base64url_then_400(self):
        for value in (None, "a+b/", "AA==", "A"):
            self.assert_error(self.operate("rsa/sign", alg="RS256", value=value), 400,
                              "BadParameter", "Property value")

    def test_rsnull_when_vault_then_any_bytes_and_hsm_refuses(self):
        answer = self.operate("rsa/sign", alg="RSNULL", value=b"any bytes").json
        raw = base64.urlsafe_b64decode(answer["value"] + "==")
        numbers = self.azure.public_key("rsa").public_numbers()
        block = pow(int.from_bytes(raw, "big"), numbers.e, numbers.n).to_bytes(256, "big")
        self.assertTrue(block.startswith(b"\0\1\xff") and block.endswith(b"\xff\0any bytes"))
        self.assert_error(self.operate("rsa/sign", HSM, alg="RSNULL", value=b"x"), 400,
                          "BadParameter")

    def test_answer_when_from_hsm_then_with_alg(self):
        self.assertEqual(set(self.operate("rsa/sign", alg="RS256", value=DIGEST).json),
                         {"kid", "value"})
        self.assertEqual(self.operate("rsa/sign", HSM, alg="RS256", value=DIGEST).json["alg"],
                         "RS256")

    def test_decrypt_when_wrong_then_one_answer_whatever_the_cause(self):
        good = self.azure.public_key("rsa").encrypt(b"x", padding.PKCS1v15())
        texts = {self.operate("rsa/decrypt", alg=alg, value=value).text
                 for alg, value in (("RSA1_5", bytes(256)), ("RSA-OAEP", good),
                                    ("RSA-OAEP-256", b"short"), ("RSA-OAEP", bytes(300)))}
        self.assertEqual(len(texts), 1, texts)
        texts |= {self.operate("aes/decrypt", HSM, alg=alg, value=bytes(size), iv=bytes(iv),
                               tag=bytes(16)).text
                  for alg, size, iv in (("A256CBCPAD", 32, 16), ("A256CBCPAD", 31, 16),
                                        ("A256GCM", 5, 12))}
        self.assertEqual(len(texts), 1, texts)

    def test_gcm_when_caller_brings_the_nonce_then_400(self):
        self.assert_error(self.operate("aes/encrypt", HSM, alg="A256GCM", value=b"x",
                                       iv=bytes(12)), 400, "BadParameter", "iv must not be given")

    def test_cbc_when_data_is_no_whole_block_then_400(self):
        self.assert_error(self.operate("aes/encrypt", HSM, alg="A256CBC", value=b"x",
                                       iv=bytes(16)), 400, "BadParameter", "whole blocks")

    def test_new_algorithms_when_api_is_old_then_unknown(self):
        for path, alg in (("aes/wrapkey", "CKM_AES_KEY_WRAP_PAD"), ("aes/sign", "HS256")):
            if path == "aes/sign":
                self.azure.update_key("aes", HSM, key_ops=["sign", "wrapKey", "encrypt", "decrypt"])
            body = {"alg": alg, "value": bytes(range(20))}
            self.assert_error(self.operate(path, HSM, **body), 400, "BadParameter", "Property alg")
            self.assertEqual(self.operate(path, HSM, api="7.6", **body).status, 200)

    def test_key_of_a_certificate_when_deleted_then_403(self):
        self.azure.make_certificate("site")
        self.assertTrue(self.call("GET", "/keys/site").json["managed"])
        self.assert_error(self.call("DELETE", "/keys/site"), 403, "Forbidden")

    def test_retired_version_when_signing_then_its_own_key(self):
        self.azure.make_key("old")
        old = self.azure.version("old")
        new = self.azure.rotate_key("old")["key"]["kid"]
        self.assertEqual([self.operate(path + "/sign", alg="ES256", value=DIGEST).json["kid"]
                          for path in ("old", "old/" + old)],
                         [new, "https://%s/keys/old/%s" % (WEB, old)])


class LimitTest(RulesTestCase):
    def test_limit_when_reached_then_429_until_the_window_moves(self):
        self.azure.make_key("hsm", "RSA-HSM", key_size=3072)  # one counts for eight
        self.azure.limit(20, retry_after=7)
        self.addCleanup(self.azure.limit, None)
        answers = [self.call("POST", "/keys/hsm/sign", {"alg": "RS256", "value": b64(DIGEST)})
                   for _ in range(4)]
        self.assertEqual([answer.status for answer in answers], [200, 200, 429, 429])
        self.assert_error(answers[2], 429, "Throttled", "VaultRequestTypeLimitReached")
        self.assertEqual(answers[2].headers["Retry-After"], "7")

    def test_limit_when_hsm_then_none(self):
        self.azure.make_key("app", vault=HSM)
        self.azure.limit(0, vault=HSM)
        self.assertEqual(self.call("POST", "/keys/app/sign", {
            "alg": "ES256", "value": b64(DIGEST)}, HSM).status, 200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
