/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake_core.h"
#include "pkcs11/error.h"

static char path[4096];

static void read_log(char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    size_t len;

    assert_non_null(file);
    len = fread(text, 1, size - 1, file);
    text[len] = '\0';
    fclose(file);
    assert_int_equal(truncate(path, 0), 0);
}

static void test_every_code_of_the_core_when_mapped_then_is_an_error_of_pkcs11(void **state)
{
    (void)state;
    for (int rc = REMOTE_OK + 1; rc < REMOTE_RC_COUNT; rc++)
        for (int doing = 0; doing < PKCS11_DOING_COUNT; doing++) {
            CK_RV rv = pkcs11_rv(NULL, (enum remote_rc)rc, (enum pkcs11_doing)doing);

            assert_int_not_equal(rv, CKR_OK);
            assert_string_not_equal(pkcs11_rv_name(rv), "CKR_?");
        }
}

static void test_wrong_data_when_mapped_then_depends_on_what_was_done(void **state)
{
    (void)state;
    assert_int_equal(pkcs11_rv(NULL, REMOTE_E_DATA, PKCS11_DOING_VERIFY), CKR_SIGNATURE_INVALID);
    assert_int_equal(pkcs11_rv(NULL, REMOTE_E_DATA, PKCS11_DOING_DECRYPT),
                     CKR_ENCRYPTED_DATA_INVALID);
    assert_int_equal(pkcs11_rv(NULL, REMOTE_E_LENGTH, PKCS11_DOING_DECRYPT),
                     CKR_ENCRYPTED_DATA_LEN_RANGE);
    assert_int_equal(pkcs11_rv(NULL, REMOTE_E_LENGTH, PKCS11_DOING_OTHER), CKR_DATA_LEN_RANGE);
}

static void test_dead_credentials_when_the_slot_has_a_pin_then_ask_for_login(void **state)
{
    struct remote_core *core = NULL;

    (void)state;
    assert_int_equal(remote_core_open(NULL, &core, NULL), REMOTE_OK);
    assert_int_equal(pkcs11_rv(remote_core_slot(core, 0), REMOTE_E_AUTH, PKCS11_DOING_OTHER),
                     CKR_DEVICE_ERROR);
    assert_int_equal(pkcs11_rv(remote_core_slot(core, 1), REMOTE_E_AUTH, PKCS11_DOING_OTHER),
                     CKR_USER_NOT_LOGGED_IN);
    remote_core_close(core);
}

static void test_failure_when_done_then_is_one_line_with_name_and_sentence(void **state)
{
    struct remote_error err = { 0 };
    char text[1024];

    (void)state;
    REMOTE_FAIL(&err, REMOTE_E_TIMEOUT, "slot 'web': no answer within 3 s");
    assert_int_equal(pkcs11_done("C_Sign", CKR_DEVICE_ERROR, &err), CKR_DEVICE_ERROR);
    read_log(text, sizeof(text));
    assert_non_null(strstr(text, "C_Sign: CKR_DEVICE_ERROR: slot 'web': no answer within 3 s\n"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void test_what_nobody_can_act_on_when_done_then_is_not_logged(void **state)
{
    struct remote_error none = { 0 }, err = { 0 };
    char text[1024];

    (void)state;
    REMOTE_FAIL(&err, REMOTE_E_LENGTH, "left over");
    pkcs11_done("C_Sign", CKR_OK, &err);
    pkcs11_done("C_Sign", CKR_BUFFER_TOO_SMALL, &err);
    pkcs11_done("C_GetAttributeValue", CKR_ATTRIBUTE_TYPE_INVALID, &none);
    read_log(text, sizeof(text));
    assert_string_equal(text, "");
}

static int set_up(void **state)
{
    const char *dir = getenv("TMPDIR");
    int fd;

    (void)state;
    unsetenv("HSMBRIDGE_LOG");
    snprintf(path, sizeof(path), "%s/pkcs11-error-XXXXXX", dir ? dir : P_tmpdir);
    fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    return remote_log_setup(path, "info", NULL) == REMOTE_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return remote_log_setup("none", NULL, NULL) != REMOTE_OK || unlink(path) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_of_the_core_when_mapped_then_is_an_error_of_pkcs11),
        cmocka_unit_test(test_wrong_data_when_mapped_then_depends_on_what_was_done),
        cmocka_unit_test(test_dead_credentials_when_the_slot_has_a_pin_then_ask_for_login),
        cmocka_unit_test(test_failure_when_done_then_is_one_line_with_name_and_sentence),
        cmocka_unit_test(test_what_nobody_can_act_on_when_done_then_is_not_logged),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
