#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How an Azure slot gets its tokens: every credential, in every cloud, and what goes wrong."""

import json
import os
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import load_pem_x509_certificate

from azure_case import WEB, AzureTestCase
from harness import CK

PLACEHOLDER = "placeholder 'msi'"


class LoginTestCase(AzureTestCase):
    @classmethod
    def set_up_azure(cls):
        for cloud in ("vault.azure.net", "vault.usgovcloudapi.net", "vault.azure.cn",
                      "vault.azurestack.test"):
            cls.azure.make_key("app", "EC", crv="P-256", vault="web." + cloud)

    def setUp(self):
        super().setUp()
        for name in [name for name in os.environ if name.startswith(("AZURE_", "IDENTITY_"))]:
            self.set_env(name, None)

    def set_env(self, name, value):
        old = os.environ.get(name)
        self.addCleanup(lambda: os.environ.pop(name, None) if old is None
                        else os.environ.__setitem__(name, old))
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value

    def sign(self, session):
        return session.sign(session.private_key("app"), CK.CKM_ECDSA, bytes(32))

    def assert_signs(self, host=WEB, **options):
        """By the command line, whose environment is ours."""
        self.config.slot("kv", None, **self.place(host, **options))
        done = self.run_cli(self.config, "list", "--slot", "kv", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("app", done.stdout)

    def assert_refused(self, *words, host=WEB, **options):
        self.config.slot("kv", None, **self.place(host, **options))
        done = self.run_cli(self.config, "list", "--slot", "kv")
        self.assertNotEqual(done.returncode, 0)
        for word in words:
            self.assertIn(word, done.stderr)
        return done.stderr


class ApplicationTest(LoginTestCase):
    def client(self, **more):
        return dict({"auth": "client_secret", "tenant_id": self.azure.tenant,
                     "client_id": self.azure.client_id, "client_secret_file":
                     self.config.secret("secret", self.azure.client_secret)}, **more)

    def test_secret_when_in_each_cloud_then_its_own_authority_and_scope(self):
        for cloud, host in (("public", WEB), ("usgov", "web.vault.usgovcloudapi.net"),
                            ("china", "web.vault.azure.cn")):
            with self.subTest(cloud=cloud):
                self.assert_signs(host, **self.client(cloud=cloud))

    def test_secret_when_the_cloud_is_private_then_as_configured(self):
        private = self.client(cloud="private", resource="https://vault.azurestack.test/",
                              authority="https://login.azurestack.test/")
        self.assert_signs("web.vault.azurestack.test", **private)
        del private["resource"]
        self.assert_refused("resource", "missing", host="web.vault.azurestack.test", **private)

    def test_url_when_in_another_cloud_then_no_token_is_asked_for(self):
        self.assert_refused("is not in the cloud 'public'", "NAME.vault.azure.net", "set cloud",
                            host="web.vault.azure.cn", **self.client())
        self.assert_refused("is not in the cloud", host="vault.azure.net.evil.test",
                            **self.client())
        self.assertEqual(self.azure.token_requests(), 0)

    def test_secret_when_wrong_then_entras_words(self):
        wrong = self.client(client_secret_file=self.config.secret("wrong", "x" * 40))
        self.assertNotIn("x" * 40, self.assert_refused("the login is refused", "AADSTS7000215",
                                                       "login.microsoftonline.com", **wrong))
        self.assert_refused("AADSTS", **self.client(tenant_id="00000000-0000-0000-0000-000000000000"))

    def test_secret_when_missing_then_says_which_option(self):
        for option in ("tenant_id", "client_id", "client_secret_file"):
            options = self.client()
            del options[option]
            self.assert_refused(option, "missing; auth = client_secret needs it", **options)
        self.assert_refused("tenant_id", "neither the id of a tenant nor its domain",
                            **self.client(tenant_id="a/b"))

    def test_pin_when_it_is_the_secret_then_logs_in(self):
        options = self.client(pin="client_secret")
        del options["client_secret_file"]
        self.config.slot("kv", None, **self.place(**options))
        session = self.open_session()
        self.assertEqual(session.find(CKA_LABEL="app"), [])
        self.assert_rv(CK.CKR_PIN_INCORRECT, session.login, "hvs." + "x" * 40)
        self.assert_rv(CK.CKR_PIN_INCORRECT, session.login, self.azure.client_id)
        self.assertEqual(self.azure.token_requests(), 0)
        self.assert_rv(CK.CKR_PIN_INCORRECT, session.login, "y" * 40)
        session.login(self.azure.client_secret)
        self.assertEqual(len(self.sign(session)), 64)

    def test_certificate_when_registered_then_its_assertion_logs_in(self):
        client_id, path = self.azure.add_certificate_app()
        self.azure.allow_all(object_id=None)
        options = {"auth": "client_cert", "tenant_id": self.azure.tenant, "client_id": client_id,
                   "client_cert_file": path, "client_key_file": path}
        self.assert_signs(**options)
        _, other = self.azure.add_certificate_app("other")
        self.assert_refused("AADSTS", **dict(options, client_cert_file=other,
                                             client_key_file=other))
        del options["client_key_file"]
        self.assert_refused("client_key_file", "missing", **options)

    def test_workload_when_the_environment_says_all_then_nothing_else_is_needed(self):
        client_id, path = self.azure.add_federated_app()
        for name, value in (("AZURE_TENANT_ID", self.azure.tenant), ("AZURE_CLIENT_ID", client_id),
                            ("AZURE_FEDERATED_TOKEN_FILE", path),
                            ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/")):
            self.set_env(name, value)
        self.assert_signs(auth="workload_identity")

    def test_workload_when_the_environment_is_silent_then_says_what_is_missing(self):
        self.assert_refused("tenant_id", auth="workload_identity")
        self.assert_refused("AZURE_FEDERATED_TOKEN_FILE", auth="workload_identity",
                            tenant_id=self.azure.tenant, client_id=self.azure.client_id)

    def test_token_when_it_nears_its_end_then_one_renewal_for_all(self):
        self.azure.state(lifetime=6)
        self.addCleanup(self.azure.state, lifetime=3600)
        session = self.open_slot()
        key = session.private_key("app")
        ends, sessions = time.monotonic() + 5, []
        for _ in range(4):
            sessions.append(self.enter(self.p11.session(self.p11.slot("kv"))))

        def work(one):
            while time.monotonic() < ends:
                one.sign(key, CK.CKM_ECDSA, bytes(32))
                time.sleep(0.02)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, sessions))
        self.assertEqual(self.azure.token_requests(), 2)


class MachineTest(LoginTestCase):
    def setUp(self):
        super().setUp()
        self.imds = {"imds_url": self.azure.identity, "insecure_transport": "yes"}

    def test_imds_when_the_machines_own_identity_then_logs_in(self):
        self.assert_signs(auth="managed_identity", **self.imds)
        self.assert_signs(**self.imds)

    def test_imds_when_a_user_assigned_identity_then_by_its_client_id(self):
        ids = self.azure.assign_identity()
        self.assert_signs(client_id=ids["client_id"], **self.imds)
        self.assert_refused("the login is refused", "Identity not found",
                            client_id="00000000-0000-0000-0000-000000000000", **self.imds)

    def test_imds_when_plain_http_leads_elsewhere_then_never(self):
        self.assert_refused("imds_url", "insecure_transport = yes", imds_url=self.azure.identity)
        self.assert_refused("imds_url", "which is never allowed", imds_url="http://192.0.2.1",
                            insecure_transport="yes")
        self.assert_refused("imds_url", "without a query",
                            **dict(self.imds, imds_url=self.azure.identity + "/token?a=b"))

    def test_imds_when_there_is_a_proxy_then_it_is_not_asked(self):
        done = self.assert_refused("slot 'kv'", proxy="http://127.0.0.1:1", timeout="2s",
                                   **self.imds)
        self.assertIn(WEB, done)  # the vault is what the proxy keeps us from
        self.assertEqual(self.azure.token_requests(), 1)

    def test_app_service_when_the_environment_names_it_then_logs_in(self):
        self.set_env("IDENTITY_ENDPOINT", self.azure.identity + "/msi/token")
        self.set_env("IDENTITY_HEADER", self.azure.identity_header)
        self.assert_signs(auth="managed_identity")
        self.set_env("IDENTITY_HEADER", "wrong")
        self.assert_refused("the login is refused", auth="managed_identity")

    def test_arc_when_the_challenge_names_another_directory_then_the_file_stays_unread(self):
        directory = os.path.join(self.config.dir, "tokens")
        self.azure.state(arc_directory=directory)
        self.set_env("IDENTITY_ENDPOINT", self.azure.identity + "/metadata/identity/oauth2/token")
        self.set_env("IMDS_ENDPOINT", self.azure.identity)
        self.addCleanup(os.environ.pop, "IMDS_ENDPOINT", None)
        self.assert_refused("Azure Arc's challenge", "/var/opt/azcmagent/tokens",
                            auth="managed_identity")

    # ---- azure.json ----

    def azure_json(self, **members):
        return {"auth": "azure_json", "azure_json_file": self.config.secret(
            "azure.json", json.dumps(dict({
                "cloud": "AzurePublicCloud", "tenantId": self.azure.tenant,
                "subscriptionId": "0", "resourceGroup": "MC_rg", "location": "westeurope",
                "vmType": "vmss", "useInstanceMetadata": True}, **members)))}

    def test_json_when_of_a_managed_cluster_then_the_placeholders_do_no_harm(self):
        self.assert_signs(**self.imds, **self.azure_json(
            aadClientId="msi", aadClientSecret="msi", useManagedIdentityExtension=True,
            userAssignedIdentityID=self.azure.assign_identity()["client_id"]))
        self.assert_signs(**self.imds, **self.azure_json(
            aadClientId="msi", aadClientSecret="msi", useManagedIdentityExtension=True,
            userAssignedIdentityID=""))

    def test_json_when_placeholders_without_a_managed_identity_then_said(self):
        self.assert_refused(PLACEHOLDER, "useManagedIdentityExtension",
                            **self.azure_json(aadClientId="msi", aadClientSecret="msi",
                                              useManagedIdentityExtension=False))
        self.assertEqual(self.azure.token_requests(), 0)

    def test_json_when_it_has_a_client_then_its_secret(self):
        self.assert_signs(**self.azure_json(aadClientId=self.azure.client_id,
                                            aadClientSecret=self.azure.client_secret))

    def test_json_when_it_has_a_certificate_then_its_pkcs12(self):
        client_id, path = self.azure.add_certificate_app("cluster")
        with open(path, "rb") as file:
            pem = file.read()
        data = pkcs12.serialize_key_and_certificates(
            b"app", serialization.load_pem_private_key(pem, None), load_pem_x509_certificate(pem),
            None, serialization.BestAvailableEncryption(b"geheim"))
        pfx = self.config.secret("client.pfx", "")
        with open(pfx, "wb") as file:
            file.write(data)
        self.assert_signs(**self.azure_json(aadClientId=client_id, aadClientCertPath=pfx,
                                            aadClientCertPassword="geheim"))
        self.assert_refused("aadClientCertPassword", **self.azure_json(
            aadClientId=client_id, aadClientCertPath=pfx, aadClientCertPassword="falsch"))

    def test_json_when_it_makes_no_sense_then_says_why(self):
        self.assert_refused("no credentials in it", **self.azure_json())
        self.assert_refused("cloud 'AzureGermanCloud' is not served",
                            **self.azure_json(cloud="AzureGermanCloud"))
        self.assert_refused("is not a JSON object", auth="azure_json",
                            azure_json_file=self.config.secret("bad.json", "[]"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
