/* SPDX-License-Identifier: Apache-2.0 */
/* The provider as a whole: what libcrypto asks before any key is used. */
#include "provider_host.h"

#include <stdlib.h>
#include <unistd.h>

#include <openssl/core_names.h>

#include "build-config.h"
#include "provider.h"

static void test_parameters_when_asked_then_name_version_and_status(void **state)
{
    const char *name = NULL, *version = NULL, *info = NULL;
    int status = 0;
    OSSL_PARAM params[] = { OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, &name, 0),
                            OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_VERSION, &version, 0),
                            OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_BUILDINFO, &info, 0),
                            OSSL_PARAM_int(OSSL_PROV_PARAM_STATUS, &status), OSSL_PARAM_END };
    const OSSL_PARAM *listed = OSSL_PROVIDER_gettable_params(host.ours);

    (void)state;
    assert_int_equal(OSSL_PROVIDER_get_params(host.ours, params), 1);
    assert_non_null(strstr(name, "hsmbridge"));
    assert_string_equal(version, HSMBRIDGE_VERSION);
    assert_non_null(info);
    assert_int_equal(status, 1);
    for (size_t i = 0; params[i].key != NULL; i++)
        assert_non_null(OSSL_PARAM_locate_const(listed, params[i].key));
}

/* No digests, ciphers, random or MACs: what is not about keys never comes to us. */
static void test_operations_when_queried_then_are_those_of_keys_alone(void **state)
{
    static const int has[] = { OSSL_OP_KEYMGMT, OSSL_OP_SIGNATURE, OSSL_OP_ASYM_CIPHER,
                               OSSL_OP_STORE,   OSSL_OP_DECODER,   OSSL_OP_ENCODER };
    unsigned found = 0;

    (void)state;
    for (int op = 1; op <= OSSL_OP__HIGHEST; op++) {
        int no_cache = -1;
        const OSSL_ALGORITHM *table = OSSL_PROVIDER_query_operation(host.ours, op, &no_cache);

        if (table == NULL)
            continue;
        assert_int_equal(no_cache, 0);
        for (; table->algorithm_names != NULL; table++)
            assert_non_null(strstr(table->property_definition, PROVIDER_PROPERTIES));
        for (size_t i = 0; i < ARRAY_SIZE(has); i++)
            found += has[i] == op;
    }
    assert_int_equal(found, ARRAY_SIZE(has));
    assert_int_equal(fake.open, 0);
}

static void test_reasons_when_listed_then_every_kind_has_its_words(void **state)
{
    (void)state;
    for (int rc = 1; rc < REMOTE_RC_COUNT; rc++) {
        assert_int_equal(provider_reasons[rc - 1].id, rc);
        assert_non_null(provider_reasons[rc - 1].ptr);
    }
    assert_int_equal(provider_reasons[REMOTE_RC_COUNT - 1].id, 0);
}

/* A context with an openssl.cnf whose section for us names a configuration. */
static OSSL_LIB_CTX *configured(const char *config)
{
    OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();
    char path[] = "/tmp/hsmbridge-XXXXXX";
    BIO *file = BIO_new_fd(mkstemp(path), BIO_CLOSE);

    BIO_printf(file,
               "openssl_conf = o\n[o]\nproviders = p\n[p]\nhsmbridge = h\ndefault = d\n"
               "[d]\nactivate = 1\n[h]\nconfig = %s\nactivate = 1\n",
               config);
    BIO_free(file);
    assert_int_equal(OSSL_PROVIDER_add_builtin(ctx, "hsmbridge", host_init), 1);
    assert_int_equal(OSSL_LIB_CTX_load_config(ctx, path), 1);
    unlink(path);
    assert_int_equal(OSSL_PROVIDER_available(ctx, "hsmbridge"), 1);
    return ctx;
}

static void test_config_when_given_then_is_opened_by_the_first_use_and_once(void **state)
{
    OSSL_LIB_CTX *ctx = configured("/some/where");
    EVP_PKEY *pkey, *again;

    (void)state;
    assert_null(fake.named);
    pkey = host_key_of(ctx, "hsmbridge:slot=web;object=ec");
    again = host_key_of(ctx, "hsmbridge:slot=web;object=rsa");
    assert_non_null(pkey);
    assert_non_null(again);
    assert_string_equal(fake.named, "/some/where");
    assert_int_equal(fake.open, 1);
    EVP_PKEY_free(again);
    EVP_PKEY_free(pkey);
    OSSL_LIB_CTX_free(ctx);
    assert_int_equal(fake.open, 0); /* released by the teardown */
}

static void test_config_when_it_cannot_be_used_then_every_use_says_why(void **state)
{
    OSSL_LIB_CTX *ctx = configured("/missing");

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_null(host_key_of(ctx, "hsmbridge:slot=web;object=ec"));
        host_assert_said("/missing: no such file");
    }
    OSSL_LIB_CTX_free(ctx);
}

struct names {
    char text[2048];
    const char *alg; /* of these alone */
};

static int collect(const OSSL_PARAM params[], void *arg)
{
    const OSSL_PARAM *group = OSSL_PARAM_locate_const(params, OSSL_CAPABILITY_TLS_GROUP_NAME);
    const OSSL_PARAM *alg = OSSL_PARAM_locate_const(params, OSSL_CAPABILITY_TLS_GROUP_ALG);
    struct names *names = arg;

    assert_false(remote_guard_held()); /* we call out to hosts outside of it alone */
    if (strcmp(alg->data, names->alg) == 0) {
        strcat(names->text, group->data);
        strcat(names->text, " ");
    }
    return 1;
}

static void test_groups_when_listed_then_are_the_default_providers_curves(void **state)
{
    struct names ours = { "", "EC" }, theirs = { "", "EC" }, others = { "", "X25519" };

    (void)state;
    assert_int_equal(OSSL_PROVIDER_get_capabilities(host.ours, "TLS-GROUP", collect, &ours), 1);
    assert_int_equal(OSSL_PROVIDER_get_capabilities(host.ours, "TLS-GROUP", collect, &others), 1);
    assert_int_equal(OSSL_PROVIDER_get_capabilities(host.libcrypto, "TLS-GROUP", collect, &theirs),
                     1);
    assert_non_null(strstr(ours.text, "secp256r1 "));
    assert_string_equal(ours.text, theirs.text);
    assert_string_equal(others.text, "");
    assert_int_equal(OSSL_PROVIDER_get_capabilities(host.ours, "ANYTHING", collect, &ours), 1);
    assert_string_equal(ours.text, theirs.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOST_TEST(test_parameters_when_asked_then_name_version_and_status),
        HOST_TEST(test_operations_when_queried_then_are_those_of_keys_alone),
        HOST_TEST(test_reasons_when_listed_then_every_kind_has_its_words),
        HOST_TEST(test_config_when_given_then_is_opened_by_the_first_use_and_once),
        HOST_TEST(test_config_when_it_cannot_be_used_then_every_use_says_why),
        HOST_TEST(test_groups_when_listed_then_are_the_default_providers_curves),
    };

    return HOST_GROUP(tests);
}
