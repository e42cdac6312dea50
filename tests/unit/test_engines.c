/* SPDX-License-Identifier: Apache-2.0 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/engine.h>
#include <openssl/evp.h>

#include "engines.h"

static const int nids[] = { EVP_PKEY_EC };

static int pkey_meths(ENGINE *engine, EVP_PKEY_METHOD **method, const int **ret_nids, int nid)
{
    (void)engine;
    (void)nid;
    if (method != NULL)
        return 0;
    *ret_nids = nids;
    return 1;
}

static ENGINE *add_engine(const char *id, int flags)
{
    ENGINE *engine = ENGINE_new();

    assert_non_null(engine);
    assert_true(ENGINE_set_id(engine, id) && ENGINE_set_name(engine, id) &&
                ENGINE_set_pkey_meths(engine, pkey_meths) && ENGINE_set_flags(engine, flags) &&
                ENGINE_add(engine));
    return engine;
}

static void remove_engine(ENGINE *engine)
{
    assert_true(ENGINE_remove(engine));
    ENGINE_free(engine);
}

/* What curl_global_init() comes to. */
static void register_all(void)
{
    assert_true(ENGINE_register_all_complete());
}

static void test_hosts_engine_when_hidden_is_not_registered(void **state)
{
    struct remote_engines engines;
    ENGINE *host = add_engine("host", 0);

    (void)state;
    remote_engines_hide(&engines);
    register_all();
    assert_null(ENGINE_get_pkey_meth_engine(EVP_PKEY_EC));
    remote_engines_show(&engines);
    assert_int_equal(ENGINE_get_flags(host), 0);
    remove_engine(host);
}

static void test_flag_that_the_host_has_set_stays(void **state)
{
    struct remote_engines engines;
    ENGINE *host = add_engine("host", ENGINE_FLAGS_NO_REGISTER_ALL);

    (void)state;
    remote_engines_hide(&engines);
    assert_int_equal(engines.count, 0);
    remote_engines_show(&engines);
    assert_int_equal(ENGINE_get_flags(host), ENGINE_FLAGS_NO_REGISTER_ALL);
    remove_engine(host);
}

static void test_engine_that_the_host_removes_meanwhile_is_let_go(void **state)
{
    struct remote_engines engines;
    ENGINE *host = add_engine("host", 0);

    (void)state;
    remote_engines_hide(&engines);
    assert_int_equal(engines.count, 1);
    remove_engine(host);
    remote_engines_show(&engines);
    assert_int_equal(engines.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts_engine_when_hidden_is_not_registered),
        cmocka_unit_test(test_flag_that_the_host_has_set_stays),
        cmocka_unit_test(test_engine_that_the_host_removes_meanwhile_is_let_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
