/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <pthread.h>
#include <time.h>

#include "gate.h"
#include "libctx.h"

#define SLOTS_MAX 8
#define VIRTUAL_START_MS 1000000

struct memory memory;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static _Atomic int64_t clock_ms; /* virtual time, or what is added to the real one */
static struct remote_guard guard;
static struct remote_config config;
static struct remote_slot *slots[SLOTS_MAX];
static size_t slot_count;

/* ---- the clock ---- */

int64_t __real_remote_now_ms(void);
bool __real_remote_cond_wait(struct remote_cond *cond, struct remote_lock *lock,
                             int64_t deadline_ms);

int64_t __wrap_remote_now_ms(void)
{
    return atomic_load(&clock_ms) + (memory.real_time ? __real_remote_now_ms() : 0);
}

void memory_advance(int64_t ms)
{
    atomic_fetch_add(&clock_ms, ms);
}

/* In virtual time there is no other thread that could end the wait. */
bool __wrap_remote_cond_wait(struct remote_cond *cond, struct remote_lock *lock,
                             int64_t deadline_ms)
{
    if (memory.real_time)
        return __real_remote_cond_wait(cond, lock, deadline_ms - atomic_load(&clock_ms));
    if (deadline_ms > atomic_load(&clock_ms))
        atomic_store(&clock_ms, deadline_ms);
    return false;
}

static struct timespec real_time_of(int64_t ms)
{
    ms -= atomic_load(&clock_ms);
    return (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
}

/* ---- the wire: a struct, and items with their length before them ---- */

struct wire {
    enum remote_op_kind kind;
    unsigned attempt, version;
    enum remote_key_type type;
    size_t items, length, size;
    struct remote_key_spec made;
    char name[32], token[32], pin[32], label[32];
};

struct wire_item {
    enum remote_rc rc;
    size_t len;
};

struct wire_grant {
    char token[32];
    int64_t lifetime_s;
    bool renewable;
};

static void copy_text(char *ret, size_t size, struct remote_slice text)
{
    size_t len = text.len < size ? text.len : size - 1;

    if (len > 0)
        memcpy(ret, text.data, len);
    ret[len] = '\0';
}

static void put_item(struct remote_buf *body, enum remote_rc rc, const void *data, size_t len)
{
    struct wire_item head = { .rc = rc, .len = len };

    remote_buf_append(body, &head, sizeof(head));
    remote_buf_append(body, data, len);
}

static struct remote_slice take_item(struct remote_slice *body, enum remote_rc *ret_rc)
{
    struct wire_item head;
    struct remote_slice item;

    assert_true(body->len >= sizeof(head));
    memcpy(&head, body->data, sizeof(head));
    item = remote_slice(body->data + sizeof(head), head.len);
    *body = remote_slice(item.data + item.len, body->len - sizeof(head) - head.len);
    *ret_rc = head.rc;
    return item;
}

/* ---- the backend ---- */

struct conn {
    struct remote_conn base;
    struct remote_credential *token;
};

static void conn_close(struct remote_conn *base)
{
    struct conn *conn = (struct conn *)base;

    remote_credential_close(conn->token);
    free(conn);
}

static enum remote_rc conn_open(struct remote_slot *slot, const struct remote_section *section,
                                struct remote_conn **ret, struct remote_error *err)
{
    struct conn *conn = calloc(1, sizeof(*conn));
    enum remote_rc rc;

    conn->base.slot = slot;
    rc = remote_credential_open(section, "token", &conn->token, err);
    if (rc != REMOTE_OK) {
        conn_close(&conn->base);
        return rc;
    }
    *ret = &conn->base;
    return REMOTE_OK;
}

static bool pin_fits(const struct remote_conn *conn, struct remote_slice pin)
{
    (void)conn;
    return pin.len > 4 && memcmp(pin.data, "pin-", 4) == 0;
}

static enum remote_rc static_grant(struct remote_conn *base, struct remote_slice pin,
                                   struct remote_grant *ret, struct remote_error *err)
{
    struct conn *conn = (struct conn *)base;

    (void)pin;
    if (conn->token == NULL)
        return REMOTE_E_UNSUPPORTED;
    memset(ret, 0, sizeof(*ret));
    return remote_credential_get(conn->token, &ret->token, err);
}

static size_t batch(const struct remote_conn *conn, enum remote_op_kind kind,
                    const struct remote_key *key, const struct remote_params *params)
{
    (void)conn, (void)kind, (void)params;
    return key->type == REMOTE_KEY_RSA ? 1 : memory.batch_max;
}

static enum remote_rc check(const struct remote_conn *conn, const struct remote_key *key,
                            const struct remote_params *params, struct remote_error *err)
{
    (void)conn, (void)key;
    if (params->alg == REMOTE_ALG_RSA_PSS && params->salt_len == 0)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "memory wants a salt");
    return REMOTE_OK;
}

static size_t out_size(const struct remote_op *op)
{
    return op->key != NULL ? remote_key_output_size(op->key, &op->params) : 0;
}

static enum remote_rc build(struct remote_conn *conn, const struct remote_op *op,
                            const struct remote_grant *grant, unsigned attempt,
                            struct remote_request *request, struct remote_error *err)
{
    struct wire wire = { .kind = op->kind,
                         .attempt = attempt,
                         .version = op->key ? op->key->version : 0,
                         .type = op->key ? op->key->type : REMOTE_KEY_TYPE_COUNT,
                         .items = op->item_count,
                         .length = op->length,
                         .made = op->spec,
                         .size = out_size(op) };
    const char *name = op->key ? op->key->name : op->name;

    (void)conn, (void)err;
    copy_text(wire.name, sizeof(wire.name), remote_slice_str(name ? name : ""));
    copy_text(wire.pin, sizeof(wire.pin), op->pin);
    copy_text(wire.label, sizeof(wire.label), remote_slice_str(op->label ? op->label : ""));
    if (grant != NULL)
        copy_text(wire.token, sizeof(wire.token), remote_secret_slice(&grant->token));
    request->method = "POST";
    request->origin = op->kind == REMOTE_OP_READ ? memory.origin : 0;
    remote_buf_append(&request->path, &wire, sizeof(wire));
    for (size_t i = 0; i < op->item_count; i++)
        put_item(&request->body, REMOTE_OK, op->items[i].in.data, op->items[i].in.len);
    if (op->kind == REMOTE_OP_IMPORT) {
        put_item(&request->body, REMOTE_OK, op->material.data, op->material.len);
        put_item(&request->body, REMOTE_OK, op->wrapping.data, op->wrapping.len);
    }
    return REMOTE_OK;
}

static enum remote_rc refused(int status, struct remote_error *err)
{
    static const struct {
        int status;
        enum remote_rc rc;
    } meanings[] = {
        { 400, REMOTE_E_DATA },      { 401, REMOTE_E_AUTH },        { 403, REMOTE_E_RIGHTS },
        { 404, REMOTE_E_NOT_FOUND }, { 413, REMOTE_E_LENGTH },      { 415, REMOTE_E_UNSUPPORTED },
        { 429, REMOTE_E_BUSY },      { 503, REMOTE_E_UNAVAILABLE },
    };

    for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
        if (meanings[i].status == status)
            return REMOTE_FAIL(err, meanings[i].rc, "memory says %d", status);
    return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "memory says %d", status);
}

static enum remote_rc parse_grant(struct remote_conn *conn, struct remote_op *op,
                                  const struct remote_reply *reply, struct remote_error *err)
{
    struct wire_grant grant;

    (void)conn;
    if (reply->status != 200)
        return refused(reply->status, err);
    memcpy(&grant, reply->body.data, sizeof(grant));
    op->grant.lifetime_s = grant.lifetime_s;
    op->grant.renewable = grant.renewable;
    return remote_secret_set(&op->grant.token, grant.token, strlen(grant.token), err);
}

static enum remote_rc parse_list(struct remote_conn *conn, struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err)
{
    const char *text = (const char *)reply->body.data;
    size_t len;

    (void)conn;
    if (reply->status != 200)
        return refused(reply->status, err);
    len = strcspn(text, "\n"); /* first line: the next page, or nothing */
    if (len > 0)
        op->names.next_page = strndup(text, len);
    for (text += len + 1; *text != '\0'; text += len + 1) {
        char name[32];

        len = strcspn(text, "\n");
        copy_text(name, sizeof(name), remote_slice(text, len));
        REMOTE_TRY(remote_names_add(&op->names, name, err));
    }
    return REMOTE_OK;
}

static enum remote_rc add_version(struct remote_slot *slot, struct remote_op *op,
                                  const struct memory_key *from, bool latest,
                                  struct remote_error *err)
{
    struct remote_key *key = remote_key_new(slot, from->name, from->version, err);
    enum remote_rc rc;

    key->type = from->type;
    key->bits = from->bits;
    key->uses = from->uses;
    key->enabled = !from->disabled;
    key->latest = latest;
    memset(key->id, from->id, key->id_len = 20);
    if (!remote_key_type_symmetric(from->type))
        remote_buf_append(&key->spki, &from->id, 1);
    rc = remote_key_list_add(&op->keys, key, err);
    remote_key_unref(key);
    return rc;
}

static enum remote_rc parse_read(struct remote_conn *conn, struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err)
{
    struct memory_key key;
    size_t count = reply->body.len / sizeof(key);

    if (reply->status != 200)
        return refused(reply->status, err);
    if (op->step + 1 < memory.steps) {
        op->more = true;
        return REMOTE_OK;
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(&key, reply->body.data + i * sizeof(key), sizeof(key));
        REMOTE_TRY(add_version(conn->slot, op, &key, i + 1 == count, err));
    }
    return REMOTE_OK;
}

static enum remote_rc parse_items(struct remote_conn *conn, struct remote_op *op,
                                  const struct remote_reply *reply, struct remote_error *err)
{
    struct remote_slice body = reply->body;

    (void)conn;
    if (reply->status != 200)
        return refused(reply->status, err);
    for (size_t i = 0; i < op->item_count; i++) {
        struct remote_item *item = &op->items[i];
        struct remote_slice out = take_item(&body, &item->rc);

        remote_buf_append(&item->out, out.data, out.len);
        if (item->rc != REMOTE_OK)
            REMOTE_FAIL(&item->err, item->rc, "memory refuses this item");
    }
    if (op->item_count == 1 && op->items[0].rc != REMOTE_OK) {
        *err = op->items[0].err;
        return op->items[0].rc;
    }
    return REMOTE_OK;
}

static enum remote_rc parse_done(struct remote_conn *conn, struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err)
{
    (void)conn, (void)op;
    return reply->status == 200 ? REMOTE_OK : refused(reply->status, err);
}

static enum remote_rc parse_answer(struct remote_conn *conn, struct remote_op *op,
                                   const struct remote_reply *reply, struct remote_error *err)
{
    (void)conn;
    if (reply->status != 200)
        return refused(reply->status, err);
    remote_buf_append(&op->answer, reply->body.data, reply->body.len);
    return remote_buf_check(&op->answer, err);
}

static enum remote_rc parse_health(struct remote_conn *conn, struct remote_op *op,
                                   const struct remote_reply *reply, struct remote_error *err)
{
    (void)conn;
    if (reply->status != 200)
        return refused(reply->status, err);
    strcpy(op->detail, "memory, well");
    return REMOTE_OK;
}

static const struct remote_option options[] = {
    { .name = "token", .type = REMOTE_OPTION_SECRET, .help = "a token of memory" },
    { .name = "password", .type = REMOTE_OPTION_SECRET, .help = "a password of memory" },
    { .name = NULL },
};

#define RAW (1u << REMOTE_HASH_NONE)

static const struct remote_backend_alg algs[] = {
    { REMOTE_ALG_RSA_PKCS1, RAW | REMOTE_HASHES_SHA2 },
    { REMOTE_ALG_RSA_PSS, REMOTE_HASHES_SHA2 },
    { REMOTE_ALG_ECDSA, RAW | REMOTE_HASHES_SHA2 },
    { REMOTE_ALG_RSA_PKCS1_ENC, RAW },
    { REMOTE_ALG_RSA_OAEP, 1u << REMOTE_HASH_SHA256 },
    { REMOTE_ALG_AES_GCM, RAW },
    { REMOTE_ALG_AEAD, RAW },
    { REMOTE_ALG_HMAC, REMOTE_HASHES_SHA2 },
    { REMOTE_ALG_NONE, 0 },
};

/* Has no raw PKCS#1, so that a DigestInfo has to be taken apart. */
static const struct remote_backend_alg digest_algs[] = {
    { REMOTE_ALG_RSA_PKCS1, 1u << REMOTE_HASH_SHA256 | 1u << REMOTE_HASH_SHA384 },
    { REMOTE_ALG_NONE, 0 },
};

static const struct remote_transport transport;

#define MEMORY_COMMON                                                                              \
    .title = "keys in memory", .options = options, .timeout_ms = 3000, .transport = &transport,    \
    .input_max = 65536, .https = true, .open = conn_open, .close = conn_close, .check = check,     \
    .batch = batch,                                                                                \
    .sizes = { [REMOTE_KEY_RSA] = { 2048, 4096 },                                                  \
               [REMOTE_KEY_EC] = { 256, 256 },                                                     \
               [REMOTE_KEY_AES] = { 128, 256 },                                                    \
               [REMOTE_KEY_GENERIC] = { 256, 512 } }
#define MEMORY_OPS                                                                                 \
    [REMOTE_OP_LIST] = { build, parse_list, false },                                               \
    [REMOTE_OP_READ] = { build, parse_read, false },                                               \
    [REMOTE_OP_SIGN] = { build, parse_items, false },                                              \
    [REMOTE_OP_DECRYPT] = { build, parse_items, false },                                           \
    [REMOTE_OP_ENCRYPT] = { build, parse_items, false },                                           \
    [REMOTE_OP_MAC] = { build, parse_items, false },                                               \
    [REMOTE_OP_RANDOM] = { build, parse_items, false },                                            \
    [REMOTE_OP_HEALTH] = { build, parse_health, false }

static const struct remote_backend_ops backends[] = {
    { .name = "memory", /* needs no credential */
      MEMORY_COMMON,
      .algs = algs,
      .ops = { MEMORY_OPS } },
    { .name = "memory-login",
      MEMORY_COMMON,
      .algs = algs,
      .pins = "password",
      .pin_fits = pin_fits,
      .ops = { MEMORY_OPS, [REMOTE_OP_LOGIN] = { build, parse_grant, .once = true },
               [REMOTE_OP_RENEW] = { build, parse_grant, false },
               [REMOTE_OP_PROVE] = { build, parse_grant, false } } },
    { .name = "memory-token",
      MEMORY_COMMON,
      .algs = algs,
      .grant = static_grant,
      .ops = { MEMORY_OPS, [REMOTE_OP_RENEW] = { build, parse_grant, false },
               [REMOTE_OP_PROVE] = { build, parse_grant, false } } },
    { .name = "memory-life", /* needs no credential, and can change keys */
      MEMORY_COMMON,
      .algs = algs,
      .ops = { MEMORY_OPS, [REMOTE_OP_GENERATE] = { build, parse_done, .once = true },
               [REMOTE_OP_WRAPPING_KEY] = { build, parse_answer, false },
               [REMOTE_OP_IMPORT] = { build, parse_done, .once = true },
               [REMOTE_OP_ROTATE] = { build, parse_done, .once = true },
               [REMOTE_OP_UNPROTECT] = { build, parse_done, .once = true },
               [REMOTE_OP_DESTROY] = { build, parse_done, .once = true },
               [REMOTE_OP_LABEL] = { build, parse_done, .once = true },
               [REMOTE_OP_DATA_KEY] = { build, parse_items, false } } },
    { .name = "memory-digest", MEMORY_COMMON, .algs = digest_algs, .ops = { MEMORY_OPS } },
};

const struct remote_backend_ops *__real_remote_backend_find(const char *name);

const struct remote_backend_ops *__wrap_remote_backend_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
        if (strcmp(backends[i].name, name) == 0)
            return &backends[i];
    return __real_remote_backend_find(name);
}

/* ---- the service; the mutex is held ---- */

void memory_signature(const char *name, unsigned version, struct remote_slice in,
                      unsigned char *out, size_t len)
{
    uint64_t h = 14695981039346656037u + version;

    for (; *name != '\0'; name++)
        h = (h ^ (unsigned char)*name) * 1099511628211u;
    for (size_t i = 0; i < in.len; i++)
        h = (h ^ in.data[i]) * 1099511628211u;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ i) * 1099511628211u;
        out[i] = (unsigned char)(h >> 32);
    }
}

static bool good_token(const struct wire *wire)
{
    if (wire->token[0] == 't' && wire->token[1] >= '0' && wire->token[1] <= '9')
        return strtoul(wire->token + 1, NULL, 10) >= memory.valid_from;
    return strcmp(wire->token, memory.dead_token) != 0;
}

static int serve_grant(const struct wire *wire, struct remote_buf *reply)
{
    struct wire_grant grant = { .lifetime_s = memory.lifetime_s, .renewable = memory.renewable };

    if (wire->kind == REMOTE_OP_LOGIN && wire->pin[0] != '\0' &&
        strcmp(wire->pin, "pin-right") != 0)
        return 401;
    if (wire->kind != REMOTE_OP_LOGIN && !good_token(wire))
        return 401;
    if (wire->kind == REMOTE_OP_LOGIN)
        snprintf(grant.token, sizeof(grant.token), "t%u", ++memory.tokens);
    else
        memcpy(grant.token, wire->token, sizeof(grant.token));
    remote_buf_append(reply, &grant, sizeof(grant));
    return 200;
}

static int serve_list(const struct wire *wire, struct remote_buf *reply)
{
    size_t from = (size_t)strtoul(wire->name, NULL, 10), end = memory.key_count;

    if (memory.page > 0 && from + memory.page < end) {
        end = from + memory.page;
        remote_buf_printf(reply, "%zu", end);
    }
    remote_buf_append_char(reply, '\n');
    for (size_t i = from; i < end; i++)
        if (i == 0 || strcmp(memory.keys[i].name, memory.keys[i - 1].name) != 0)
            remote_buf_printf(reply, "%s\n", memory.keys[i].name);
    return 200;
}

static int serve_read(const struct wire *wire, struct remote_buf *reply)
{
    for (size_t i = 0; i < memory.key_count; i++)
        if (strcmp(memory.keys[i].name, wire->name) == 0)
            remote_buf_append(reply, &memory.keys[i], sizeof(memory.keys[i]));
    return reply->len > 0 ? 200 : 404;
}

/* Sealed bytes begin with the version that opens them. */
static void serve_item(const struct wire *wire, struct remote_slice in, struct remote_buf *reply)
{
    unsigned char out[1024], version = (unsigned char)wire->version;

    if (memory.item_bad != NULL && in.len >= strlen(memory.item_bad) &&
        memcmp(in.data, memory.item_bad, strlen(memory.item_bad)) == 0) {
        put_item(reply, REMOTE_E_PARAM, NULL, 0);
    } else if (wire->kind == REMOTE_OP_DECRYPT) {
        bool opens = in.len > 0 && in.data[0] == version;

        put_item(reply, opens ? REMOTE_OK : REMOTE_E_DATA, in.data + 1, opens ? in.len - 1 : 0);
        if (memory.liar != NULL && strcmp(memory.liar, wire->name) == 0 && opens)
            reply->data[reply->len - 1] ^= 1;
    } else if (wire->kind == REMOTE_OP_ENCRYPT) {
        struct wire_item head = { .rc = REMOTE_OK, .len = in.len + 1 };

        remote_buf_append(reply, &head, sizeof(head));
        remote_buf_append(reply, &version, 1);
        remote_buf_append(reply, in.data, in.len);
    } else {
        memory_signature(wire->name, wire->version, in, out, wire->size + memory.sig_surplus);
        put_item(reply, REMOTE_OK, out, wire->size + memory.sig_surplus);
    }
}

/* As services do: another key of a name that is there is a new version of it. */
static int serve_new(const char *name, enum remote_key_type type, unsigned bits)
{
    struct memory_key *key;
    unsigned version = 1;

    for (size_t i = 0; i < memory.key_count; i++)
        if (strcmp(memory.keys[i].name, name) == 0)
            version = memory.keys[i].version + 1;
    key = memory_add_typed(name, version, type, bits);
    key->id = (unsigned char)memory.key_count;
    return 200;
}

static int serve_import(const struct wire *wire, struct remote_slice body)
{
    enum remote_rc rc;

    copy_text(memory.imported, sizeof(memory.imported), take_item(&body, &rc));
    copy_text(memory.wrapped_for, sizeof(memory.wrapped_for), take_item(&body, &rc));
    return serve_new(wire->name, wire->made.type, wire->made.bits);
}

static int serve_rotate(const struct wire *wire)
{
    for (size_t i = 0; i < memory.key_count; i++)
        if (strcmp(memory.keys[i].name, wire->name) == 0)
            return serve_new(wire->name, memory.keys[i].type, memory.keys[i].bits);
    return 404;
}

static int serve_destroy(const struct wire *wire)
{
    size_t kept = 0;

    if (memory.guarded)
        return 400;
    for (size_t i = 0; i < memory.key_count; i++)
        if (strcmp(memory.keys[i].name, wire->name) != 0)
            memory.keys[kept++] = memory.keys[i];
    memory.key_count = kept;
    return 200;
}

static int serve_label(const struct wire *wire)
{
    for (size_t i = 0; i < memory.key_count; i++)
        if (strcmp(memory.keys[i].name, wire->name) == 0)
            snprintf(memory.keys[i].name, sizeof(memory.keys[i].name), "%s", wire->label);
    return 200;
}

static int serve_data_key(const struct wire *wire, struct remote_buf *reply)
{
    unsigned char clear[64] = { 0 };

    memset(clear, 'k', wire->length);
    put_item(reply, REMOTE_OK, clear, wire->length + memory.sig_surplus);
    put_item(reply, REMOTE_OK, (const unsigned char *)"sealed", 6);
    return 200;
}

static int serve_life(const struct wire *wire, struct remote_slice body, struct remote_buf *reply)
{
    switch (wire->kind) {
    case REMOTE_OP_GENERATE:
        return serve_new(wire->name, wire->made.type, wire->made.bits);
    case REMOTE_OP_WRAPPING_KEY:
        remote_buf_append_str(reply, "wrapping");
        return 200;
    case REMOTE_OP_IMPORT:
        return serve_import(wire, body);
    case REMOTE_OP_ROTATE:
        return serve_rotate(wire);
    case REMOTE_OP_UNPROTECT:
        memory.guarded = false;
        return 200;
    case REMOTE_OP_DESTROY:
        return serve_destroy(wire);
    case REMOTE_OP_LABEL:
        return serve_label(wire);
    default:
        return serve_data_key(wire, reply);
    }
}

static int serve_random(const struct wire *wire, struct remote_buf *reply)
{
    struct wire_item head = { .rc = REMOTE_OK, .len = wire->length - memory.sig_surplus };

    remote_buf_append(reply, &head, sizeof(head));
    for (size_t i = 0; i < head.len; i++)
        remote_buf_append_char(reply, (char)i);
    return 200;
}

static int serve(const struct wire *wire, struct remote_slice body, struct remote_buf *reply)
{
    if (wire->kind == REMOTE_OP_LOGIN || wire->kind == REMOTE_OP_RENEW ||
        wire->kind == REMOTE_OP_PROVE)
        return serve_grant(wire, reply);
    if (wire->token[0] != '\0' && !good_token(wire))
        return 401;
    switch (wire->kind) {
    case REMOTE_OP_HEALTH:
        return 200;
    case REMOTE_OP_LIST:
        return serve_list(wire, reply);
    case REMOTE_OP_READ:
        return serve_read(wire, reply);
    case REMOTE_OP_RANDOM:
        return serve_random(wire, reply);
    case REMOTE_OP_SIGN:
    case REMOTE_OP_DECRYPT:
    case REMOTE_OP_ENCRYPT:
    case REMOTE_OP_MAC:
        break;
    default:
        return serve_life(wire, body, reply);
    }
    for (size_t i = 0; i < wire->items; i++) {
        enum remote_rc rc;

        serve_item(wire, take_item(&body, &rc), reply);
    }
    return 200;
}

/* ---- what becomes of a request ---- */

struct flight {
    struct remote_transfer *transfer;
    int64_t due_ms; /* INT64_MAX: never */
    struct flight *next;
};

struct remote_unit {
    const struct remote_transport *transport;
    struct flight *flights;
};

static struct memory_rule *find_rule(const struct wire *wire, size_t endpoint)
{
    for (size_t i = 0; i < memory.rule_count; i++) {
        struct memory_rule *rule = &memory.rules[i];

        if ((rule->kinds != 0 && (rule->kinds >> wire->kind & 1u) == 0) ||
            (rule->endpoints != 0 && (rule->endpoints >> endpoint & 1u) == 0) ||
            (rule->name != NULL && strcmp(rule->name, wire->name) != 0) ||
            (rule->batches && wire->items < 2) || rule->times == UINT32_MAX)
            continue;
        if (rule->times > 0 && --rule->times == 0)
            rule->times = UINT32_MAX; /* used up */
        return rule;
    }
    return NULL;
}

static void note(const struct wire *wire, const struct remote_transfer *transfer)
{
    struct memory_request *entry = &memory.log[memory.requests++ % MEMORY_LOG_MAX];

    *entry = (struct memory_request){ .kind = wire->kind,
                                      .endpoint = transfer->endpoint,
                                      .items = wire->items,
                                      .attempt = wire->attempt,
                                      .version = wire->version,
                                      .at_ms = remote_now_ms(),
                                      .deadline_ms = transfer->deadline_ms };
    memcpy(entry->name, wire->name, sizeof(entry->name));
    memcpy(entry->token, wire->token, sizeof(entry->token));
    memcpy(entry->pin, wire->pin, sizeof(entry->pin));
    if (++memory.in_flight > memory.in_flight_max)
        memory.in_flight_max = memory.in_flight;
}

static void fail_transfer(struct remote_transfer *transfer, enum remote_rc rc, bool sent,
                          const char *text)
{
    transfer->rc = REMOTE_FAIL(&transfer->err, rc, "%s", text);
    transfer->sent = sent;
}

static void decide(struct flight *flight, const struct wire *wire)
{
    static const struct memory_rule plain;
    struct remote_transfer *transfer = flight->transfer;
    const struct memory_rule *rule = find_rule(wire, transfer->endpoint);
    int64_t now = remote_now_ms();

    rule = rule ? rule : &plain;
    flight->due_ms = now + memory.latency_ms + rule->delay_ms;
    transfer->lasting = rule->lasting;
    if (rule->fate == MEMORY_REFUSE) {
        fail_transfer(transfer, REMOTE_E_UNAVAILABLE, false, "cannot connect");
    } else if (rule->fate == MEMORY_CUT) {
        fail_transfer(transfer, REMOTE_E_UNAVAILABLE, true, "the connection broke");
    } else if (rule->fate == MEMORY_HANG) {
        flight->due_ms = INT64_MAX;
        transfer->sent = true;
    } else {
        transfer->sent = true;
        transfer->retry_after_s = rule->retry_after_s;
        transfer->status =
            rule->status ? rule->status
                         : serve(wire, remote_buf_slice(&transfer->request->body), &transfer->body);
        remote_buf_append_str(&transfer->body, rule->body ? rule->body : "");
    }
}

/* ---- the transport ---- */

static enum remote_rc unit_acquire(struct remote_slot *slot, struct remote_unit **ret,
                                   struct remote_error *err)
{
    struct remote_unit *unit = calloc(1, sizeof(*unit));

    (void)slot, (void)err;
    unit->transport = &transport;
    pthread_mutex_lock(&mutex);
    memory.units++;
    pthread_mutex_unlock(&mutex);
    *ret = unit;
    return REMOTE_OK;
}

static void unit_release(struct remote_unit *unit)
{
    pthread_mutex_lock(&mutex);
    memory.units--;
    pthread_mutex_unlock(&mutex);
    if (unit->flights != NULL)
        abort(); /* the core promised that none is under way */
    free(unit);
}

static enum remote_rc unit_start(struct remote_unit *unit, struct remote_transfer *transfer,
                                 struct remote_error *err)
{
    struct flight *flight = calloc(1, sizeof(*flight)), **at = &unit->flights;
    struct wire wire;

    (void)err;
    memcpy(&wire, transfer->request->path.data, sizeof(wire));
    flight->transfer = transfer;
    while (*at != NULL)
        at = &(*at)->next;
    *at = flight;
    pthread_mutex_lock(&mutex);
    note(&wire, transfer);
    decide(flight, &wire);
    pthread_mutex_unlock(&mutex);
    return REMOTE_OK;
}

static struct remote_transfer *unlink_flight(struct remote_unit *unit, struct flight *flight)
{
    struct remote_transfer *transfer = flight->transfer;
    struct flight **at = &unit->flights;

    while (*at != flight)
        at = &(*at)->next;
    *at = flight->next;
    free(flight);
    memory.in_flight--;
    return transfer;
}

static void unit_cancel(struct remote_unit *unit, struct remote_transfer *transfer)
{
    struct flight *flight = unit->flights;

    while (flight->transfer != transfer)
        flight = flight->next;
    pthread_mutex_lock(&mutex);
    unlink_flight(unit, flight);
    pthread_mutex_unlock(&mutex);
}

/* The flight that ends first, by its answer or by its deadline. */
static struct flight *next_flight(struct remote_unit *unit, int64_t *ret_ms)
{
    struct flight *first = NULL;

    *ret_ms = INT64_MAX;
    for (struct flight *f = unit->flights; f != NULL; f = f->next) {
        int64_t due = memory.gate_closed ? INT64_MAX : f->due_ms;
        int64_t ends = due < f->transfer->deadline_ms ? due : f->transfer->deadline_ms;

        if (first == NULL || ends < *ret_ms) {
            first = f;
            *ret_ms = ends;
        }
    }
    return first;
}

static struct remote_transfer *finish(struct remote_unit *unit, struct flight *flight)
{
    struct remote_transfer *transfer = flight->transfer;

    if (memory.gate_closed || flight->due_ms > transfer->deadline_ms) {
        remote_buf_clear(&transfer->body);
        fail_transfer(transfer, REMOTE_E_TIMEOUT, true, "timed out waiting for the answer");
    }
    transfer->latency_us = 1000;
    return unlink_flight(unit, flight);
}

static struct remote_transfer *wait_locked(struct remote_unit *unit, int64_t until_ms)
{
    for (;;) {
        int64_t ends_ms, wake_ms;
        struct flight *flight = next_flight(unit, &ends_ms);
        struct timespec wake;

        if (flight != NULL && remote_now_ms() >= ends_ms)
            return finish(unit, flight);
        if (remote_now_ms() >= until_ms)
            return NULL;
        wake_ms = ends_ms < until_ms ? ends_ms : until_ms;
        if (wake_ms == INT64_MAX)
            abort(); /* the core would wait for ever */
        if (!memory.real_time) {
            atomic_store(&clock_ms, wake_ms);
            continue;
        }
        wake = real_time_of(wake_ms);
        pthread_cond_timedwait(&changed, &mutex, &wake);
    }
}

static struct remote_transfer *unit_wait(struct remote_unit *unit, int64_t until_ms)
{
    struct remote_transfer *transfer;
    unsigned depth = remote_gate_step_out(); /* as every wait for a network does */

    pthread_mutex_lock(&mutex);
    transfer = wait_locked(unit, until_ms);
    pthread_mutex_unlock(&mutex);
    remote_gate_step_in(depth);
    return transfer;
}

static enum remote_rc slot_endpoints(struct remote_slot *slot, const struct remote_section *section,
                                     struct remote_error *err)
{
    return remote_endpoints_open(&slot->endpoints, section, err);
}

static void slot_close(struct remote_slot *slot)
{
    remote_endpoints_close(&slot->endpoints);
}

static void slot_trim(struct remote_slot *slot)
{
    (void)slot;
    atomic_fetch_add(&memory.trims, 1);
}

static const struct remote_transport transport = {
    .acquire = unit_acquire,
    .release = unit_release,
    .start = unit_start,
    .cancel = unit_cancel,
    .wait = unit_wait,
    .open = slot_endpoints,
    .close = slot_close,
    .trim = slot_trim,
};

/* ---- for the tests ---- */

int memory_setup(void **state)
{
    pthread_condattr_t monotonic;

    (void)state;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    memset(&memory, 0, sizeof(memory));
    memory.batch_max = 1;
    memory.valid_from = 1;
    atomic_store(&clock_ms, VIRTUAL_START_MS);
    return remote_guard_enter(&guard, NULL) == REMOTE_OK ? 0 : -1;
}

int memory_teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < slot_count; i++)
        remote_slot_close(slots[i]);
    slot_count = 0;
    remote_config_clear(&config);
    remote_guard_leave(&guard);
    pthread_cond_destroy(&changed);
    return memory.units == 0 && memory.in_flight == 0 ? 0 : -1;
}

struct remote_slot *memory_open(const char *text)
{
    struct remote_error err = { 0 };

    if (remote_config_parse("t.conf", remote_slice_str(text), &config, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_true(config.slot_count <= SLOTS_MAX);
    for (size_t i = 0; i < config.slot_count; i++) {
        slots[i] = remote_slot_open(NULL, config.slots[i]);
        assert_non_null(slots[i]);
        slot_count = i + 1;
    }
    return slots[0];
}

struct remote_slot *memory_slot(size_t index)
{
    return slots[index];
}

void memory_rule(struct memory_rule rule)
{
    pthread_mutex_lock(&mutex);
    assert_true(memory.rule_count < MEMORY_RULES_MAX);
    memory.rules[memory.rule_count++] = rule;
    pthread_mutex_unlock(&mutex);
}

void memory_forget_rules(void)
{
    pthread_mutex_lock(&mutex);
    memory.rule_count = 0;
    pthread_mutex_unlock(&mutex);
}

struct memory_key *memory_add_typed(const char *name, unsigned version, enum remote_key_type type,
                                    unsigned bits)
{
    struct memory_key *key = &memory.keys[memory.key_count++];

    assert_true(memory.key_count <= MEMORY_KEYS_MAX);
    *key = (struct memory_key){ .version = version,
                                .type = type,
                                .bits = bits,
                                .uses = REMOTE_USE_SIGN | REMOTE_USE_VERIFY | REMOTE_USE_ENCRYPT |
                                        REMOTE_USE_DECRYPT,
                                .id = (unsigned char)memory.key_count };
    copy_text(key->name, sizeof(key->name), remote_slice_str(name));
    return key;
}

struct memory_key *memory_add_key(const char *name, unsigned version)
{
    return memory_add_typed(name, version, REMOTE_KEY_EC, 256);
}

struct remote_key *memory_find(struct remote_slot *slot, const char *label)
{
    struct remote_key_list keys = { 0 };
    struct remote_error err = { 0 };
    struct remote_key *key;

    if (remote_slot_find_label(slot, label, &keys, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_true(keys.count > 0);
    key = remote_key_ref(keys.keys[0]);
    remote_key_list_clear(&keys);
    return key;
}

void memory_revoke(void)
{
    pthread_mutex_lock(&mutex);
    memory.valid_from = memory.tokens + 1;
    pthread_mutex_unlock(&mutex);
}

void memory_gate(bool closed)
{
    pthread_mutex_lock(&mutex);
    memory.gate_closed = closed;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static size_t count_where(enum remote_op_kind kind, size_t endpoint)
{
    size_t count = 0;

    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < memory.requests && i < MEMORY_LOG_MAX; i++)
        count += memory.log[i].kind == kind &&
                 (endpoint == SIZE_MAX || memory.log[i].endpoint == endpoint);
    pthread_mutex_unlock(&mutex);
    return count;
}

size_t memory_count(enum remote_op_kind kind)
{
    return count_where(kind, SIZE_MAX);
}

size_t memory_count_at(enum remote_op_kind kind, size_t endpoint)
{
    return count_where(kind, endpoint);
}

struct job {
    void (*run)(void *arg, size_t index);
    void *arg;
    size_t index;
};

static void *run_job(void *arg)
{
    struct job *job = arg;
    struct remote_guard inner;

    if (remote_guard_enter(&inner, NULL) != REMOTE_OK)
        abort();
    job->run(job->arg, job->index);
    remote_guard_leave(&inner);
    return NULL;
}

void memory_threads(size_t count, void (*run)(void *arg, size_t index), void *arg)
{
    pthread_t *threads = calloc(count, sizeof(*threads));
    struct job *jobs = calloc(count, sizeof(*jobs));
    unsigned depth = remote_gate_step_out(); /* one of them may fork */

    for (size_t i = 0; i < count; i++) {
        jobs[i] = (struct job){ run, arg, i };
        assert_int_equal(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
    }
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    remote_gate_step_in(depth);
    free(threads);
    free(jobs);
}

void memory_until(bool (*holds)(void))
{
    static const struct timespec step = { 0, 1000000 };

    for (int i = 0; i < 5000; i++) {
        bool enough;

        pthread_mutex_lock(&mutex);
        enough = holds();
        pthread_mutex_unlock(&mutex);
        if (enough)
            return;
        nanosleep(&step, NULL);
    }
    fail_msg("%s", "waited for 5 s in vain");
}
