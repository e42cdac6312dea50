#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ways to log in, on a real Vault; and credentials that are wrong, run out or are taken away."""

import time

from harness import CK, Double, KubernetesStub, RealVault
from weather import DIGEST, WeatherTestCase, complaints, descriptors, main, verify_ecdsa

SIGN = "POST /v1/transit/sign/"
PASSWORD = "correct horse battery staple".replace(" ", "-")
NO_TOKEN = "hvs." + "A" * 91
NO_UUID = "00000000-1111-2222-3333-444444444444"


class CredentialsTestCase(WeatherTestCase):
    @classmethod
    def setUpClass(cls):
        cls.vault = RealVault()
        cls.addClassCleanup(cls.vault.__exit__)
        cls.vault.setup_transit("app")
        cls.signer = cls.vault.setup_signer()

    def tokens(self):
        """How many tokens there are: a login makes one, a renewal does not."""
        return len(self.vault.list("auth/token/accessors"))

    def approle(self, role="app", **options):
        """Options of a slot that logs in by AppRole; **options are the role's."""
        role_id, secret_id = self.vault.setup_approle(self.signer, role=role, **options)
        return {"auth": "approle", "role_id_file": ("role-id", role_id),
                "secret_id_file": ("secret-id", secret_id)}

    def login_scene(self, vault=None, **options):
        """A Scene whose options may be (name, text) of a secret file."""
        files = {key: value for key, value in options.items() if isinstance(value, tuple)}
        plain = {key: value for key, value in options.items() if key not in files}
        return self.scene(vault or self.vault, files=files, **plain)

    def assert_signs_for(self, web, seconds, pause=0.1):
        """Signs silently all the while."""
        web.config.clear_log()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            web.sign()
            time.sleep(pause)
        self.assertEqual(complaints(web.config.log()), [])
        self.assertLessEqual(descriptors(), web.before)


class LoginTest(CredentialsTestCase):
    def test_sign_when_token_then_works(self):
        self.assert_works(self.login_scene(auth="token", token_file=(
            "token", self.vault.make_token(self.signer))))

    def test_sign_when_approle_then_works(self):
        self.assert_works(self.login_scene(**self.approle()))

    def test_sign_when_approle_mounted_elsewhere_then_works(self):
        options = self.approle(path="teams/a")
        self.assert_works(self.login_scene(auth_mount="teams/a", **options))

    def test_sign_when_kubernetes_then_works(self):
        cluster = self.enter(KubernetesStub())
        self.vault.setup_kubernetes(cluster, self.signer)
        self.assert_works(self.login_scene(auth="kubernetes", role="app",
                                           jwt_file=("jwt", cluster.jwt)))

    def test_sign_when_client_certificate_then_works(self):
        self.vault.setup_cert(self.signer)
        leaf = self.vault.authority.issue("client", ("web",), client=True)
        self.assert_works(self.login_scene(auth="cert", role="web", client_cert_file=leaf.cert,
                                           client_key_file=leaf.key))

    def test_sign_when_userpass_then_works(self):
        self.vault.setup_userpass("alice", PASSWORD, self.signer)
        self.assert_works(self.login_scene(auth="userpass", username="alice",
                                           password_file=("password", PASSWORD)))


class RefusedLoginTest(CredentialsTestCase):
    """One line, CKR_DEVICE_ERROR; works once the right secret is in the file."""

    def assert_refused_until(self, web, name, right, *words):
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.find, "slot 'web'", *words)
        web.secret(name, right)
        self.assert_works(web)

    def test_find_when_token_wrong_then_device_error_until_right(self):
        web = self.login_scene(warm=False, auth="token", token_file=("token", NO_TOKEN))
        self.assert_refused_until(web, "token", self.vault.make_token(self.signer), self.vault.url,
                                  "expired, revoked or wrong")
        self.assertEqual(web.device_error(), 403)

    def test_find_when_secret_id_wrong_then_device_error_until_right(self):
        options = self.approle()
        right = options["secret_id_file"][1]
        options["secret_id_file"] = ("secret-id", NO_UUID)
        web = self.login_scene(warm=False, **options)
        self.assert_refused_until(web, "secret-id", right, self.vault.url, "check the credentials")
        self.assertEqual(web.device_error(), 400)

    def test_find_when_password_wrong_then_device_error_until_right(self):
        self.vault.setup_userpass("bob", PASSWORD, self.signer)
        web = self.login_scene(warm=False, auth="userpass", username="bob",
                               password_file=("password", "wrong-" + PASSWORD))
        self.assert_refused_until(web, "password", PASSWORD, self.vault.url,
                                  "check the credentials")

    def test_find_when_jwt_wrong_then_device_error_until_right(self):
        cluster = self.enter(KubernetesStub())
        self.vault.setup_kubernetes(cluster, self.signer, path="cluster")
        web = self.login_scene(warm=False, auth="kubernetes", auth_mount="cluster", role="app",
                               jwt_file=("jwt", cluster.make_jwt(aud=["other"])))
        self.assert_refused_until(web, "jwt", cluster.jwt, self.vault.url, "check the credentials")

    def test_find_when_certificate_foreign_then_device_error(self):
        self.vault.setup_cert(self.signer)
        stranger = self.enter(Double()).authority.issue("stranger", ("web",), client=True)
        web = self.login_scene(warm=False, auth="cert", client_cert_file=stranger.cert,
                               client_key_file=stranger.key)
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.find, "slot 'web'", self.vault.url)

    def test_find_when_auth_method_absent_then_says_auth_mount(self):
        web = self.login_scene(warm=False, auth_mount="nowhere", **self.approle())
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.find, "slot 'web'", "auth_mount")

    def test_find_when_mount_absent_then_says_mount(self):
        for token, rv in ((self.vault.make_token(self.signer), CK.CKR_FUNCTION_REJECTED),
                          (self.vault.make_token("root"), CK.CKR_TOKEN_NOT_PRESENT)):
            with self.scene_once(self.vault, warm=False, mount="nowhere", auth="token",
                                 files={"token_file": ("token", token)}) as web:
                self.assert_fault(web, rv, web.find, "slot 'web'", self.vault.url, "mount")


class RenewalTest(CredentialsTestCase):
    def test_sign_when_lease_short_then_renewed_on_use(self):
        web = self.login_scene(**self.approle(role="short", ttl="2s"))
        before = self.tokens()
        self.assert_signs_for(web, 5)
        self.assertLessEqual(self.tokens(), before)

    def test_sign_when_token_short_then_renewed_on_use(self):
        token = self.vault.make_token(self.signer, ttl="2s", renewable=True)
        self.assert_signs_for(self.login_scene(auth="token", token_file=("token", token)), 4)

    def test_sign_when_maximum_reached_then_logged_in_anew(self):
        web = self.login_scene(**self.approle(role="capped", ttl="2s", token_max_ttl="2s"))
        self.assert_signs_for(web, 5)

    def test_sign_when_batch_tokens_then_logged_in_anew(self):
        web = self.login_scene(**self.approle(role="batch", ttl="2s", token_type="batch"))
        self.assert_signs_for(web, 4)

    def test_sign_when_idle_beyond_the_lease_then_logged_in_anew(self):
        web = self.login_scene(**self.approle(role="idle", ttl="1s"))
        time.sleep(1.5)
        self.assert_works(web)

    def test_sign_when_token_ran_out_then_device_error_until_file_is_renewed(self):
        token = self.vault.make_token(self.signer, ttl="1s", renewable=False)
        web = self.login_scene(auth="token", token_file=("token", token))
        time.sleep(1.5)
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.sign, "slot 'web'")
        web.secret("token", self.vault.make_token(self.signer))
        self.assert_works(web)


class MidSessionTest(CredentialsTestCase):
    def test_sign_when_lease_revoked_then_logged_in_anew(self):
        web = self.login_scene(**self.approle())
        self.vault.write("sys/leases/revoke-prefix/auth/approle/login")
        self.assert_works(web)

    def test_sign_when_token_revoked_then_device_error_until_file_is_renewed(self):
        token = self.vault.make_token(self.signer)
        web = self.login_scene(auth="token", token_file=("token", token))
        self.vault.revoke(token)
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.sign, "slot 'web'", "key 'app'",
                          "supply a fresh token")
        web.secret("token", self.vault.make_token(self.signer))
        self.assert_works(web)

    def test_sign_when_role_deleted_then_device_error(self):
        web = self.login_scene(**self.approle(role="fired"))
        self.vault.delete("auth/approle/role/fired")
        self.vault.write("sys/leases/revoke-prefix/auth/approle/login")
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.sign, "slot 'web'", "key 'app'",
                          self.vault.url, "check the credentials")

    def test_sign_when_policy_lacks_sign_then_rejected_until_granted(self):
        self.vault.setup_policy("reader", {"transit/keys/*": "read"})
        web = self.login_scene(warm=False, auth="token", token_file=(
            "token", self.vault.make_token("reader")))
        web.find()
        self.assert_fault(web, CK.CKR_FUNCTION_REJECTED, web.sign, "slot 'web'", "key 'app'",
                          self.vault.url, "policy")
        self.assertEqual(web.device_error(), 403)
        self.vault.setup_policy("reader", {"transit/keys/*": "read", "transit/sign/*": "update"})
        self.assert_works(web)

    def test_find_when_policy_lacks_read_then_rejected_until_granted(self):
        self.vault.setup_policy("blind", {"transit/sign/*": "update"})
        web = self.login_scene(warm=False, auth="token", token_file=(
            "token", self.vault.make_token("blind")))
        self.assert_fault(web, CK.CKR_FUNCTION_REJECTED, web.find, "slot 'web'", self.vault.url,
                          "policy")
        self.vault.setup_policy("blind", {"transit/keys/*": "read", "transit/sign/*": "update"})
        self.assert_works(web)


class PinTest(CredentialsTestCase):
    """The PIN as each credential: right, of the right form but wrong, dead in mid-session."""

    def assert_pin(self, right, wrong, kill, **options):
        web = self.login_scene(warm=False, **options)
        web.secrets += [right, wrong]
        self.assertTrue(web.p11.token_info(web.slot).flags & CK.CKF_LOGIN_REQUIRED)
        self.assertEqual(web.session.find(CKA_CLASS=CK.CKO_PRIVATE_KEY), [])
        self.assert_fault(web, CK.CKR_PIN_INCORRECT, lambda: web.session.login(wrong), "slot 'web'",
                          self.vault.url)
        web.session.login(right)
        self.assert_rv(CK.CKR_USER_ALREADY_LOGGED_IN, web.session.login, right)
        self.assert_works(web)
        kill()
        self.assert_fault(web, CK.CKR_USER_NOT_LOGGED_IN, web.sign, "slot 'web'", "key 'app'")
        web.session.logout()
        self.assert_rv(CK.CKR_USER_NOT_LOGGED_IN, web.session.logout)

    def test_login_when_pin_is_token(self):
        token = self.vault.make_token(self.signer)
        self.assert_pin(token, NO_TOKEN, lambda: self.vault.revoke(token), pin="token")

    def test_login_when_pin_is_secret_id(self):
        options = self.approle(role="pinned")
        secret_id = options.pop("secret_id_file")[1]

        def kill():
            self.vault.delete("auth/approle/role/pinned")
            self.vault.write("sys/leases/revoke-prefix/auth/approle/login")
        self.assert_pin(secret_id, NO_UUID, kill, pin="secret_id", **options)

    def test_login_when_pin_is_password(self):
        self.vault.setup_userpass("carol", PASSWORD, self.signer)

        def kill():
            self.vault.delete("auth/userpass/users/carol")
            self.vault.write("sys/leases/revoke-prefix/auth/userpass/login")
        self.assert_pin(PASSWORD, "wrong-" + PASSWORD, kill, auth="userpass", pin="password",
                        username="carol")

    def test_login_when_all_sessions_closed_then_logged_out(self):
        token = self.vault.make_token(self.signer)
        web = self.login_scene(warm=False, pin="token")
        web.session.login(token)
        web.sign()
        web.session.close()
        web.session, web.key = web.p11.open_session(web.slot), None
        self.assertEqual(web.session.find(CKA_CLASS=CK.CKO_PRIVATE_KEY), [])
        web.session.login(token)
        self.assert_works(web)

    def test_login_when_server_dead_then_device_error(self):
        double = self.enter(Double())
        web = self.login_scene(vault=double, warm=False, pin="token")
        web.secrets.append(NO_TOKEN)
        double.refuse_connections()
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, lambda: web.session.login(NO_TOKEN),
                          "slot 'web'", double.url, "cannot connect")


class HeadersTest(WeatherTestCase):
    def test_requests_when_namespace_then_each_carries_it_and_the_token(self):
        vault = self.enter(Double())
        vault.setup_transit("app")
        role_id, secret_id = vault.setup_approle(vault.setup_signer())
        vault.reset()
        web = self.scene(vault, auth="approle", namespace="teams/a/",
                         files={"role_id_file": ("r", role_id), "secret_id_file": ("s", secret_id)})
        verify_ecdsa(vault.public_key("app"), DIGEST, web.sign())
        ours = [request for request in vault.requests()
                if "X-Vault-Request" in {name.title() for name in request["headers"]}]
        self.assertEqual([request["path"] for request in ours], [
            "/v1/auth/approle/login", "/v1/transit/keys/app"] + ["/v1/transit/sign/app"] * 2)
        for request in ours:
            headers = {name.title(): value for name, value in request["headers"].items()}
            self.assertEqual(headers["X-Vault-Namespace"], "teams/a/")
            self.assertEqual("X-Vault-Token" in headers, "login" not in request["path"])

    def test_sign_when_token_expires_in_mid_request_then_one_login_and_one_repeat(self):
        vault = self.enter(Double())
        vault.setup_transit("app")
        role_id, secret_id = vault.setup_approle(vault.setup_signer())
        web = self.scene(vault, auth="approle", files={
            "role_id_file": ("r", role_id), "secret_id_file": ("s", secret_id)})
        vault.reset()
        vault.fault("expire_token", "/v1/transit/sign/")
        self.assert_works(web)
        self.assertEqual(vault.count(SIGN), 2)
        self.assertEqual(vault.count("POST /v1/auth/approle/login"), 1)


if __name__ == "__main__":
    main()
