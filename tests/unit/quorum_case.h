/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quorum slots over the key service in memory: a core with slots a, b, c, d, whose keys are ka, kb,
 * kc, kd, so that rules by the key's name make one member ill.
 */
#ifndef TESTS_QUORUM_CASE_H
#define TESTS_QUORUM_CASE_H

#include "memory.h"

#include "core_private.h"
#include "log.h"
#include "quorum_slot.h"
#include "temp_dir.h"

#define MEMBER(name) "[slot " name "]\nbackend = memory\nurl = https://" name "\n"
#define MEMBERS MEMBER("a") MEMBER("b") MEMBER("c") MEMBER("d")
#define QUORUM(name, members, threshold)                                                           \
    "[slot " name "]\nbackend = quorum\nmembers = " members "\nthreshold = " threshold "\n"
#define ABC "a/ka b/kb c/kc"

static struct remote_core *core;

static inline void configure(const char *text)
{
    make_file("one.conf", text, 0600);
}

static inline void start(const char *text)
{
    struct remote_error err = { 0 };

    configure(text);
    assert_ok(remote_core_open(path_of("one.conf"), &core, &err), err);
}

static inline void reload_to(const char *text)
{
    struct remote_error err = { 0 };

    configure(text);
    assert_ok(remote_core_reload(core, true, &err), err);
}

static inline int quorum_setup(void **state)
{
    if (temp_dir_make(state) != 0 || memory_setup(state) != 0)
        return -1;
    for (const char *name = "abcd"; *name != '\0'; name++) {
        char key[3] = { 'k', *name, '\0' };

        memory_add_typed(key, 1, REMOTE_KEY_AES, 256);
    }
    memory.latency_ms = 5;
    return 0;
}

static inline int quorum_teardown(void **state)
{
    remote_core_close(core);
    core = NULL;
    return remote_log_setup("none", NULL, NULL) != REMOTE_OK || memory_teardown(state) != 0 ||
           temp_dir_remove(state) != 0;
}

static inline struct remote_slot *slot_of(const char *name)
{
    struct remote_slot *slot = remote_core_find_slot(core, name);

    assert_non_null(slot);
    return slot;
}

static inline struct quorum *quorum_of(const char *name)
{
    return (struct quorum *)slot_of(name)->conn;
}

static inline enum remote_rc seal_with(const char *slot, struct remote_slice plain,
                                       struct remote_slice aad, struct remote_buf *ret,
                                       struct remote_error *err)
{
    struct remote_key *key = memory_find(slot_of(slot), slot);
    struct remote_params params = { .alg = REMOTE_ALG_AEAD, .aad = aad };
    enum remote_rc rc = remote_key_encrypt(key, &params, plain, ret, err);

    remote_key_unref(key);
    return rc;
}

static inline enum remote_rc open_with(const char *slot, struct remote_slice sealed,
                                       struct remote_slice aad, struct remote_buf *ret,
                                       struct remote_error *err)
{
    struct remote_key *key = memory_find(slot_of(slot), slot);
    struct remote_params params = { .alg = REMOTE_ALG_AEAD, .aad = aad };
    enum remote_rc rc = remote_key_decrypt(key, &params, sealed, ret, err);

    remote_key_unref(key);
    return rc;
}

static inline enum remote_rc rewrap_with(const char *slot, struct remote_slice sealed,
                                         struct remote_buf *ret, struct remote_error *err)
{
    struct remote_key *key = memory_find(slot_of(slot), slot);
    enum remote_rc rc = remote_key_rewrap(key, sealed, ret, err);

    remote_key_unref(key);
    return rc;
}

static inline void seal_text(const char *slot, struct remote_buf *ret)
{
    struct remote_error err = { 0 };

    assert_ok(seal_with(slot, remote_slice_str("content"), remote_slice_str("aad"), ret, &err),
              err);
}

/* REMOTE_OK only with the right content. */
static inline enum remote_rc try_open(const char *slot, const struct remote_buf *sealed,
                                      struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
    enum remote_rc rc =
        open_with(slot, remote_buf_slice(sealed), remote_slice_str("aad"), &plain, err);

    if (rc != REMOTE_OK)
        assert_int_equal(plain.len, 0);
    else
        assert_true(remote_slice_equal(remote_buf_slice(&plain), remote_slice_str("content")));
    return rc;
}

static inline void assert_opens(const char *slot, const struct remote_buf *sealed)
{
    struct remote_error err = { 0 };

    assert_ok(try_open(slot, sealed, &err), err);
}

static inline void assert_refused(const char *slot, const struct remote_buf *sealed)
{
    struct remote_error err = { 0 };

    assert_int_equal(try_open(slot, sealed, &err), REMOTE_E_DATA);
    assert_says(err.text, "does not open this ciphertext");
}

static inline struct remote_quorum_header header_of(const struct remote_buf *sealed)
{
    struct remote_quorum_header header = { 0 };
    struct remote_slice content;
    struct remote_error err = { 0 };

    assert_ok(remote_quorum_read(remote_buf_slice(sealed), &header, &content, &err), err);
    return header;
}

static inline size_t parts_in(const struct remote_buf *sealed)
{
    struct remote_quorum_header header = header_of(sealed);
    size_t count = 0;

    for (size_t i = 0; i < header.count; i++)
        count += header.entries[i].sealed.len > 0;
    return count;
}

/* Only logs of this test. */
static inline size_t log_lines(const char *part)
{
    char line[1024];
    FILE *file = fopen(path_of("log"), "r");
    size_t count = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        count += strstr(line, part) != NULL;
    if (file != NULL)
        fclose(file);
    return count;
}

static inline void log_to_file(void)
{
    struct remote_error err = { 0 };

    assert_ok(remote_log_setup(path_of("log"), "info", &err), err);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, quorum_setup, quorum_teardown)

#endif
