/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_core.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)
#define ATTRIBUTE(type, variable)                                                                  \
    {                                                                                              \
        type, &(variable), sizeof(variable)                                                        \
    }

static void test_find_when_without_template_then_lists_keys_and_certificates(void **state)
{
    (void)state;
    /* three pairs, two secret keys, two certificates */
    assert_int_equal(fake_core_count(fake_core_session(0), NULL, 0), 3 * 2 + 2 + 2);
    assert_int_equal(fake.requests, 1);
}

static void test_find_when_paged_then_each_object_once(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE handles[10];
    CK_ULONG count = 10, all = 0;

    (void)state;
    assert_int_equal(C_FindObjectsInit(session, NULL, 0), CKR_OK);
    assert_int_equal(C_FindObjects(session, handles, 4, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_FindObjects(session, NULL, 4, &count), CKR_ARGUMENTS_BAD);
    for (; all < 10; all += count) {
        assert_int_equal(C_FindObjects(session, handles + all, all < 8 ? 4 : 2, &count), CKR_OK);
        assert_int_not_equal(count, 0);
    }
    for (size_t i = 0; i < 10; i++)
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(handles[i], handles[j]);
    assert_int_equal(C_FindObjects(session, handles, 4, &count), CKR_OK);
    assert_int_equal(count, 0);
    assert_int_equal(C_FindObjectsFinal(session), CKR_OK);
}

static void test_find_when_out_of_order_then_says_so(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE handle;
    CK_ULONG count;

    (void)state;
    assert_int_equal(C_FindObjects(session, &handle, 1, &count), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_FindObjectsFinal(session), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_FindObjectsInit(session, NULL, 1), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_FindObjectsInit(session, NULL, 0), CKR_OK);
    assert_int_equal(C_FindObjectsInit(session, NULL, 0), CKR_OPERATION_ACTIVE);
    assert_int_equal(C_FindObjectsFinal(session), CKR_OK);
}

static void test_find_when_only_certificates_are_asked_for_then_costs_no_request(void **state)
{
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_ATTRIBUTE attributes[] = { ATTRIBUTE(CKA_CLASS, class),
                                  { CKA_LABEL, "Test CA", strlen("Test CA") } };
    CK_SESSION_HANDLE session = fake_core_session(0);

    (void)state;
    assert_int_equal(fake_core_count(session, attributes, 1), 2);
    assert_int_equal(fake_core_count(session, attributes, 2), 1);
    assert_int_equal(fake.requests, 0);
}

static void test_find_when_a_certificate_is_called_like_its_key_then_that_key_is_read(void **state)
{
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_ATTRIBUTE attributes[] = { ATTRIBUTE(CKA_CLASS, class), { CKA_LABEL, "ec", 2 } };
    CK_ATTRIBUTE nobody[] = { ATTRIBUTE(CKA_CLASS, class), { CKA_LABEL, "none", 4 } };
    CK_SESSION_HANDLE session = fake_core_session(0);

    (void)state;
    assert_int_equal(fake_core_count(session, attributes, 2), 1);
    assert_int_equal(fake.requests, 1);
    assert_int_equal(fake_core_count(session, attributes, 2), 1);
    assert_int_equal(fake.requests, 1); /* known by now */
    assert_int_equal(fake_core_count(session, nobody, 2), 0);
    assert_int_equal(fake_core_count(fake_core_session(1), attributes, 2), 0); /* no PIN yet */
}

static void test_find_when_nobody_can_have_it_then_costs_no_request(void **state)
{
    CK_OBJECT_CLASS data = CKO_DATA, profile = CKO_PROFILE;
    CK_BYTE short_class = 3;
    CK_BBOOL no = CK_FALSE;
    CK_BYTE id[40] = { 1 };
    CK_ATTRIBUTE attributes[] = { ATTRIBUTE(CKA_CLASS, data),
                                  ATTRIBUTE(CKA_CLASS, profile),
                                  ATTRIBUTE(CKA_CLASS, short_class),
                                  ATTRIBUTE(CKA_TOKEN, no),
                                  ATTRIBUTE(CKA_ID, id),
                                  { CKA_ID, NULL, 0 },
                                  { CKA_LABEL, NULL, 0 },
                                  { CKA_LABEL, "rsa\0", 4 } };
    CK_SESSION_HANDLE session = fake_core_session(0);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
        assert_int_equal(fake_core_count(session, &attributes[i], 1), 0);
    assert_int_equal(fake.requests, 0);
}

static void test_find_when_by_label_then_reads_that_key_alone(void **state)
{
    CK_ATTRIBUTE label = { CKA_LABEL, "ec", 2 };

    (void)state;
    /* the pair, and the certificate that now goes by the key's label */
    assert_int_equal(fake_core_count(fake_core_session(0), &label, 1), 3);
    assert_int_equal(fake.requests, 1);
}

static size_t id_of(CK_SESSION_HANDLE session, const char *label, CK_BYTE *id)
{
    CK_ATTRIBUTE attribute = { CKA_ID, id, 32 };

    assert_int_equal(C_GetAttributeValue(session, fake_core_find(session, CKO_PRIVATE_KEY, label),
                                         &attribute, 1),
                     CKR_OK);
    return attribute.ulValueLen;
}

static void test_find_when_by_id_then_pairs_key_and_certificate(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE bytes[32];
    CK_ATTRIBUTE id = { CKA_ID, bytes, id_of(session, "ec", bytes) };

    (void)state;
    assert_int_equal(fake_core_count(session, &id, 1), 3);
}

static void test_find_when_label_and_id_are_of_an_older_version_then_finds_that(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE older = fake_core_find(session, CKO_PRIVATE_KEY, "ec@v1"), found;
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_BYTE bytes[32];
    CK_ATTRIBUTE attributes[] = { ATTRIBUTE(CKA_CLASS, class),
                                  { CKA_LABEL, "ec", 2 },
                                  { CKA_ID, bytes, id_of(session, "ec@v1", bytes) } };
    CK_ULONG count;

    (void)state;
    assert_int_equal(C_FindObjectsInit(session, attributes, 3), CKR_OK);
    assert_int_equal(C_FindObjects(session, &found, 1, &count), CKR_OK);
    assert_int_equal(C_FindObjectsFinal(session), CKR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(found, older);
}

static void test_find_when_other_attributes_are_given_then_matches_them_too(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_CLASS private = CKO_PRIVATE_KEY;
    CK_KEY_TYPE rsa = CKK_RSA;
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE attributes[] = { ATTRIBUTE(CKA_CLASS, private), ATTRIBUTE(CKA_SIGN, yes),
                                  ATTRIBUTE(CKA_TOKEN, yes), ATTRIBUTE(CKA_KEY_TYPE, rsa) };
    CK_ATTRIBUTE secret = { CKA_VALUE, NULL, 0 };

    (void)state;
    assert_int_equal(fake_core_count(session, attributes, 3), 3);
    assert_int_equal(fake_core_count(session, attributes, 4), 1);
    assert_int_equal(fake_core_count(session, &secret, 1), 0); /* what never leaves matches not */
}

static void test_find_when_not_logged_in_then_shows_certificates_without_asking(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(1);

    (void)state;
    assert_int_equal(fake_core_count(session, NULL, 0), 1);
    assert_int_equal(fake.requests, 0);
    assert_int_equal(C_Login(session, CKU_USER, (CK_BYTE *)"1234", 4), CKR_OK);
    assert_int_equal(fake_core_count(session, NULL, 0), 3);
}

static void test_find_when_the_service_fails_then_says_so_and_recovers(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);

    (void)state;
    fake.fail = REMOTE_E_TIMEOUT;
    assert_int_equal(C_FindObjectsInit(session, NULL, 0), CKR_DEVICE_ERROR);
    fake.fail = REMOTE_E_RIGHTS;
    assert_int_equal(C_FindObjectsInit(session, NULL, 0), CKR_FUNCTION_REJECTED);
    fake.fail = REMOTE_OK;
    assert_int_equal(fake_core_count(session, NULL, 0), 10);
}

static void test_find_when_under_way_then_is_a_snapshot(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0), other = fake_core_session(0);
    CK_OBJECT_HANDLE handles[20];
    CK_ULONG count;

    (void)state;
    assert_int_equal(C_FindObjectsInit(session, NULL, 0), CKR_OK);
    fake_core_find(other, CKO_PRIVATE_KEY, "ec@v1");
    assert_int_equal(C_FindObjects(session, handles, 20, &count), CKR_OK);
    assert_int_equal(count, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_find_when_without_template_then_lists_keys_and_certificates),
        TEST(test_find_when_paged_then_each_object_once),
        TEST(test_find_when_out_of_order_then_says_so),
        TEST(test_find_when_only_certificates_are_asked_for_then_costs_no_request),
        TEST(test_find_when_a_certificate_is_called_like_its_key_then_that_key_is_read),
        TEST(test_find_when_nobody_can_have_it_then_costs_no_request),
        TEST(test_find_when_by_label_then_reads_that_key_alone),
        TEST(test_find_when_by_id_then_pairs_key_and_certificate),
        TEST(test_find_when_label_and_id_are_of_an_older_version_then_finds_that),
        TEST(test_find_when_other_attributes_are_given_then_matches_them_too),
        TEST(test_find_when_not_logged_in_then_shows_certificates_without_asking),
        TEST(test_find_when_the_service_fails_then_says_so_and_recovers),
        TEST(test_find_when_under_way_then_is_a_snapshot),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
