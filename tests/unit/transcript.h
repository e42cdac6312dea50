/* SPDX-License-Identifier: Apache-2.0 */
/* What a real Vault said: looks answers up in tests/fixtures/vault/transcript.md. */
#ifndef TESTS_TRANSCRIPT_H
#define TESTS_TRANSCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"

static char *transcript;

static inline int transcript_load(void **state)
{
    FILE *in = fopen(VAULT_TRANSCRIPT, "r");
    long size;

    (void)state;
    if (in == NULL || fseek(in, 0, SEEK_END) != 0 || (size = ftell(in)) < 0)
        return -1;
    rewind(in);
    transcript = calloc(1, (size_t)size + 1);
    size = (long)fread(transcript, 1, (size_t)size, in);
    fclose(in);
    return size > 0 ? 0 : -1;
}

static inline int transcript_free(void **state)
{
    (void)state;
    free(transcript);
    return 0;
}

/* The answer to the first recorded request that begins so and was answered with this status. */
static inline struct remote_reply transcript_reply(const char *request, int status)
{
    char line[512];
    const char *at = transcript;

    snprintf(line, sizeof(line), "\n> %s", request);
    while ((at = strstr(at, line)) != NULL) {
        const char *answer = strstr(at, "\n< ");
        char *body;
        struct remote_reply reply = { 0 };

        assert_non_null(answer);
        reply.status = (int)strtol(answer + 3, &body, 10);
        body += *body == ' ';
        reply.body = remote_slice(body, strcspn(body, "\n"));
        if (reply.status == status &&
            (reply.body.len < 7 || memcmp(body + reply.body.len - 7, " chars]", 7) != 0))
            return reply;
        at++;
    }
    fail_msg("no '%s' with %d in the transcript", request, status);
    return (struct remote_reply){ 0 };
}

#endif
