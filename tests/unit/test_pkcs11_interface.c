/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_core.h"

static void test_function_list_when_asked_then_is_2_40_and_complete(void **state)
{
    CK_FUNCTION_LIST *list = NULL;
    void *const *functions;
    size_t count;

    (void)state;
    assert_int_equal(C_GetFunctionList(NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetFunctionList(&list), CKR_OK);
    assert_int_equal(list->version.major, 2);
    assert_int_equal(list->version.minor, 40);
    functions = (void *const *)(const void *)&list->C_Initialize;
    count = (sizeof(*list) - offsetof(CK_FUNCTION_LIST, C_Initialize)) / sizeof(void *);
    assert_int_equal(count, 68); /* PKCS#11 2.40 section 3.6 */
    for (size_t i = 0; i < count; i++)
        assert_non_null(functions[i]);
}

static void test_interfaces_when_listed_then_are_3_0_and_2_40_and_fork_safe(void **state)
{
    CK_INTERFACE interfaces[2];
    CK_ULONG count = 0;

    (void)state;
    assert_int_equal(C_GetInterfaceList(NULL, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetInterfaceList(NULL, &count), CKR_OK);
    assert_int_equal(count, 2);
    count = 1;
    assert_int_equal(C_GetInterfaceList(interfaces, &count), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(count, 2);
    assert_int_equal(C_GetInterfaceList(interfaces, &count), CKR_OK);
    for (size_t i = 0; i < 2; i++) {
        const CK_VERSION *version = interfaces[i].pFunctionList;

        assert_string_equal((char *)interfaces[i].pInterfaceName, "PKCS 11");
        assert_int_equal(interfaces[i].flags, CKF_INTERFACE_FORK_SAFE);
        assert_int_equal(version->major, i == 0 ? 3 : 2);
        assert_int_equal(version->minor, i == 0 ? 0 : 40);
    }
}

static void test_list_of_3_0_when_asked_then_is_complete(void **state)
{
    CK_VERSION version = { 3, 0 };
    CK_INTERFACE *interface = NULL;
    const CK_FUNCTION_LIST_3_0 *list;
    void *const *functions;
    size_t count;

    (void)state;
    assert_int_equal(C_GetInterface((CK_UTF8CHAR *)"PKCS 11", &version, &interface, 0), CKR_OK);
    list = interface->pFunctionList;
    functions = (void *const *)(const void *)&list->C_Initialize;
    count = (sizeof(*list) - offsetof(CK_FUNCTION_LIST_3_0, C_Initialize)) / sizeof(void *);
    assert_int_equal(count, 92); /* 24 more */
    for (size_t i = 0; i < count; i++)
        assert_non_null(functions[i]);
}

static void test_interface_when_nothing_is_asked_for_then_is_the_newest(void **state)
{
    CK_INTERFACE *interface = NULL;

    (void)state;
    assert_int_equal(C_GetInterface(NULL, NULL, NULL, 0), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetInterface(NULL, NULL, &interface, CKF_INTERFACE_FORK_SAFE), CKR_OK);
    assert_int_equal(((CK_VERSION *)interface->pFunctionList)->major, 3);
}

static void test_interface_when_not_ours_then_fails(void **state)
{
    CK_VERSION version = { 2, 20 };
    CK_INTERFACE *interface = NULL;

    (void)state;
    assert_int_equal(C_GetInterface((CK_UTF8CHAR *)"Vendor", NULL, &interface, 0),
                     CKR_FUNCTION_FAILED);
    assert_int_equal(C_GetInterface(NULL, &version, &interface, 0), CKR_FUNCTION_FAILED);
    assert_int_equal(C_GetInterface(NULL, NULL, &interface, 1u << 5), CKR_FUNCTION_FAILED);
    assert_null(interface);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_function_list_when_asked_then_is_2_40_and_complete),
        cmocka_unit_test(test_interfaces_when_listed_then_are_3_0_and_2_40_and_fork_safe),
        cmocka_unit_test(test_list_of_3_0_when_asked_then_is_complete),
        cmocka_unit_test(test_interface_when_nothing_is_asked_for_then_is_the_newest),
        cmocka_unit_test(test_interface_when_not_ours_then_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
