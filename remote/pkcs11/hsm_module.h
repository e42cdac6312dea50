/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another PKCS#11 module, loaded through p11-kit: it shares one instance with every other user
 * of p11-kit in this process and counts C_Initialize and C_Finalize, so that neither ends the
 * other's sessions. And the token's URI (RFC 7512).
 *
 * p11-kit has declarations of its own of all that PKCS#11 has, with the same names as those of
 * ck.h and, as the specification fixes them, the same layout. Only hsm_module.c includes them;
 * structures cross as void pointers.
 */
#ifndef REMOTE_HSM_MODULE_H
#define REMOTE_HSM_MODULE_H

#include "remote/buf.h"

/*
 * Whether this file may be loaded: a regular file that belongs to root or the effective user, that
 * others cannot write, and that does not lead back to us.
 */
enum remote_rc hsm_module_check(const char *path, struct remote_error *err) REMOTE_MUST_CHECK;

/* ret: a CK_FUNCTION_LIST; hsm_module_unload() it. Runs foreign code: see remote_guard_suspend().
 */
enum remote_rc hsm_module_load(const char *path, void **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
void hsm_module_unload(void *functions); /* NULL is fine */
/* A CK_RV. Once in a process, and again in a child of it. */
unsigned long hsm_module_initialize(void *functions);
void hsm_module_finalize(void *functions);

struct hsm_uri;
enum remote_rc hsm_uri_parse(const char *text, struct hsm_uri **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
void hsm_uri_free(struct hsm_uri *uri);
/* token_info: a CK_TOKEN_INFO. uri NULL: any token. */
bool hsm_uri_matches(const struct hsm_uri *uri, unsigned long slot_id, void *token_info);

#endif
