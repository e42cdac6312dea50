#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Microsoft's own clients on the stand-in for Azure: whatever they can do, it answers for.

They are not in Debian: this program goes on in an environment that has the versions below
(environments.py).
"""

import datetime
import hashlib
import logging
import os
import unittest
from unittest import mock

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import environments
from azure_server import HSM, WEB, AzureDouble

REQUIREMENTS = [
    "azure-core==1.41.0", "azure-identity==1.27.0", "azure-keyvault-certificates==4.12.0",
    "azure-keyvault-keys==4.11.3", "certifi==2026.10.19.post1", "charset-normalizer==3.5.3",
    "idna==3.20", "isodate==0.7.2", "msal==1.39.0", "msal-extensions==1.3.1", "PyJWT==2.6.0",
    "requests==2.34.2", "typing_extensions==4.16.0", "urllib3==2.8.0"]
MESSAGE = b"hello world"
GOVERNMENT = "web.vault.usgovcloudapi.net"
CHINA = "web.vault.azure.cn"
PRIVATE = "web.vault.azurestack.test"
WITHOUT_GET = ["keys/" + verb for verb in ("sign", "verify", "encrypt", "decrypt", "wrapkey",
                                           "unwrapkey")]


def in_days(days):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)


class SdkTestCase(unittest.TestCase):
    """One double for all: the clients remember a vault's challenge, and with it the tenant, for as
    long as the process lives. They are imported by setUpClass: they are there only in the virtual
    environment."""

    azure = None

    @classmethod
    def setUpClass(cls):
        import azure_sdk
        from azure import identity
        from azure.core import exceptions
        from azure.keyvault import certificates, keys
        from azure.keyvault.keys import crypto
        cls.sdk, cls.identity, cls.errors = azure_sdk, identity, exceptions
        cls.keys, cls.crypto, cls.certificates = keys, crypto, certificates
        if SdkTestCase.azure is None:
            SdkTestCase.azure = AzureDouble()
            unittest.addModuleCleanup(SdkTestCase.azure.__exit__)
        environment = azure_sdk.environment()
        logging.getLogger("azure").setLevel(logging.CRITICAL)  # exceptions say it all
        environment.__enter__()
        cls.addClassCleanup(environment.__exit__, None, None, None)
        cls.transport = azure_sdk.transport(cls.azure)
        cls.credential = cls.secret_credential()

    def setUp(self):
        self.azure.reset()
        self.addCleanup(self.azure.reset)

    @classmethod
    def secret_credential(cls, **more):
        return cls.identity.ClientSecretCredential(**dict({
            "tenant_id": cls.azure.tenant, "client_id": cls.azure.client_id,
            "client_secret": cls.azure.client_secret, "transport": cls.transport}, **more))

    def client(self, host=WEB, credential=None, **more):
        return self.keys.KeyClient("https://" + host, credential or self.credential,
                                   transport=self.transport, retry_total=0, **more)

    def crypt(self, key, **more):
        return self.crypto.CryptographyClient(key, self.credential, transport=self.transport,
                                              retry_total=0, **more)

    def remote(self, key, vault=WEB):
        """A client that cannot read the key, and so leaves all work to the service."""
        self.azure.allow(*WITHOUT_GET, vault=vault)
        self.addCleanup(self.azure.allow_all, vault=vault)
        return self.crypt(key.id)

    def certificate_client(self):
        return self.certificates.CertificateClient("https://" + WEB, self.credential,
                                                   transport=self.transport, retry_total=0)


class CredentialTest(SdkTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.azure.make_key("app")

    def assert_good(self, credential, host=WEB):
        self.azure.make_key("app", "EC", vault=host)
        self.assertEqual(self.client(host, credential).get_key("app").name, "app")

    def assert_refused(self, credential, number):
        with self.assertRaisesRegex(self.errors.ClientAuthenticationError, "AADSTS%d:" % number):
            self.client(credential=credential).get_key("app")

    def certificate_credential(self, client_id, path, **more):
        return self.identity.CertificateCredential(self.azure.tenant, client_id, path,
                                                   transport=self.transport, **more)

    def test_secret_when_right_then_one_token_for_many_requests(self):
        client = self.client(credential=self.secret_credential())
        for _ in range(5):
            client.get_key("app")
        self.assertEqual(self.azure.token_requests(), 1)

    def test_secret_when_wrong_then_aadsts7000215(self):
        self.assert_refused(self.secret_credential(client_secret="wrong"), 7000215)

    def test_secret_when_expired_then_aadsts7000222(self):
        app = self.azure.add_app(secret="old", secret_expiry=1)
        self.assert_refused(self.secret_credential(client_id=app["client_id"],
                                                   client_secret="old"), 7000222)

    def test_application_when_unknown_then_aadsts700016(self):
        self.assert_refused(self.secret_credential(client_id="nobody"), 700016)

    def test_tenant_when_unknown_then_refused(self):
        """MSAL stops at the discovery and has words of its own."""
        credential = self.secret_credential(tenant_id="00000000-0000-0000-0000-000000000000")
        with self.assertRaises((ValueError, self.errors.ClientAuthenticationError)):
            credential.get_token("https://vault.azure.net/.default")

    def test_certificate_when_registered_then_token(self):
        client_id, path = self.azure.add_certificate_app()
        for chain in (False, True):
            with self.subTest(chain=chain):
                self.assert_good(self.certificate_credential(client_id, path,
                                                             send_certificate_chain=chain))

    def test_certificate_when_not_registered_then_aadsts700027(self):
        client_id, path = self.azure.add_certificate_app("other")
        self.azure.control("POST", "apps/forget", {"client_id": client_id, "certificates": True})
        self.assert_refused(self.certificate_credential(client_id, path), 700027)

    def test_certificate_when_only_subject_and_issuer_are_known_then_chain_is_enough(self):
        client_id, path = self.azure.add_certificate_app("named")
        self.azure.control("POST", "apps/forget", {"client_id": client_id, "certificates": True})
        with open(self.azure.ca, encoding="ascii") as file:
            self.azure.add_app(client_id=client_id, trust={"subject": "CN=named.test",
                                                           "issuer": file.read()})
        self.assert_refused(self.certificate_credential(client_id, path), 700027)
        self.assert_good(self.certificate_credential(client_id, path, send_certificate_chain=True))

    def workload_credential(self, client_id, path):
        return self.identity.WorkloadIdentityCredential(
            tenant_id=self.azure.tenant, client_id=client_id, token_file_path=path,
            transport=self.transport)

    def test_workload_identity_when_federated_then_token(self):
        self.assert_good(self.workload_credential(*self.azure.add_federated_app()))

    def test_workload_identity_when_environment_says_then_token(self):
        client_id, path = self.azure.add_federated_app()
        with self.sdk.environment(AZURE_TENANT_ID=self.azure.tenant, AZURE_CLIENT_ID=client_id,
                                  AZURE_FEDERATED_TOKEN_FILE=path,
                                  AZURE_AUTHORITY_HOST="https://login.microsoftonline.com/"):
            self.assert_good(self.identity.WorkloadIdentityCredential(transport=self.transport))

    def test_workload_identity_when_other_subject_then_aadsts700213(self):
        client_id, _ = self.azure.add_federated_app()
        path = self.azure.federated_token("system:serviceaccount:default:other")
        self.assert_refused(self.workload_credential(client_id, path), 700213)

    def test_workload_identity_when_token_is_old_then_aadsts700024(self):
        client_id, path = self.azure.add_federated_app(lifetime=-3600)
        self.assert_refused(self.workload_credential(client_id, path), 700024)

    def managed(self, **more):
        return self.identity.ManagedIdentityCredential(**more)

    def test_imds_when_system_assigned_then_token(self):
        with self.sdk.environment(AZURE_POD_IDENTITY_AUTHORITY_HOST=self.azure.identity):
            self.assert_good(self.managed())
        self.assertEqual(self.azure.count("GET /metadata/identity/oauth2/token"), 1)

    def test_imds_when_user_assigned_then_token_by_each_id(self):
        ids = self.azure.assign_identity()
        with self.sdk.environment(AZURE_POD_IDENTITY_AUTHORITY_HOST=self.azure.identity):
            for more in ({"client_id": ids["client_id"]},
                         {"identity_config": {"object_id": ids["object_id"]}},
                         {"identity_config": {"resource_id": ids["resource_id"]}}):
                with self.subTest(more):
                    self.assert_good(self.managed(**more))

    def test_imds_when_nobody_has_the_id_then_not_found(self):
        with self.sdk.environment(AZURE_POD_IDENTITY_AUTHORITY_HOST=self.azure.identity):
            with self.assertRaisesRegex(self.errors.ClientAuthenticationError,
                                        "Identity not found|identity.*not.*assigned"):
                self.client(credential=self.managed(client_id="nobody")).get_key("app")

    def app_service(self, header):
        return self.sdk.environment(IDENTITY_ENDPOINT=self.azure.identity + "/msi/token",
                                    IDENTITY_HEADER=header)

    def test_app_service_when_environment_says_then_token(self):
        ids = self.azure.assign_identity()
        with self.app_service(self.azure.identity_header):
            self.assert_good(self.managed())
            self.assert_good(self.managed(client_id=ids["client_id"]))

    def test_app_service_when_header_is_wrong_then_refused(self):
        with self.app_service("wrong"):
            with self.assertRaises(self.errors.ClientAuthenticationError):
                self.client(credential=self.managed()).get_key("app")

    def test_arc_when_its_file_is_read_then_token(self):
        directory = os.path.join(self.azure.dir, "tokens")
        self.azure.state(arc_directory=directory)
        from msal import managed_identity
        with self.sdk.environment(
                IDENTITY_ENDPOINT=self.azure.identity + "/metadata/identity/oauth2/token",
                IMDS_ENDPOINT=self.azure.identity), \
                mock.patch.dict(
                    managed_identity._supported_arc_platforms_and_their_prefixes,
                    linux=directory):
            self.assert_good(self.managed())
        self.assertEqual(self.azure.count("GET /metadata/identity/oauth2/token"), 2)
        self.assertEqual(os.listdir(directory), [])

    def test_clouds_when_each_has_its_authority_then_token(self):
        for host, authority in ((GOVERNMENT, "login.microsoftonline.us"),
                                (CHINA, "login.chinacloudapi.cn"),
                                (PRIVATE, "login.azurestack.test")):
            with self.subTest(host):
                self.assert_good(self.secret_credential(
                    authority=authority, disable_instance_discovery=True), host)

    def test_clouds_when_authority_is_another_ones_then_aadsts500011(self):
        with self.assertRaisesRegex(self.errors.ClientAuthenticationError, "AADSTS500011"):
            self.client(GOVERNMENT).get_key("app")

    def test_token_when_ended_then_another_is_asked_for(self):
        client = self.client(credential=self.secret_credential())
        client.get_key("app")
        self.azure.state(lifetime=200)
        self.addCleanup(self.azure.state, lifetime=3599)
        other = self.client(credential=self.secret_credential())
        for _ in range(3):  # each within five minutes of its expiry
            other.get_key("app")
        self.assertGreater(self.azure.token_requests(), 2)


class ChallengeTest(SdkTestCase):
    def test_resource_when_foreign_then_client_refuses(self):
        self.azure.make_key("app", vault="evil.vault.azure.net")
        self.azure.fault("hostile_challenge", host="evil.vault.azure.net")
        with self.assertRaisesRegex(ValueError, "does not match"):
            self.client("evil.vault.azure.net").get_key("app")
        self.assertEqual(self.azure.token_requests(), 0)

    def test_claims_when_insufficient_then_client_asks_again(self):
        self.azure.make_key("app")
        client = self.client(credential=self.secret_credential())
        client.get_key("app")
        self.azure.reset()
        self.azure.fault("insufficient_claims", "/keys/app")
        self.assertEqual(client.get_key("app").name, "app")
        self.assertEqual(self.azure.token_requests(), 1)


class KeyTest(SdkTestCase):
    """Making, reading, changing and ending keys."""

    def test_rsa_when_created_then_as_asked(self):
        for size in (2048, 3072, 4096):
            key = self.client().create_rsa_key("rsa-%d" % size, size=size)
            self.assertEqual((key.key_type, len(key.key.n)), ("RSA", size // 8))
            self.assertEqual(set(key.key_operations), {"encrypt", "decrypt", "sign", "verify",
                                                       "wrapKey", "unwrapKey"})
        self.assertEqual(self.client().create_rsa_key("rsa-hsm", hardware_protected=True).key_type,
                         "RSA-HSM")

    def test_ec_when_created_then_as_asked(self):
        for crv, width in (("P-256", 32), ("P-256K", 32), ("P-384", 48), ("P-521", 66)):
            with self.subTest(crv):
                key = self.client().create_ec_key("ec-" + crv, curve=crv)
                self.assertEqual((key.key_type, key.key.crv, len(key.key.x), len(key.key.y)),
                                 ("EC", crv, width, width))
                self.assertEqual(set(key.key_operations), {"sign", "verify"})

    def test_hsm_when_created_then_types_of_an_hsm(self):
        client = self.client(HSM)
        self.assertEqual(client.create_key("rsa", "RSA").key_type, "RSA-HSM")
        self.assertEqual(client.create_key("ec", "EC").key_type, "EC-HSM")
        key = client.create_oct_key("aes", size=128)
        self.assertEqual((key.key_type, key.key.k, key.properties.recovery_level),
                         ("oct-HSM", None, "CustomizedRecoverable+Purgeable"))

    def test_oct_when_created_in_vault_then_refused(self):
        with self.assertRaises(self.errors.HttpResponseError) as caught:
            self.client().create_oct_key("aes", size=256)
        self.assertEqual((caught.exception.status_code, caught.exception.error.code),
                         (400, "BadParameter"))

    def test_attributes_when_given_then_kept(self):
        begin, end = in_days(-1).replace(microsecond=0), in_days(1).replace(microsecond=0)
        made = self.client().create_ec_key("dated", enabled=False, not_before=begin,
                                           expires_on=end, tags={"owner": "web"},
                                           key_operations=["sign"])
        key = self.client().get_key("dated", made.properties.version)
        shown = key.properties
        self.assertEqual((shown.enabled, shown.not_before, shown.expires_on, shown.tags),
                         (False, begin, end, {"owner": "web"}))
        self.assertEqual((key.key_operations, shown.recovery_level, shown.recoverable_days),
                         (["sign"], "Recoverable+Purgeable", 90))

    def test_update_when_asked_then_new_values(self):
        client = self.client()
        client.create_ec_key("changing")
        client.update_key_properties("changing", enabled=False, tags={"a": "b"},
                                     key_operations=["verify"])
        key = client.get_key("changing")
        self.assertEqual((key.properties.enabled, key.properties.tags, key.key_operations),
                         (False, {"a": "b"}, ["verify"]))

    def test_name_when_there_then_new_version(self):
        client = self.client()
        first, second = (client.create_ec_key("twice") for _ in range(2))
        third = client.rotate_key("twice")
        self.assertEqual(client.get_key("twice").id, third.id)
        self.assertEqual(client.get_key("twice", first.properties.version).key.x, first.key.x)
        listed = [item.id for item in client.list_properties_of_key_versions(
            "twice", max_page_size=1)]
        self.assertEqual(listed, sorted([first.id, second.id, third.id]))
        self.assertEqual(self.azure.count("GET /keys/twice/versions"), 3)

    def test_list_when_many_then_client_follows_pages(self):
        self.azure.make_keys(60, vault="many.vault.azure.net")
        names = [item.name for item in
                 self.client("many.vault.azure.net").list_properties_of_keys()]
        self.assertEqual(names, ["key-%05d" % number for number in range(60)])
        self.assertGreaterEqual(self.azure.count("GET /keys"), 3)

    def test_key_when_missing_then_404(self):
        with self.assertRaisesRegex(self.errors.ResourceNotFoundError,
                                    r"A key with \(name/id\) nobody was not found"):
            self.client().get_key("nobody")

    def test_import_when_made_here_then_signs_alike(self):
        client, secret = self.client(), ec.generate_private_key(ec.SECP256R1())
        numbers = secret.private_numbers()
        parts = {"x": numbers.public_numbers.x, "y": numbers.public_numbers.y,
                 "d": numbers.private_value}
        key = client.import_key("brought", self.keys.JsonWebKey(
            kty="EC", crv="P-256", **{name: value.to_bytes(32, "big")
                                      for name, value in parts.items()}))
        digest = hashlib.sha256(MESSAGE).digest()
        raw = self.crypt(key).sign("ES256", digest).signature
        secret.public_key().verify(
            encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")),
            MESSAGE, ec.ECDSA(hashes.SHA256()))

    def test_import_when_rsa_and_aes_then_as_given(self):
        numbers = rsa.generate_private_key(65537, 2048).private_numbers()
        parts = {"n": numbers.public_numbers.n, "e": numbers.public_numbers.e, "d": numbers.d,
                 "p": numbers.p, "q": numbers.q, "dp": numbers.dmp1, "dq": numbers.dmq1,
                 "qi": numbers.iqmp}
        jwk = self.keys.JsonWebKey(kty="RSA", **{
            name: value.to_bytes((value.bit_length() + 7) // 8, "big")
            for name, value in parts.items()})
        key = self.client().import_key("rsa-brought", jwk, hardware_protected=True)
        self.assertEqual((key.key_type, key.key.n), ("RSA-HSM", jwk.n))
        secret = self.client(HSM).import_key("aes-brought", self.keys.JsonWebKey(
            kty="oct-HSM", k=bytes(range(32))))
        sealed = self.crypt(secret).encrypt("A256GCM", MESSAGE)
        self.assertEqual(AESGCM(bytes(range(32))).decrypt(
            sealed.iv, sealed.ciphertext + sealed.tag, None), MESSAGE)

    def test_delete_when_recovered_or_purged_then_so(self):
        client = self.client()
        made = client.create_ec_key("ending")
        poller = client.begin_delete_key("ending")
        poller.wait(60)
        deleted = client.get_deleted_key("ending")
        self.assertEqual(deleted.recovery_id, "https://%s/deletedkeys/ending" % WEB)
        self.assertIn("ending", [item.name for item in client.list_deleted_keys()])
        with self.assertRaisesRegex(self.errors.ResourceExistsError, "deleted but recoverable"):
            client.create_ec_key("ending")
        client.begin_recover_deleted_key("ending").wait(60)
        self.assertEqual(client.get_key("ending").id, made.id)
        client.begin_delete_key("ending").wait(60)
        client.purge_deleted_key("ending")
        self.assertNotEqual(client.create_ec_key("ending").id, made.id)

    def test_delete_when_it_takes_a_while_then_client_waits(self):
        client = self.client()
        client.create_ec_key("slow")
        self.azure.state(deletion_delay={WEB: 1})
        self.addCleanup(self.azure.state, deletion_delay={WEB: 0})
        poller = client.begin_delete_key("slow")
        with self.assertRaisesRegex(self.errors.ResourceNotFoundError, "Deleted Key not found"):
            client.get_deleted_key("slow")
        with self.assertRaisesRegex(self.errors.ResourceExistsError, "being deleted"):
            client.create_ec_key("slow")
        poller.wait(60)
        client.purge_deleted_key("slow")

    def test_backup_when_restored_then_same_key(self):
        client = self.client()
        made = client.create_ec_key("kept")
        blob = client.backup_key("kept")
        client.begin_delete_key("kept").wait(60)
        client.purge_deleted_key("kept")
        self.assertEqual(client.restore_key_backup(blob).id, made.id)

    def test_random_when_hsm_then_bytes_and_vault_has_none(self):
        drawn = {self.client(HSM).get_random_bytes(128) for _ in range(2)}
        self.assertEqual((len(drawn), {len(data) for data in drawn}), (2, {128}))
        with self.assertRaises(self.errors.HttpResponseError):
            self.client(HSM).get_random_bytes(129)
        with self.assertRaises(self.errors.ResourceNotFoundError):
            self.client().get_random_bytes(1)

    def test_api_versions_when_clients_have_them_then_all_answered(self):
        self.client().create_ec_key("versioned")
        for version in self.keys.ApiVersion:
            with self.subTest(version):
                self.assertEqual(self.client(api_version=version).get_key("versioned").name,
                                 "versioned")


class OperationTest(SdkTestCase):
    """Each operation by the service, and the result checked with what the public key says."""

    def verify(self, key, alg, signature):
        hash_ = {"256": hashes.SHA256(), "384": hashes.SHA384(),
                 "512": hashes.SHA512()}[alg[2:5]]
        public = self.azure.public_key(key.name)
        if alg.startswith("ES"):
            half = len(signature) // 2
            return public.verify(encode_dss_signature(
                int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")),
                MESSAGE, ec.ECDSA(hash_))
        scheme = padding.PSS(padding.MGF1(hash_), hash_.digest_size) if alg.startswith("PS") \
            else padding.PKCS1v15()
        return public.verify(signature, MESSAGE, scheme, hash_)

    def check_signatures(self, key, algs):
        remote = self.remote(key)
        for alg in algs:
            with self.subTest(alg):
                digest = hashlib.new("sha" + alg[2:5], MESSAGE).digest()
                result = remote.sign(alg, digest)
                self.assertEqual(result.key_id, key.id)
                self.verify(key, alg, result.signature)
                self.assertTrue(remote.verify(alg, digest, result.signature).is_valid)
                wrong = bytes([result.signature[0] ^ 1]) + result.signature[1:]
                self.assertFalse(remote.verify(alg, digest, wrong).is_valid)

    def test_rsa_when_signing_then_each_algorithm(self):
        self.check_signatures(self.client().create_rsa_key("signing"), [
            letters + bits for letters in ("RS", "PS") for bits in ("256", "384", "512")])
        self.assertGreater(self.azure.count("POST /keys/signing"), 12)

    def test_ec_when_signing_then_each_curve(self):
        for crv, alg in (("P-256", "ES256"), ("P-256K", "ES256K"), ("P-384", "ES384"),
                         ("P-521", "ES512")):
            key = self.client().create_ec_key("signing-" + crv, curve=crv)
            self.check_signatures(key, [alg])
            self.azure.allow_all()

    def test_rsa_when_encrypting_then_each_algorithm(self):
        key = self.client().create_rsa_key("sealing")
        remote = self.remote(key)
        for alg, scheme in (("RSA1_5", padding.PKCS1v15()),
                            ("RSA-OAEP", padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(),
                                                      None)),
                            ("RSA-OAEP-256", padding.OAEP(padding.MGF1(hashes.SHA256()),
                                                          hashes.SHA256(), None))):
            with self.subTest(alg):
                self.assertEqual(remote.decrypt(
                    alg, remote.encrypt(alg, MESSAGE).ciphertext).plaintext, MESSAGE)
                self.assertEqual(remote.unwrap_key(
                    alg, remote.wrap_key(alg, MESSAGE).encrypted_key).key, MESSAGE)
                sealed = self.azure.public_key("sealing").encrypt(MESSAGE, scheme)
                self.assertEqual(remote.decrypt(alg, sealed).plaintext, MESSAGE)

    def test_aes_when_encrypting_then_each_algorithm_of_its_size(self):
        for bits in (128, 192, 256):
            key = self.client(HSM).create_oct_key("aes-%d" % bits, size=bits)
            crypt = self.crypt(key)
            for kind, data in (("CBC", bytes(32)), ("CBCPAD", MESSAGE)):
                alg = "A%d%s" % (bits, kind)
                sealed = crypt.encrypt(alg, data, iv=bytes(range(16)))
                self.assertEqual(crypt.decrypt(alg, sealed.ciphertext, iv=sealed.iv).plaintext,
                                 data, alg)
            alg = "A%dGCM" % bits
            sealed = crypt.encrypt(alg, MESSAGE, additional_authenticated_data=b"aad")
            self.assertEqual((len(sealed.iv), len(sealed.tag), len(sealed.ciphertext)),
                             (12, 16, len(MESSAGE)))
            self.assertEqual(crypt.decrypt(
                alg, sealed.ciphertext, iv=sealed.iv, authentication_tag=sealed.tag,
                additional_authenticated_data=b"aad").plaintext, MESSAGE)
            with self.assertRaises(self.errors.HttpResponseError):
                crypt.decrypt(alg, sealed.ciphertext, iv=sealed.iv, authentication_tag=sealed.tag,
                              additional_authenticated_data=b"bad")
            wrapped = crypt.wrap_key("A%dKW" % bits, bytes(range(16)))
            self.assertEqual(crypt.unwrap_key("A%dKW" % bits, wrapped.encrypted_key).key,
                             bytes(range(16)))

    def test_aes_when_algorithm_is_of_another_size_then_refused(self):
        key = self.client(HSM).create_oct_key("aes", size=128)
        with self.assertRaises(self.errors.HttpResponseError) as caught:
            self.crypt(key).encrypt("A256GCM", MESSAGE)
        self.assertEqual(caught.exception.status_code, 400)

    def test_private_key_when_cryptography_uses_it_then_signs(self):
        """What the SDK gives to x509 builders."""
        key = self.client().create_rsa_key("builder")
        private = self.crypt(key).create_rsa_private_key()
        signature = private.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
        self.azure.public_key("builder").verify(signature, MESSAGE, padding.PKCS1v15(),
                                                hashes.SHA256())

    def test_key_when_its_id_has_no_version_then_latest_works(self):
        self.client().create_ec_key("rotating")
        key = self.client().rotate_key("rotating")
        remote = self.remote(key)
        signature = self.crypt("https://%s/keys/rotating" % WEB).sign(
            "ES256", hashlib.sha256(MESSAGE).digest()).signature
        self.verify(key, "ES256", signature)
        self.assertTrue(remote.verify("ES256", hashlib.sha256(MESSAGE).digest(),
                                      signature).is_valid)

    def assert_forbidden(self, inner, function, *args):
        with self.assertRaises(self.errors.HttpResponseError) as caught:
            function(*args)
        error = caught.exception.error
        self.assertEqual((caught.exception.status_code, error.code, error.innererror.get("code")),
                         (403, "Forbidden", inner))

    def test_key_ops_when_without_then_forbidden(self):
        key = self.client().create_rsa_key("signer", key_operations=["sign"])
        self.assert_forbidden("KeyOperationForbidden", self.remote(key).decrypt, "RSA-OAEP",
                              bytes(256))

    def test_key_when_disabled_then_only_public_work(self):
        key = self.client().create_rsa_key("disabled", enabled=False)
        remote = self.remote(key)
        self.assert_forbidden("KeyDisabled", remote.sign, "RS256", bytes(32))
        self.assert_forbidden("KeyDisabled", remote.decrypt, "RSA-OAEP", bytes(256))
        sealed = remote.encrypt("RSA-OAEP", MESSAGE)
        self.assertEqual(len(sealed.ciphertext), 256)

    def test_key_when_out_of_time_then_only_reads_what_it_made(self):
        client = self.client()
        for name, inner, dates in (("early", "KeyNotYetValid", {"not_before": in_days(1)}),
                                   ("late", "KeyExpired", {"expires_on": in_days(-1)})):
            with self.subTest(name):
                key = client.create_rsa_key(name)
                remote = self.remote(key)
                sealed = remote.encrypt("RSA-OAEP", MESSAGE).ciphertext
                self.azure.allow_all()
                client.update_key_properties(name, **dates)
                self.azure.allow(*WITHOUT_GET)
                for verb in ("sign", "encrypt", "wrap_key"):
                    args = ("RS256", bytes(32)) if verb == "sign" else ("RSA-OAEP", MESSAGE)
                    self.assert_forbidden(inner, getattr(remote, verb), *args)
                self.assertEqual(remote.decrypt("RSA-OAEP", sealed).plaintext, MESSAGE)
                self.azure.allow_all()

    def test_rights_when_without_then_forbidden(self):
        key = self.client().create_ec_key("forbidden")
        self.addCleanup(self.azure.allow_all)
        for model, inner in (("rbac", "ForbiddenByRbac"), ("policy", "AccessDenied")):
            self.azure.allow("keys/get", model=model)
            self.assert_forbidden(inner, self.crypt(key).sign, "ES256", bytes(32))


class CertificateTest(SdkTestCase):
    def test_create_when_self_signed_then_certificate_and_its_key(self):
        client = self.certificate_client()
        policy = self.certificates.CertificatePolicy.get_default()
        made = client.begin_create_certificate("site", policy).result()
        certificate = x509.load_der_x509_certificate(bytes(made.cer))
        key = self.client().get_key("site")
        self.assertEqual(made.key_id, key.id)
        self.assertTrue(key.properties.managed)
        self.assertEqual(certificate.public_key().public_numbers(),
                         self.azure.public_key("site").public_numbers())
        self.assertEqual(client.get_certificate_version(
            "site", made.properties.version).cer, made.cer)

    def test_import_when_pem_then_listed_and_signs(self):
        leaf = self.azure.authority.issue("imported", ("imported.test",))
        pem = b""
        for path in (leaf.key, leaf.cert):
            with open(path, "rb") as file:
                pem += file.read()
        client = self.certificate_client()
        made = client.import_certificate("imported", pem, policy=self.certificates.
                                         CertificatePolicy(content_type="application/x-pem-file"))
        self.assertEqual(made.properties.x509_thumbprint, x509.load_der_x509_certificate(
            bytes(made.cer)).fingerprint(hashes.SHA1()))
        self.assertIn("imported", [item.name for item in
                                   client.list_properties_of_certificates()])
        self.assertEqual([item.version for item in
                          client.list_properties_of_certificate_versions("imported")],
                         [made.properties.version])
        digest = hashlib.sha256(MESSAGE).digest()
        self.assertTrue(self.crypt(made.key_id).verify("ES256", digest, self.crypt(
            made.key_id).sign("ES256", digest).signature).is_valid)

    def test_certificates_when_many_then_client_follows_pages(self):
        for number in range(3):
            self.azure.make_certificate("page-%d" % number, kty="EC")
        listed = [item.name for item in self.certificate_client().list_properties_of_certificates(
            max_page_size=1)]
        self.assertEqual([name for name in listed if name.startswith("page-")],
                         ["page-0", "page-1", "page-2"])

    def test_delete_when_done_then_gone_with_its_key(self):
        client = self.certificate_client()
        self.azure.make_certificate("gone")
        client.begin_delete_certificate("gone").wait()
        for read in (client.get_certificate, self.client().get_key):
            with self.assertRaises(self.errors.ResourceNotFoundError):
                read("gone")


if __name__ == "__main__":
    environments.enter("azure", REQUIREMENTS)
    unittest.main(verbosity=2)
