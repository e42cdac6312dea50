/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_job.h"
#include "ck.h"
#include "fail.h"

struct module {
    struct tools_bench_job *job;
    void *library;
    CK_FUNCTION_LIST *calls; /* NULL until it is initialized */
    CK_SLOT_ID slot;
    CK_MECHANISM mechanism;
    CK_RSA_PKCS_PSS_PARAMS pss;
};

struct worker {
    struct module *module;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
};

static enum remote_rc fail(struct remote_error *err, const char *call, CK_RV rv)
{
    return REMOTE_FAIL(err, REMOTE_E_CRYPTO, "%s of the module: 0x%lx", call, rv);
}

static bool find_key(struct worker *worker, struct remote_error *err)
{
    const struct remote_key *key = worker->module->job->target.key;
    CK_FUNCTION_LIST *calls = worker->module->calls;
    CK_OBJECT_CLASS class = remote_key_type_symmetric(key->type) ? CKO_SECRET_KEY : CKO_PRIVATE_KEY;
    CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof(class) },
                                { CKA_ID, (void *)key->id, key->id_len } };
    CK_ULONG count = 0;
    CK_RV rv = calls->C_FindObjectsInit(worker->session, template, ARRAY_SIZE(template));

    if (rv == CKR_OK)
        rv = calls->C_FindObjects(worker->session, &worker->key, 1, &count);
    if (rv == CKR_OK)
        rv = calls->C_FindObjectsFinal(worker->session);
    if (rv != CKR_OK)
        (void)fail(err, "C_FindObjects", rv);
    else if (count == 0)
        (void)REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "the module does not show key '%s'", key->name);
    return rv == CKR_OK && count == 1;
}

static void close_worker(void *arg)
{
    struct worker *worker = arg;

    if (worker && worker->session)
        worker->module->calls->C_CloseSession(worker->session);
    free(worker);
}

static void *open_worker(void *context, struct remote_error *err)
{
    struct module *module = context;
    struct worker *worker = calloc(1, sizeof(*worker));
    CK_RV rv;

    if (!worker) {
        (void)REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
        return NULL;
    }
    worker->module = module;
    rv = module->calls->C_OpenSession(module->slot, CKF_SERIAL_SESSION, NULL, NULL,
                                      &worker->session);
    if (rv == CKR_OK && find_key(worker, err))
        return worker;
    if (rv != CKR_OK)
        (void)fail(err, "C_OpenSession", rv);
    close_worker(worker);
    return NULL;
}

static enum remote_rc sign_once(void *arg, struct remote_error *err)
{
    struct worker *worker = arg;
    struct module *module = worker->module;
    const struct remote_buf *message = &module->job->message;
    unsigned char sig[1024];
    CK_ULONG len = sizeof(sig);
    CK_RV rv = module->calls->C_SignInit(worker->session, &module->mechanism, worker->key);

    if (rv == CKR_OK)
        rv = module->calls->C_Sign(worker->session, message->data, message->len, sig, &len);
    return rv == CKR_OK ? REMOTE_OK : fail(err, "C_Sign", rv);
}

static void close_module(void *context)
{
    struct module *module = context;

    if (module->calls)
        module->calls->C_Finalize(NULL);
    if (module->library)
        dlclose(module->library);
    free(module);
}

static int find_slot(struct module *module)
{
    const char *name = remote_slot_name(module->job->target.slot);
    CK_SLOT_ID ids[REMOTE_SLOTS_MAX];
    CK_ULONG count = ARRAY_SIZE(ids);
    CK_TOKEN_INFO token;
    size_t len = strlen(name);
    CK_RV rv = module->calls->C_GetSlotList(CK_TRUE, ids, &count);

    for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++) {
        if (module->calls->C_GetTokenInfo(ids[i], &token) != CKR_OK ||
            memcmp(token.label, name, len) != 0 ||
            (len < sizeof(token.label) && token.label[len] != ' '))
            continue;
        module->slot = ids[i];
        return TOOLS_OK;
    }
    return tools_fail(TOOLS_FAILED, "the module shows no token '%s'", name);
}

/* Our own module takes the configuration's path in pReserved; others must do without. */
static CK_RV initialize(const struct tools_args *args, CK_FUNCTION_LIST *calls)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    CLEANUP(remote_str_free) char *path = args->config ? realpath(args->config, NULL) : NULL;
    CK_C_INITIALIZE_ARGS init = { .flags = CKF_OS_LOCKING_OK };

    if (path) {
        remote_buf_printf(&text, "config=%s", path);
        init.LibraryParameters = (void *)text.data; /* what NSS calls the standard's pReserved */
    }
    return calls->C_Initialize(&init);
}

static int load(struct module *module, const char *path)
{
    CK_C_GetFunctionList get;
    CK_FUNCTION_LIST *calls = NULL;

    module->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!module->library)
        return tools_fail(TOOLS_USAGE, "cannot load --module: %s", dlerror());
    *(void **)&get = dlsym(module->library, "C_GetFunctionList");
    if (!get || get(&calls) != CKR_OK || !calls)
        return tools_fail(TOOLS_USAGE, "'%s' is no PKCS#11 module", path);
    if (initialize(module->job->args, calls) != CKR_OK)
        return tools_fail(TOOLS_FAILED, "C_Initialize of '%s' failed", path);
    module->calls = calls;
    return find_slot(module);
}

static void set_mechanism(struct module *module)
{
    const struct remote_params *params = &module->job->choice.params;

    module->mechanism.mechanism = module->job->choice.row->ckm;
    if (params->alg != REMOTE_ALG_RSA_PSS)
        return;
    module->pss = (CK_RSA_PKCS_PSS_PARAMS){ remote_hash_ckm(params->hash),
                                            remote_hash_mgf(params->mgf_hash), params->salt_len };
    module->mechanism.pParameter = &module->pss;
    module->mechanism.ulParameterLen = sizeof(module->pss);
}

int tools_bench_module(struct tools_bench_job *job, struct tools_bench_side *ret)
{
    struct module *module = calloc(1, sizeof(*module));
    int code;

    if (!module)
        return tools_fail(TOOLS_FAILED, "out of memory");
    module->job = job;
    set_mechanism(module);
    code = load(module, job->args->module);
    if (code != TOOLS_OK) {
        close_module(module);
        return code;
    }
    *ret = (struct tools_bench_side){
        .name = "C_Sign",
        .context = module,
        .worker_open = open_worker,
        .once = sign_once,
        .worker_close = close_worker,
        .close = close_module,
    };
    return TOOLS_OK;
}
