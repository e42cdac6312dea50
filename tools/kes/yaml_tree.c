/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

struct kesd_yaml {
    char *name;
    yaml_document_t document;
};

/* ---- faults ---- */

static void say(const struct kesd_yaml *yaml, const kesd_yaml_node *node, const char *fmt,
                va_list args, char ret[REMOTE_ERROR_TEXT_MAX]) REMOTE_PRINTF(3, 0);
static void say(const struct kesd_yaml *yaml, const kesd_yaml_node *node, const char *fmt,
                va_list args, char ret[REMOTE_ERROR_TEXT_MAX])
{
    size_t len = (size_t)snprintf(ret, REMOTE_ERROR_TEXT_MAX, "%.120s: ", yaml->name);

    if (node)
        len = (size_t)snprintf(ret, REMOTE_ERROR_TEXT_MAX, "%.120s:%zu: ", yaml->name,
                               node->start_mark.line + 1);
    vsnprintf(ret + len, REMOTE_ERROR_TEXT_MAX - len, fmt, args);
}

enum remote_rc kesd_yaml_fail(const struct kesd_yaml *yaml, const kesd_yaml_node *node,
                              struct remote_error *err, const char *fmt, ...)
{
    char text[REMOTE_ERROR_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    say(yaml, node, fmt, args, text);
    va_end(args);
    return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s", text);
}

void kesd_yaml_warn(const struct kesd_yaml *yaml, const kesd_yaml_node *node, const char *fmt, ...)
{
    char text[REMOTE_ERROR_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    say(yaml, node, fmt, args, text);
    va_end(args);
    remote_log(REMOTE_LOG_WARNING, "%s", text);
}

/* ---- documents ---- */

static enum remote_rc load(struct kesd_yaml *yaml, struct remote_slice text,
                           struct remote_error *err)
{
    yaml_parser_t parser;
    int loaded;

    if (!yaml_parser_initialize(&parser))
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    yaml_parser_set_input_string(&parser, text.data, text.len);
    loaded = yaml_parser_load(&parser, &yaml->document);
    if (!loaded)
        (void)REMOTE_FAIL(err, REMOTE_E_CONFIG, "%.120s:%zu: %s", yaml->name,
                          parser.problem_mark.line + 1,
                          parser.problem ? parser.problem : "this is no YAML");
    yaml_parser_delete(&parser);
    return loaded ? REMOTE_OK : REMOTE_E_CONFIG;
}

enum remote_rc kesd_yaml_parse(const char *name, struct remote_slice text, struct kesd_yaml **ret,
                               struct remote_error *err)
{
    struct kesd_yaml *yaml = calloc(1, sizeof(*yaml));
    enum remote_rc rc;

    if (yaml)
        yaml->name = strdup(name);
    if (!yaml || !yaml->name) {
        free(yaml);
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    rc = load(yaml, text, err);
    if (rc != REMOTE_OK) {
        free(yaml->name);
        free(yaml);
        return rc;
    }
    *ret = yaml;
    return REMOTE_OK;
}

enum remote_rc kesd_yaml_read(const char *path, struct kesd_yaml **ret, struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret text = { 0 };

    REMOTE_TRY(remote_file_read(path, REMOTE_FILE_CONFIG, &text, err));
    return kesd_yaml_parse(path, remote_secret_slice(&text), ret, err);
}

void kesd_yaml_free(struct kesd_yaml *yaml)
{
    if (!yaml)
        return;
    yaml_document_delete(&yaml->document);
    free(yaml->name);
    free(yaml);
}

/* ---- nodes ---- */

const kesd_yaml_node *kesd_yaml_root(struct kesd_yaml *yaml)
{
    return yaml_document_get_root_node(&yaml->document);
}

static const char *scalar(const kesd_yaml_node *node)
{
    return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

/* YAML 1.2.2 section 10.3.2 */
static bool is_null(const kesd_yaml_node *node)
{
    const char *text = scalar(node);

    return text && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (!*text || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0);
}

bool kesd_yaml_is_map(const kesd_yaml_node *node)
{
    return node->type == YAML_MAPPING_NODE;
}

bool kesd_yaml_is_list(const kesd_yaml_node *node)
{
    return node->type == YAML_SEQUENCE_NODE;
}

static bool nth_pair(struct kesd_yaml *yaml, const kesd_yaml_node *node, size_t n,
                     const char **ret_name, const kesd_yaml_node **ret)
{
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start + n;
    const kesd_yaml_node *key;

    if (n >= (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start))
        return false;
    key = yaml_document_get_node(&yaml->document, pair->key);
    *ret_name = key && scalar(key) ? scalar(key) : "";
    *ret = yaml_document_get_node(&yaml->document, pair->value);
    return *ret != NULL;
}

bool kesd_yaml_nth(struct kesd_yaml *yaml, const kesd_yaml_node *node, size_t n,
                   const char **ret_name, const kesd_yaml_node **ret)
{
    if (node->type == YAML_MAPPING_NODE)
        return nth_pair(yaml, node, n, ret_name, ret);
    if (node->type != YAML_SEQUENCE_NODE ||
        n >= (size_t)(node->data.sequence.items.top - node->data.sequence.items.start))
        return false;
    *ret_name = "";
    *ret = yaml_document_get_node(&yaml->document, node->data.sequence.items.start[n]);
    return *ret != NULL;
}

const kesd_yaml_node *kesd_yaml_at(struct kesd_yaml *yaml, const kesd_yaml_node *node,
                                   const char *name)
{
    const kesd_yaml_node *value;
    const char *found;

    if (!node || !kesd_yaml_is_map(node))
        return NULL;
    for (size_t i = 0; nth_pair(yaml, node, i, &found, &value); i++)
        if (strcmp(found, name) == 0)
            return is_null(value) ? NULL : value;
    return NULL;
}

/* ---- texts ---- */

/* at: behind "${". Returns where to go on; NULL: this is no variable. */
static const char *append_variable(struct kesd_yaml *yaml, const kesd_yaml_node *node,
                                   const char *at, struct remote_buf *ret)
{
    const char *end = strchr(at, '}'), *value;
    char name[128];

    if (!end || end == at || (size_t)(end - at) >= sizeof(name))
        return NULL;
    memcpy(name, at, (size_t)(end - at));
    name[end - at] = '\0';
    value = secure_getenv(name);
    if (!value)
        kesd_yaml_warn(yaml, node, "the environment has no variable %s", name);
    else
        remote_buf_append_str(ret, value);
    return end + 1;
}

enum remote_rc kesd_yaml_text(struct kesd_yaml *yaml, const kesd_yaml_node *node, char **ret,
                              struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    const char *at = scalar(node), *next;
    char *copy;

    if (!at)
        return kesd_yaml_fail(yaml, node, err, "a text is expected here");
    while (*at) {
        next = strncmp(at, "${", 2) == 0 ? append_variable(yaml, node, at + 2, &text) : NULL;
        if (!next)
            remote_buf_append_char(&text, *at);
        at = next ? next : at + 1;
    }
    copy = text.failed ? NULL : strdup(text.data ? (const char *)text.data : "");
    if (!copy)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    free(*ret);
    *ret = copy;
    return REMOTE_OK;
}
