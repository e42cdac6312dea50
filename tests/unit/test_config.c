/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations from memory and from files, with the checks of sections and options. */
#include "temp_dir.h"

#include <string.h>

#include "config.h"

static const struct remote_option backend_options[] = {
    { "mount", REMOTE_OPTION_TEXT, NULL, 0, 0, "where the engine is mounted" },
    { "token", REMOTE_OPTION_SECRET, NULL, 0, 0, "a token of the service" },
    { "threshold", REMOTE_OPTION_NUMBER, NULL, 1, 0, NULL },
    { NULL },
};
static const struct remote_option *const tables[] = {
    remote_options_slot,
    remote_options_https,
    backend_options,
    NULL,
};

static enum remote_rc parse(const char *text, struct remote_config *ret, struct remote_error *err)
{
    return remote_config_parse("t.conf", remote_slice_str(text), ret, err);
}

/* Parses and checks; the whole is in order. */
static void load_good(const char *text, struct remote_config *ret)
{
    struct remote_error err = { 0 };

    if (parse(text, ret, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < ret->slot_count; i++) {
        if (remote_section_check(ret->slots[i], tables, &err) != REMOTE_OK)
            fail_msg("%s", err.text);
    }
}

static void assert_text(const struct remote_error *err, const char *expected)
{
    assert_int_equal(err->rc, REMOTE_E_CONFIG);
    assert_string_equal(err->text, expected);
}

/* The whole configuration is refused. */
static void assert_refused(struct remote_slice text, const char *expected)
{
    struct remote_config config = { 0 };
    struct remote_error err = { 0 };

    assert_int_equal(remote_config_parse("t.conf", text, &config, &err), REMOTE_E_CONFIG);
    assert_text(&err, expected);
    assert_null(config.source);
}

static void assert_str_refused(const char *text, const char *expected)
{
    assert_refused(remote_slice_str(text), expected);
}

/* The first slot is broken and says so; the last one is in order. */
static void assert_broken(const char *text, const char *expected)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };
    struct remote_error err = { 0 };

    if (parse(text, &config, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_int_equal(remote_section_check(config.slots[0], tables, &err), REMOTE_E_CONFIG);
    assert_text(&err, expected);
    memset(&err, 0, sizeof(err));
    assert_int_equal(remote_section_status(config.slots[0], &err), REMOTE_E_CONFIG);
    assert_text(&err, expected);
    if (config.slot_count > 1)
        assert_int_equal(remote_section_check(config.slots[config.slot_count - 1], tables, &err),
                         REMOTE_OK);
}

/* One line in a slot's section. */
static void assert_line_broken(const char *line, const char *expected)
{
    char text[512];

    snprintf(text, sizeof(text), "[slot web]\nbackend = vault\n%s\n[slot ok]\n", line);
    assert_broken(text, expected);
}

/* ---- what is right ---- */

static void test_parse_gives_sections_in_order(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };

    (void)state;
    load_good("# comment\n"
              "[hsmbridge]\n"
              "log = syslog ; an inline comment\n"
              "log_level=debug\n"
              "\n"
              "[slot web] ; a comment\n"
              "backend = vault\n"
              "[ slot  with blanks ]\n"
              "[slot empty]",
              &config);
    assert_string_equal(config.source, "t.conf");
    assert_string_equal(remote_section_text(config.global, "log", NULL), "syslog");
    assert_string_equal(remote_section_text(config.global, "log_level", NULL), "debug");
    assert_string_equal(remote_section_name(config.global), "");
    assert_int_equal(config.slot_count, 3);
    assert_string_equal(remote_section_name(config.slots[0]), "web");
    assert_string_equal(remote_section_where(config.slots[0]), "t.conf:6");
    assert_string_equal(remote_section_name(config.slots[1]), "with blanks");
    assert_string_equal(remote_section_name(config.slots[2]), "empty");
}

static void test_values_before_the_check_are_readable_as_text(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };

    (void)state;
    assert_int_equal(parse("[slot web]\nbackend = vault\nnonsense = 1\n", &config, NULL),
                     REMOTE_OK);
    assert_string_equal(remote_section_text(config.slots[0], "backend", NULL), "vault");
    assert_int_equal(remote_section_status(config.slots[0], NULL), REMOTE_OK);
}

static void test_values_after_the_check_have_their_types(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };
    const struct remote_section *slot;

    (void)state;
    load_good("[slot web]\n"
              "url = https://a:8200  https://b:8200\n"
              "timeout = 1500ms\nconnect_timeout = 2s\nlist_timeout = 5m\ncache = 1h\n"
              "decrypt_versions = 7\nread_only = yes\npin_shared = no\n"
              "ca_file = /etc/ca.pem\nversions = all\nthreshold = 18446744073709551615\n",
              &config);
    slot = config.slots[0];
    assert_int_equal(remote_section_number(slot, "timeout", 1), 1500);
    assert_int_equal(remote_section_number(slot, "connect_timeout", 1), 2000);
    assert_int_equal(remote_section_number(slot, "list_timeout", 1), 300000);
    assert_int_equal(remote_section_number(slot, "cache", 1), 3600000);
    assert_int_equal(remote_section_number(slot, "decrypt_versions", 1), 7);
    assert_true(remote_section_number(slot, "threshold", 1) == UINT64_MAX);
    assert_true(remote_section_bool(slot, "read_only", false));
    assert_false(remote_section_bool(slot, "pin_shared", true));
    assert_string_equal(remote_section_text(slot, "ca_file", NULL), "/etc/ca.pem");
    assert_string_equal(remote_section_text(slot, "versions", NULL), "all");
    assert_string_equal(remote_section_words(slot, "url")[1], "https://b:8200");
    assert_null(remote_section_words(slot, "url")[2]);
}

static void test_absent_options_are_the_otherwise(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };
    const struct remote_section *slot;

    (void)state;
    load_good("[slot web]\n", &config);
    slot = config.slots[0];
    assert_string_equal(remote_section_text(slot, "mount", "transit"), "transit");
    assert_int_equal(remote_section_number(slot, "timeout", 3000), 3000);
    assert_true(remote_section_bool(slot, "read_only", true));
    assert_false(remote_section_bool(slot, "read_only", false));
    assert_null(remote_section_words(slot, "keys")[0]);
    assert_false(remote_section_has(slot, "keys"));
    assert_false(remote_section_has_word(slot, "keys", "a"));
}

static void test_lists_when_repeated_add_up(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };
    struct remote_section *slot;
    const char *const *keys;

    (void)state;
    load_good("[slot web]\nkeys = a  b\nallow = generate\nkeys =\tc\tlast\nallow = destroy\n",
              &config);
    slot = config.slots[0];
    assert_int_equal(remote_section_check(slot, tables, NULL), REMOTE_OK); /* again: the same */
    keys = remote_section_words(slot, "keys");
    assert_string_equal(keys[0], "a");
    assert_string_equal(keys[1], "b");
    assert_string_equal(keys[2], "c");
    assert_string_equal(keys[3], "last");
    assert_null(keys[4]);
    assert_true(remote_section_has_word(slot, "allow", "destroy"));
    assert_false(remote_section_has_word(slot, "allow", "rotate"));
}

static void test_indented_lines_are_options_of_their_own(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };

    (void)state;
    load_good("  [slot web]\n\tbackend = vault\n    mount = pki\n", &config);
    assert_string_equal(remote_section_text(config.slots[0], "backend", NULL), "vault");
    assert_string_equal(remote_section_text(config.slots[0], "mount", NULL), "pki");
}

static void test_byte_order_mark_and_crlf_are_no_part_of_values(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };

    (void)state;
    load_good("\xef\xbb\xbf[slot web]\r\nmount = pki\r\n\r\nbackend = vault\r\n", &config);
    assert_string_equal(remote_section_text(config.slots[0], "mount", NULL), "pki");
    assert_string_equal(remote_section_text(config.slots[0], "backend", NULL), "vault");
}

static void test_line_of_198_bytes_is_whole(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };
    char text[256] = "[slot web]\nmount=";
    size_t used = strlen(text);

    (void)state;
    memset(text + used, 'm', 192);
    text[used + 192] = '\0'; /* 6 + 192 = 198 */
    load_good(text, &config);
    assert_int_equal(strlen(remote_section_text(config.slots[0], "mount", "")), 192);
}

static void test_long_comment_is_skipped(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };
    char text[1024] = "#";

    (void)state;
    memset(text + 1, '-', 800);
    strcpy(text + 801, "\n[slot web]\n");
    load_good(text, &config);
    assert_string_equal(remote_section_where(config.slots[0]), "t.conf:2");
}

static void test_shortest_lines_without_last_newline_keep_their_values(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };

    (void)state;
    assert_int_equal(parse("[slot s]\na=1\nb=2\nc=3", &config, NULL), REMOTE_OK);
    assert_string_equal(remote_section_text(config.slots[0], "a", ""), "1");
    assert_string_equal(remote_section_text(config.slots[0], "b", ""), "2");
    assert_string_equal(remote_section_text(config.slots[0], "c", ""), "3");
}

static void test_empty_configuration_has_no_slots(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };

    (void)state;
    load_good("", &config);
    assert_int_equal(config.slot_count, 0);
    assert_non_null(config.global);
}

static void test_global_sections_of_one_configuration_are_one(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };

    (void)state;
    load_good("[hsmbridge]\nlog = none\n[slot a]\n[hsmbridge]\nlog_level = info\n", &config);
    assert_string_equal(remote_section_text(config.global, "log", NULL), "none");
    assert_string_equal(remote_section_text(config.global, "log_level", NULL), "info");
}

static void test_sections_of_front_ends_are_kept_and_not_checked(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    load_good("[kes]\nwhatever = 1\n[kes-policy  app one ]\nallow = /a\n[slot a]\n"
              "[kes-policy b/c]\nno value\n[kes]\n",
              &config);
    assert_int_equal(config.slot_count, 1);
    assert_int_equal(config.front_count, 4);
    assert_string_equal(remote_section_kind(config.fronts[0]), "kes");
    assert_string_equal(remote_section_name(config.fronts[0]), "");
    assert_string_equal(remote_section_text(config.fronts[0], "whatever", NULL), "1");
    assert_string_equal(remote_section_kind(config.fronts[1]), "kes-policy");
    assert_string_equal(remote_section_name(config.fronts[1]), "app one");
    assert_int_equal(remote_section_status(config.fronts[2], &err), REMOTE_E_CONFIG);
    assert_string_equal(err.text,
                        "t.conf:7: [kes-policy b/c] a line without '='; write OPTION = VALUE");
    assert_int_equal(remote_section_status(config.fronts[3], &err), REMOTE_E_CONFIG);
    assert_string_equal(err.text, "t.conf:8: [kes] this section stands in t.conf:1 already; there "
                                  "is one [kes]");
    assert_int_equal(remote_section_status(config.slots[0], &err), REMOTE_OK);
}

/* ---- what breaks the configuration ---- */

static void test_unknown_section_is_refused(void **state)
{
    (void)state;
    assert_str_refused(
        "[slots web]\n",
        "t.conf:1: unknown section [slots web]; there are [hsmbridge] and [slot NAME]");
    assert_str_refused("[kes x]\n",
                       "t.conf:1: unknown section [kes x]; there are [hsmbridge] and [slot NAME]");
    assert_str_refused("[slot a]\n\n[]\n",
                       "t.conf:3: unknown section []; there are [hsmbridge] and [slot NAME]");
}

static void test_unfit_slot_name_is_refused(void **state)
{
    static const char *const names[] = {
        "", " ", "a/b", "a;b", "\"web\"", "123456789012345678901234567890123", "b\xfcro",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct remote_config config = { 0 };
        struct remote_error err = { 0 };
        char text[128];

        snprintf(text, sizeof(text), "[slot %s]\n", names[i]);
        assert_int_equal(parse(text, &config, &err), REMOTE_E_CONFIG);
        assert_memory_equal(err.text, "t.conf:1: [slot ", 16);
        assert_non_null(strstr(err.text, "a slot's name has 1 to 32 bytes of text, without '/'"));
    }
    assert_str_refused("[slot]\n", "t.conf:1: [slot ]: a slot's name has 1 to 32 bytes of text, "
                                   "without '/', ';' and '\"'");
}

static void test_slot_name_of_32_bytes_is_fine(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };

    (void)state;
    load_good("[slot b\xc3\xbcro901234567890123456789012345]\n", &config);
    assert_int_equal(strlen(remote_section_name(config.slots[0])), 32);
}

static void test_malformed_header_is_refused(void **state)
{
    (void)state;
    assert_str_refused("[slot web\n",
                       "t.conf:1: '[' without ']'; write [slot NAME] or [hsmbridge]");
    assert_str_refused("[slot web] backend = vault\n",
                       "t.conf:1: surplus text behind ']'; begin a new line for it");
}

static void test_line_outside_of_a_section_is_refused(void **state)
{
    (void)state;
    assert_str_refused("\nbackend = vault\n", "t.conf:2: 'backend' before any section; write "
                                              "[slot NAME] or [hsmbridge] above it");
    assert_str_refused("backend\n", "t.conf:1: a line without '='; write OPTION = VALUE");
}

static void test_over_long_line_is_refused(void **state)
{
    char text[512] = "[slot web]\nkeys=";
    size_t used = strlen(text);

    (void)state;
    memset(text + used, 'k', 194); /* 5 + 194 = 199 */
    strcpy(text + used + 194, "\n[slot ok]\n");
    assert_str_refused(text, "t.conf:2: the line is longer than 198 bytes; split a list over "
                             "several lines of its option");
}

static void test_control_characters_are_refused(void **state)
{
    (void)state;
    assert_refused(remote_slice("[slot a]\nkeys = a\0b\n", 20),
                   "t.conf:2: control character (byte 0x00); the configuration is plain text in "
                   "UTF-8");
    assert_refused(remote_slice("\xff\xfe[\0s\0", 6),
                   "t.conf:1: control character (byte 0x00); the configuration is plain text in "
                   "UTF-8");
    assert_str_refused("[slot a]\rkeys = a\r", "t.conf:1: control character (byte 0x0d); the "
                                               "configuration is plain text in UTF-8");
    assert_str_refused("[slot a\x1b]\n", "t.conf:1: control character (byte 0x1b); the "
                                         "configuration is plain text in UTF-8");
}

static void test_global_faults_are_refused(void **state)
{
    (void)state;
    assert_str_refused(
        "[hsmbridge]\nlog_levle = info\n",
        "t.conf:2: [hsmbridge] log_levle: unknown option; did you mean 'log_level'?");
    assert_str_refused("[hsmbridge]\nlog = stdout\n",
                       "t.conf:2: [hsmbridge] log: 'stdout' is not an absolute path; none, syslog, "
                       "stderr or the absolute path of a file");
    assert_str_refused("[hsmbridge]\nlog_level = loud\n",
                       "t.conf:2: [hsmbridge] log_level: 'loud' is not one of: error warning info "
                       "debug; the least severe kind of line that is written");
    assert_str_refused("[hsmbridge]\nlog = none\n[slot a]\n[hsmbridge]\nlog = stderr\n",
                       "t.conf:5: [hsmbridge] log: log is given already in t.conf:2; keep one of "
                       "the two");
    assert_str_refused("[hsmbridge]\nlog\n",
                       "t.conf:2: [hsmbridge] a line without '='; write OPTION = VALUE");
    assert_str_refused("[hsmbridge]\nzzzzzzzzzz = 1\n",
                       "t.conf:2: [hsmbridge] zzzzzzzzzz: unknown option; hsmbridge.conf(5) lists "
                       "those of [hsmbridge]");
}

static void test_too_many_slots_are_refused(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    (void)state;
    for (int i = 0; i <= REMOTE_SLOTS_MAX; i++)
        remote_buf_printf(&text, "[slot %d]\n", i);
    assert_refused(remote_buf_slice(&text),
                   "t.conf:257: [slot 256]: there are more than 256 slots; "
                   "use several configurations");
}

/* ---- what breaks a slot ---- */

static void test_unknown_option_breaks_its_slot_and_suggests(void **state)
{
    static const struct {
        const char *line, *expected;
    } cases[] = {
        { "tmeout = 3s", "tmeout: unknown option; did you mean 'timeout'?" },
        { "Timeout = 3s", "Timeout: unknown option; did you mean 'timeout'?" },
        { "key-types = rsa", "key-types: unknown option; did you mean 'key_types'?" },
        { "keytpyes = rsa", "keytpyes: unknown option; did you mean 'key_types'?" },
        { "ulr = https://a", "ulr: unknown option; did you mean 'url'?" },
        { "tokenfile = /a", "tokenfile: unknown option; did you mean 'token_file'?" },
        { "token_evn = A", "token_evn: unknown option; did you mean 'token_env'?" },
        { "region = eu", "region: unknown option; hsmbridge.conf(5) lists those of vault" },
        { "mount_file = /a", "mount_file: unknown option; hsmbridge.conf(5) lists those of vault" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char expected[256];

        snprintf(expected, sizeof(expected), "t.conf:3: [slot web] %s", cases[i].expected);
        assert_line_broken(cases[i].line, expected);
    }
}

static void test_overlong_option_name_is_cut_in_the_message(void **state)
{
    (void)state;
    assert_line_broken(
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz = 1",
        "t.conf:3: [slot web] abcdefghijklmnopqrstuvwxyzabcdefghijklmn: unknown option; "
        "hsmbridge.conf(5) lists those of vault");
}

static void test_bad_value_breaks_its_slot_and_says_what_would_be_right(void **state)
{
    static const struct {
        const char *line, *expected;
    } cases[] = {
        { "timeout = 3", "timeout: '3' is not a duration (with ms, s, m or h) from 100ms to 10m; "
                         "the time for one use of the service, retries and login included" },
        { "read_only = true", "read_only: 'true' is not yes or no; yes refuses whatever would "
                              "change a key, allow or not" },
        { "decrypt_versions = 65", "decrypt_versions: '65' is not a number from 0 to 64; how many "
                                   "versions of a key a decryption may try" },
        { "threshold = 0", "threshold: '0' is not a number, 1 or more" },
        { "versions = newest", "versions: 'newest' is not one of: latest all; whether older "
                               "versions of a key are listed too" },
        { "allow = generate sign", "allow: 'generate sign' is not some of: generate import rotate "
                                   "destroy label; what applications may do to keys; nothing "
                                   "unless named" },
        { "ca_file = ca.pem", "ca_file: 'ca.pem' is not an absolute path; a PEM file with the CAs "
                              "that may vouch for the service" },
        { "mount = \"pki\"", "mount: values are written without quotes; where the engine is "
                             "mounted" },
        { "keys =", "keys: has no value; names of keys, or globs such as tls-*; the others stay "
                    "hidden" },
        { "mount = ; a comment", "mount: has no value; where the engine is mounted" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char expected[REMOTE_ERROR_TEXT_MAX];

        snprintf(expected, sizeof(expected), "t.conf:3: [slot web] %s", cases[i].expected);
        assert_line_broken(cases[i].line, expected);
    }
}

static void test_durations_and_numbers_are_read_strictly(void **state)
{
    static const char *const lines[] = {
        "timeout = 0",
        "timeout = 3 s",
        "timeout = -3s",
        "timeout = +3s",
        "timeout = 1.5s",
        "timeout = 3S",
        "timeout = s",
        "timeout = 99ms",
        "timeout = 601s",
        "timeout = 3sec",
        "timeout = 3d",
        "timeout = 18446744073709551616ms",
        "timeout = 5124095576030432h",
        "decrypt_versions = 0x4",
        "decrypt_versions = -1",
        "decrypt_versions = 4 4",
        "threshold = 18446744073709551616",
        "decrypt_versions = 4s",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        CLEANUP(remote_config_clear) struct remote_config config = { 0 };
        char text[128];

        snprintf(text, sizeof(text), "[slot web]\n%s\n", lines[i]);
        assert_int_equal(parse(text, &config, NULL), REMOTE_OK);
        if (remote_section_check(config.slots[0], tables, NULL) != REMOTE_E_CONFIG)
            fail_msg("'%s' was taken", lines[i]);
    }
}

static void test_repeated_option_breaks_its_slot_and_names_the_first(void **state)
{
    (void)state;
    assert_broken("[slot web]\nmount = a\n\nmount = b\n[slot ok]\n",
                  "t.conf:4: [slot web] mount: mount is given already in t.conf:2; keep one of the "
                  "two");
}

static void test_secret_in_two_forms_breaks_its_slot(void **state)
{
    (void)state;
    assert_broken("[slot web]\ntoken_file = /a\ntoken_env = TOKEN\n[slot ok]\n",
                  "t.conf:3: [slot web] token_env: token_file is given already in t.conf:2; keep "
                  "one of the two");
}

static void test_secret_in_the_wrong_place_is_never_repeated(void **state)
{
    (void)state;
    assert_line_broken("token_file = hvs.SECRET",
                       "t.conf:3: [slot web] token_file: is not the absolute path of a file; a "
                       "token of the service");
    assert_line_broken("token_env = hvs.SECRET", "t.conf:3: [slot web] token_env: is not the name "
                                                 "of an environment variable; a token of the "
                                                 "service");
    assert_line_broken("hvs.SECRET",
                       "t.conf:3: [slot web] a line without '='; write OPTION = VALUE");
}

static void test_line_without_option_breaks_its_slot(void **state)
{
    (void)state;
    assert_line_broken("mount", "t.conf:3: [slot web] a line without '='; write OPTION = VALUE");
    assert_line_broken("= pki",
                       "t.conf:3: [slot web] nothing in front of '='; write OPTION = VALUE");
    assert_broken("[slot web]\nmount",
                  "t.conf:2: [slot web] a line without '='; write OPTION = VALUE");
}

static void test_first_of_several_faults_is_the_one_told(void **state)
{
    (void)state;
    assert_broken("[slot web]\ntmeout = 1s\nmount = a\nmount = b\n[slot ok]\n",
                  "t.conf:2: [slot web] tmeout: unknown option; did you mean 'timeout'?");
}

static void test_second_slot_of_a_name_is_broken_and_the_first_is_not(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(parse("[slot web]\n[slot db]\n[slot web]\n", &config, &err), REMOTE_OK);
    assert_int_equal(config.slot_count, 3);
    assert_int_equal(remote_section_check(config.slots[0], tables, &err), REMOTE_OK);
    assert_int_equal(remote_section_check(config.slots[2], tables, &err), REMOTE_E_CONFIG);
    assert_text(&err,
                "t.conf:3: [slot web] this name is taken in t.conf:1; give each slot its own");
}

static void test_section_fail_names_file_line_and_option(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    load_good("[slot web]\nmount = a\n", &config);
    assert_int_equal(remote_section_fail(config.slots[0], "mount", &err, "no %s", "such mount"),
                     REMOTE_E_CONFIG);
    assert_text(&err, "t.conf:2: [slot web] mount: no such mount");
    assert_int_equal(remote_section_fail(config.slots[0], "url", &err, "is missing"),
                     REMOTE_E_CONFIG);
    assert_text(&err, "t.conf:1: [slot web] url: is missing");
}

static void test_section_break_keeps_the_first_fault(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };
    const struct remote_error first = { .rc = REMOTE_E_CONFIG, .text = "first" };
    const struct remote_error second = { .rc = REMOTE_E_CONFIG, .text = "second" };
    struct remote_error err = { 0 };

    (void)state;
    load_good("[slot web]\n", &config);
    remote_section_break(config.slots[0], &first);
    remote_section_break(config.slots[0], &second);
    assert_int_equal(remote_section_status(config.slots[0], &err), REMOTE_E_CONFIG);
    assert_string_equal(err.text, "first");
}

static void test_every_option_has_a_name_and_a_help(void **state)
{
    static const struct remote_option *const all[] = {
        remote_options_global,
        remote_options_slot,
        remote_options_https,
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        for (const struct remote_option *option = all[i]; option->name; option++) {
            assert_non_null(option->help);
            assert_true(strlen(option->name) < 32);
            if (option->type == REMOTE_OPTION_CHOICE || option->type == REMOTE_OPTION_CHOICES)
                assert_non_null(option->choices);
        }
    }
}

/* ---- files ---- */

static void assert_load_refused(const char *path, const char *expected)
{
    struct remote_config config = { 0 };
    struct remote_error err = { 0 };

    assert_int_equal(remote_config_load(path, &config, &err), REMOTE_E_CONFIG);
    if (!strstr(err.text, "configuration: ") || !strstr(err.text, expected))
        fail_msg("'%s' does not hold '%s'", err.text, expected);
    assert_null(config.source);
}

static void test_load_of_a_file_names_it_in_messages(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };
    const char *path = make_file("one.conf", "[slot web]\nbackend = vault\n", 0644);
    char where[PATH_MAX + 80];

    (void)state;
    assert_int_equal(remote_config_load(path, &config, NULL), REMOTE_OK);
    snprintf(where, sizeof(where), "%s:1", path);
    assert_string_equal(remote_section_where(config.slots[0]), where);
    assert_string_equal(config.source, path);
}

static void test_load_of_a_bad_source_is_an_error(void **state)
{
    (void)state;
    assert_load_refused(path_of("absent.conf"), "absent.conf: No such file or directory");
    assert_load_refused("relative.conf", "'relative.conf' is not an absolute path");
    assert_load_refused(make_file("loose.conf", "", 0666), "any user may write it; chmod o-w");
}

static void test_load_of_a_directory_reads_the_pair_in_name_order(void **state)
{
    static const char *const names[] = { "main", "10", "B", "a" };
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(mkdir(path_of("conf.d"), 0755), 0);
    make_file("hsmbridge.conf", "[hsmbridge]\nlog = none\n[slot main]\n", 0644);
    make_file("conf.d/a.conf", "[hsmbridge]\nlog_level = info\n[slot a]\n", 0644);
    make_file("conf.d/B.conf", "[slot B]\n", 0644);
    make_file("conf.d/10.conf", "[slot 10]\n", 0644);
    make_file("conf.d/.hidden.conf", "[slot hidden]\n", 0644);
    make_file("conf.d/a.conf.bak", "[slot backup]\n", 0644);
    if (remote_config_load(temp_dir, &config, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_int_equal(config.slot_count, ARRAY_SIZE(names));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_string_equal(remote_section_name(config.slots[i]), names[i]);
    assert_string_equal(remote_section_text(config.global, "log_level", NULL), "info");
}

static void test_load_of_a_directory_with_half_the_pair_is_fine(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config main_only = { 0 }, drop_in_only = { 0 };

    (void)state;
    make_file("hsmbridge.conf", "[slot main]\n", 0644);
    assert_int_equal(remote_config_load(temp_dir, &main_only, NULL), REMOTE_OK);
    assert_int_equal(main_only.slot_count, 1);
    assert_int_equal(unlink(path_of("hsmbridge.conf")), 0);
    assert_int_equal(mkdir(path_of("conf.d"), 0755), 0);
    make_file("conf.d/a.conf", "[slot a]\n", 0644);
    assert_int_equal(remote_config_load(temp_dir, &drop_in_only, NULL), REMOTE_OK);
    assert_int_equal(drop_in_only.slot_count, 1);
}

static void test_load_of_an_empty_directory_says_what_to_write(void **state)
{
    (void)state;
    assert_load_refused(temp_dir, "write one (hsmbridge.conf(5)), or name a file in");
    assert_int_equal(mkdir(path_of("conf.d"), 0755), 0);
    assert_load_refused(temp_dir, "there is neither ");
}

static void test_load_of_a_drop_in_directory_that_others_may_write_is_refused(void **state)
{
    (void)state;
    make_file("hsmbridge.conf", "[slot main]\n", 0644);
    assert_int_equal(mkdir(path_of("conf.d"), 0755), 0);
    assert_int_equal(chmod(path_of("conf.d"), 0777), 0);
    assert_load_refused(temp_dir, "conf.d: any user may write it; chmod o-w");
}

static void test_typed_secret_needs_a_private_file(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config open = { 0 }, closed = { 0 };
    const char *path = make_file("s.conf", "[slot web]\ntoken = hvs.SECRET\n", 0640);
    struct remote_error err = { 0 };
    char expected[128];

    (void)state;
    assert_int_equal(remote_config_load(path, &open, NULL), REMOTE_OK);
    assert_int_equal(remote_section_check(open.slots[0], tables, &err), REMOTE_E_CONFIG);
    assert_non_null(strstr(err.text, "[slot web] token: a secret in a file that others may read"));
    snprintf(expected, sizeof(expected), "%s", "s.conf, or use token_file");
    assert_non_null(strstr(err.text, expected));
    assert_null(strstr(err.text, "SECRET"));
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(remote_config_load(path, &closed, NULL), REMOTE_OK);
    assert_int_equal(remote_section_check(closed.slots[0], tables, NULL), REMOTE_OK);
    assert_string_equal(remote_section_text(closed.slots[0], "token", NULL), "hvs.SECRET");
}

static void test_secret_by_file_needs_no_private_configuration(void **state)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };
    const char *path = make_file("f.conf", "[slot web]\ntoken_file = /a\n", 0644);

    (void)state;
    assert_int_equal(remote_config_load(path, &config, NULL), REMOTE_OK);
    assert_int_equal(remote_section_check(config.slots[0], tables, NULL), REMOTE_OK);
}

static void test_config_path_prefers_the_named_over_the_environment(void **state)
{
    (void)state;
    unsetenv("HSMBRIDGE_CONFIG");
    assert_null(remote_config_path(NULL));
    setenv("HSMBRIDGE_CONFIG", "", 1);
    assert_null(remote_config_path(NULL));
    setenv("HSMBRIDGE_CONFIG", "/from/environment", 1);
    assert_string_equal(remote_config_path(NULL), "/from/environment");
    assert_string_equal(remote_config_path("/named"), "/named");
    unsetenv("HSMBRIDGE_CONFIG");
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, temp_dir_make, temp_dir_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_gives_sections_in_order),
        cmocka_unit_test(test_values_before_the_check_are_readable_as_text),
        cmocka_unit_test(test_values_after_the_check_have_their_types),
        cmocka_unit_test(test_absent_options_are_the_otherwise),
        cmocka_unit_test(test_lists_when_repeated_add_up),
        cmocka_unit_test(test_indented_lines_are_options_of_their_own),
        cmocka_unit_test(test_byte_order_mark_and_crlf_are_no_part_of_values),
        cmocka_unit_test(test_line_of_198_bytes_is_whole),
        cmocka_unit_test(test_long_comment_is_skipped),
        cmocka_unit_test(test_shortest_lines_without_last_newline_keep_their_values),
        cmocka_unit_test(test_empty_configuration_has_no_slots),
        cmocka_unit_test(test_global_sections_of_one_configuration_are_one),
        cmocka_unit_test(test_sections_of_front_ends_are_kept_and_not_checked),
        cmocka_unit_test(test_unknown_section_is_refused),
        cmocka_unit_test(test_unfit_slot_name_is_refused),
        cmocka_unit_test(test_slot_name_of_32_bytes_is_fine),
        cmocka_unit_test(test_malformed_header_is_refused),
        cmocka_unit_test(test_line_outside_of_a_section_is_refused),
        cmocka_unit_test(test_over_long_line_is_refused),
        cmocka_unit_test(test_control_characters_are_refused),
        cmocka_unit_test(test_global_faults_are_refused),
        cmocka_unit_test(test_too_many_slots_are_refused),
        cmocka_unit_test(test_unknown_option_breaks_its_slot_and_suggests),
        cmocka_unit_test(test_overlong_option_name_is_cut_in_the_message),
        cmocka_unit_test(test_bad_value_breaks_its_slot_and_says_what_would_be_right),
        cmocka_unit_test(test_durations_and_numbers_are_read_strictly),
        cmocka_unit_test(test_repeated_option_breaks_its_slot_and_names_the_first),
        cmocka_unit_test(test_secret_in_two_forms_breaks_its_slot),
        cmocka_unit_test(test_secret_in_the_wrong_place_is_never_repeated),
        cmocka_unit_test(test_line_without_option_breaks_its_slot),
        cmocka_unit_test(test_first_of_several_faults_is_the_one_told),
        cmocka_unit_test(test_second_slot_of_a_name_is_broken_and_the_first_is_not),
        cmocka_unit_test(test_section_fail_names_file_line_and_option),
        cmocka_unit_test(test_section_break_keeps_the_first_fault),
        cmocka_unit_test(test_every_option_has_a_name_and_a_help),
        FILE_TEST(test_load_of_a_file_names_it_in_messages),
        FILE_TEST(test_load_of_a_bad_source_is_an_error),
        FILE_TEST(test_load_of_a_directory_reads_the_pair_in_name_order),
        FILE_TEST(test_load_of_a_directory_with_half_the_pair_is_fine),
        FILE_TEST(test_load_of_an_empty_directory_says_what_to_write),
        FILE_TEST(test_load_of_a_drop_in_directory_that_others_may_write_is_refused),
        FILE_TEST(test_typed_secret_needs_a_private_file),
        FILE_TEST(test_secret_by_file_needs_no_private_configuration),
        cmocka_unit_test(test_config_path_prefers_the_named_over_the_environment),
    };

    umask(022);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
