/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does what standard input tells it, one word a line, and answers each with one line: the
 * result and how many milliseconds it took. It uses OpenSSL of its own, as most hosts do, and
 * finds its environment variables in the end as they were.
 *
 *     initialize   finalize     C_Initialize, C_Finalize
 *     find         sign         the private key "app"; an ECDSA signature with it
 *     digest                    SHA-256 in OpenSSL's default context; 0: it has none
 *     confine DIRECTORY         chroot(2) into it and become nobody
 */
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "host.h"

#define NOBODY 65534

static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE key;

static CK_RV do_initialize(const char *argument)
{
    (void)argument;
    return host_p11->C_Initialize(NULL);
}

static CK_RV do_finalize(const char *argument)
{
    (void)argument;
    session = CK_INVALID_HANDLE;
    return host_p11->C_Finalize(NULL);
}

static CK_RV do_find(const char *argument)
{
    (void)argument;
    if (session == CK_INVALID_HANDLE)
        session = host_session();
    return host_find(session, CKO_PRIVATE_KEY, "app", &key);
}

static CK_RV do_sign(const char *argument)
{
    (void)argument;
    return host_sign(session, key);
}

static CK_RV do_digest(const char *argument)
{
    unsigned char out[EVP_MAX_MD_SIZE];
    EVP_MD *md = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    CK_RV done = md && EVP_Digest("", 0, out, NULL, md, NULL) == 1;

    (void)argument;
    EVP_MD_free(md);
    return done;
}

static CK_RV do_confine(const char *argument)
{
    HOST_CHECK(chroot(argument) == 0 && chdir("/") == 0);
    HOST_CHECK(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    return CKR_OK;
}

static const struct {
    const char *word;
    CK_RV (*act)(const char *argument);
} commands[] = {
    { "initialize", do_initialize },
    { "finalize", do_finalize },
    { "find", do_find },
    { "sign", do_sign },
    { "digest", do_digest },
    { "confine", do_confine },
};

static void obey(const char *word, const char *argument)
{
    int64_t before = host_now_ms();

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].word, word) != 0)
            continue;
        CK_RV rv = commands[i].act(argument);

        dprintf(STDOUT_FILENO, "%lu %lld\n", rv, (long long)(host_now_ms() - before));
        return;
    }
    host_fail(__FILE__, __LINE__, word);
}

/* Every variable, a line each. */
static char *copy_environment(void)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    HOST_CHECK(out);
    for (char **variable = environ; *variable; variable++)
        fprintf(out, "%s\n", *variable);
    HOST_CHECK(fclose(out) == 0);
    return text;
}

static void check_environment(char *before)
{
    char *now = copy_environment();

    HOST_CHECK(strcmp(before, now) == 0);
    free(now);
    free(before);
}

int main(void)
{
    char *environment = copy_environment();
    char line[4096];

    host_deadline(240);
    host_load();
    while (fgets(line, sizeof(line), stdin)) {
        char *argument;

        line[strcspn(line, "\n")] = '\0';
        argument = line + strcspn(line, " ");
        if (*argument == ' ')
            *argument++ = '\0';
        obey(line, argument);
    }
    check_environment(environment);
    return 0;
}
