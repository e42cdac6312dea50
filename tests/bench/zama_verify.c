/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Microseconds to check one answer of a party of Zama's KMS, for some recorded ones: the best and
 * the median of many, each by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "../unit/in_guard.h"
#include "../unit/zama_case.h"

#define ROUNDS 501

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return left < right ? -1 : left > right;
}

static double check_once(const struct zama_case_question *asked, const struct zama_pin *pin,
                         struct remote_slice message)
{
    struct zama_answer answer = { 0 };
    double begun = now_us();

    assert_int_equal(zama_answer_read(&asked->question, 1, pin, message, &answer, NULL), REMOTE_OK);
    zama_answer_clear(&answer);
    return now_us() - begun;
}

static void measure(const char *name)
{
    const remote_json *deployment = zama_case_deployment("threshold");
    const remote_json *json = zama_case_find(remote_json_at(deployment, "questions"), name);
    const remote_json *answer = remote_json_index(remote_json_at(json, "answers"), 0);
    struct remote_buf message = zama_case_base64(remote_json_text(answer, "message"));
    struct zama_case_question asked;
    struct zama_pin pin;
    double took[ROUNDS];

    zama_case_question(deployment, json, &asked);
    zama_case_pin(deployment, 1, &pin);
    for (size_t i = 0; i < ROUNDS; i++)
        took[i] = check_once(&asked, &pin, remote_buf_slice(&message));
    qsort(took, ROUNDS, sizeof(*took), compare);
    printf("%-20s best %5.0f us, median %5.0f us\n", name, took[0], took[ROUNDS / 2]);
    zama_case_question_clear(&asked);
    remote_buf_clear(&message);
}

static void test_measure(void **state)
{
    (void)state;
    measure("pd_euint8_sc");        /* twice ECDSA */
    measure("pd_ed25519");          /* and Ed25519 */
    measure("pd_multi_allschemes"); /* three ciphertexts */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_measure) };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
