/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy.h"

#define ADMIN "60746e72f32d9626386d19b4d6243f34ba247eef6bcb35d51932be63d76f35ba"
#define APP "4c3bf738eba9bb797fe9da7b45035767d5b7b1d1478dfcc461d34237f073d5e0"
#define OTHER "ae1415fb87f3b8c457eef084e88a1126b1697d0e92b044b4a526ecf93068e436"

static struct kesd_rule allow[] = { { "/v1/key/create/app", true }, { "/v1/api", false } };
static struct kesd_rule deny[] = { { "/v1/key/create/app-internal", true } };
static char identities[][KESD_IDENTITY_LEN + 1] = { APP, ADMIN };
static struct kesd_policy policies[] = {
    { "app", { allow, ARRAY_SIZE(allow) }, { deny, ARRAY_SIZE(deny) }, identities, 2 },
};
static struct kesd_settings settings = { .admin = ADMIN, .policies = policies, .policy_count = 1 };
static struct kesd_rights rights;

static int set_up(void **state)
{
    (void)state;
    return kesd_rights_init(&settings, &rights, NULL) == REMOTE_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    kesd_rights_clear(&rights);
    return 0;
}

static bool may(const char *identity, const char *path)
{
    return kesd_rights_allow(&rights, identity, remote_slice_str(path));
}

static void test_policy_when_a_rule_fits_then_allowed_unless_denied(void **state)
{
    (void)state;
    assert_true(may(APP, "/v1/key/create/app"));
    assert_true(may(APP, "/v1/key/create/app1"));
    assert_true(may(APP, "/v1/api"));
    assert_false(may(APP, "/v1/api/"));
    assert_false(may(APP, "/v1/key/create/ap"));
    assert_false(may(APP, "/v1/key/create/app-internal"));
    assert_false(may(APP, "/v1/key/create/app-internal-2"));
}

static void test_policy_when_the_identity_is_unknown_then_denied(void **state)
{
    (void)state;
    assert_false(may(OTHER, "/v1/api"));
    assert_false(may("", "/v1/api"));
    assert_null(kesd_rights_find(&rights, OTHER));
}

static void test_admin_when_a_policy_has_it_too_then_may_do_everything(void **state)
{
    (void)state;
    assert_true(may(ADMIN, "/v1/key/create/app-internal"));
    assert_null(kesd_rights_find(&rights, ADMIN)->policy);
    assert_int_equal(rights.count, 2);
}

static void test_policies_when_asked_for_by_name_then_found(void **state)
{
    (void)state;
    assert_ptr_equal(kesd_rights_policy(&rights, "app"), &policies[0]);
    assert_null(kesd_rights_policy(&rights, "ap"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy_when_a_rule_fits_then_allowed_unless_denied),
        cmocka_unit_test(test_policy_when_the_identity_is_unknown_then_denied),
        cmocka_unit_test(test_admin_when_a_policy_has_it_too_then_may_do_everything),
        cmocka_unit_test(test_policies_when_asked_for_by_name_then_found),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
