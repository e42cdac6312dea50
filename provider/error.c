/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of the core on their way to the host's error stack and, once, to our log. */
#include "provider.h"

/* clang-format off */
static const enum remote_log_level levels[REMOTE_RC_COUNT] = { /* as pkcs11/error.c has them */
    [REMOTE_OK]              = REMOTE_LOG_DEBUG,
    [REMOTE_E_NOMEM]         = REMOTE_LOG_ERROR,
    [REMOTE_E_USAGE]         = REMOTE_LOG_WARNING,
    [REMOTE_E_CONFIG]        = REMOTE_LOG_ERROR,
    [REMOTE_E_UNSUPPORTED]   = REMOTE_LOG_WARNING,
    [REMOTE_E_PARAM]         = REMOTE_LOG_WARNING,
    [REMOTE_E_LENGTH]        = REMOTE_LOG_WARNING,
    [REMOTE_E_DATA]          = REMOTE_LOG_WARNING,
    [REMOTE_E_NOT_FOUND]     = REMOTE_LOG_ERROR,
    [REMOTE_E_EXISTS]        = REMOTE_LOG_WARNING,
    [REMOTE_E_FORBIDDEN_USE] = REMOTE_LOG_WARNING,
    [REMOTE_E_RIGHTS]        = REMOTE_LOG_ERROR,
    [REMOTE_E_PIN]           = REMOTE_LOG_WARNING,
    [REMOTE_E_AUTH]          = REMOTE_LOG_ERROR,
    [REMOTE_E_BUSY]          = REMOTE_LOG_ERROR,
    [REMOTE_E_TIMEOUT]       = REMOTE_LOG_ERROR,
    [REMOTE_E_UNAVAILABLE]   = REMOTE_LOG_ERROR,
    [REMOTE_E_PROTOCOL]      = REMOTE_LOG_ERROR,
    /* Mostly of software keys that a host tries something with; it has the error itself. */
    [REMOTE_E_CRYPTO]        = REMOTE_LOG_DEBUG,
};

/* What ERR_reason_error_string() answers: the kind. The sentence is the error's data. */
const OSSL_ITEM provider_reasons[] = {
    { REMOTE_E_NOMEM,         "out of memory" },
    { REMOTE_E_USAGE,         "wrong use" },
    { REMOTE_E_CONFIG,        "configuration" },
    { REMOTE_E_UNSUPPORTED,   "not supported" },
    { REMOTE_E_PARAM,         "wrong parameter" },
    { REMOTE_E_LENGTH,        "wrong length" },
    { REMOTE_E_DATA,          "wrong data" },
    { REMOTE_E_NOT_FOUND,     "not found" },
    { REMOTE_E_EXISTS,        "exists already" },
    { REMOTE_E_FORBIDDEN_USE, "not for this use" },
    { REMOTE_E_RIGHTS,        "refused by the key service" },
    { REMOTE_E_PIN,           "wrong PIN" },
    { REMOTE_E_AUTH,          "not authenticated" },
    { REMOTE_E_BUSY,          "key service busy" },
    { REMOTE_E_TIMEOUT,       "key service timed out" },
    { REMOTE_E_UNAVAILABLE,   "key service not available" },
    { REMOTE_E_PROTOCOL,      "key service answers nonsense" },
    { REMOTE_E_CRYPTO,        "libcrypto refuses" },
    { 0, NULL },
};
/* clang-format on */
_Static_assert(ARRAY_SIZE(provider_reasons) == REMOTE_RC_COUNT, "a kind without its words");

static void set_error(const struct provider *provider, uint32_t reason, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    provider->up.vset_error(provider->handle, reason, fmt, args);
    va_end(args);
}

void provider_raise(const struct provider *provider, const char *func,
                    const struct remote_error *err)
{
    const struct provider_upcalls *up = &provider->up;

    if (err->text[0] == '\0')
        return;
    remote_log(levels[err->rc], "%s: %s", func, err->text);
    if (up->new_error == NULL || up->set_error_debug == NULL || up->vset_error == NULL)
        return;
    up->new_error(provider->handle);
    up->set_error_debug(provider->handle, "hsmbridge", 0, func);
    set_error(provider, (uint32_t)err->rc, "%s", err->text);
}
