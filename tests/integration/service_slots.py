# SPDX-License-Identifier: Apache-2.0
"""A slot "bench" with a key "bench" for each of the services that have a stand-in here.

    with AzureDouble() as azure, TempConfig() as config:
        azure_slot(azure, config, timeout="10s")
"""

from azure_server import WEB

NAME = "bench"
TOKEN = "correct horse"


def azure_slot(azure, config, **options):
    """An EC key on P-256; the credential is a client secret."""
    azure.make_key(NAME, "EC", crv="P-256")
    config.slot(NAME, backend="azure", url="https://" + WEB, auth="client_secret",
                connect_to="::" + azure.connect_to, tenant_id=azure.tenant,
                client_id=azure.client_id, ca_file=azure.ca,
                client_secret_file=config.secret("secret", azure.client_secret), **options)


def kes_slot(kes, config, **options):
    """A key that seals and makes MACs; the credential is a client certificate."""
    client = kes.client(NAME)
    kes.allow(NAME, client.identity, "/v1/key/*")
    kes.admin.create(NAME)
    config.slot(NAME, backend="kes", url=kes.url, ca_file=kes.ca,
                client_cert_file=client.cert, client_key_file=client.key, **options)


def ehsm_slot(ehsm, config, spec, **options):
    """A key of this spec."""
    app = ehsm.app()
    names = config.secret("names", "%s %s\n" % (app.create(spec), NAME))
    config.slot(NAME, backend="ehsm", url=ehsm.url, ca_file=ehsm.ca, appid=app.appid,
                apikey_file=config.secret("apikey", app.apikey), names_file=names, **options)


def bigdl_slot(kms, config, **options):
    """A primary key, with a data key "data" under it."""
    user = kms.enroll(NAME, TOKEN)
    user.primary(NAME)
    user.data("data", NAME)
    config.slot(NAME, backend="bigdl", url=kms.url, ca_file=kms.ca, user=NAME,
                user_token_file=config.secret("token", TOKEN), primary_keys=NAME, **options)
