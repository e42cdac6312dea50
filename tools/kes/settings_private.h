/* SPDX-License-Identifier: Apache-2.0 */
/* How settings are put together, whatever file they come from. */
#ifndef KESD_SETTINGS_PRIVATE_H
#define KESD_SETTINGS_PRIVATE_H

#include "settings.h"

/* With what holds unless something else is said. */
enum remote_rc kesd_settings_new(struct kesd_settings **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* REMOTE_E_CONFIG: not HOST:PORT. */
enum remote_rc kesd_settings_check_address(const char *address, struct remote_error *err)
    REMOTE_MUST_CHECK;

/* Replaces *field; text NULL: nothing there. */
enum remote_rc kesd_text_set(char **field, const char *text, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* path: as an operator writes it, perhaps with a '*' behind it. REMOTE_E_CONFIG: not so. */
enum remote_rc kesd_rules_add(struct kesd_rules *rules, const char *path, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* ret: borrowed, until the next is added. REMOTE_E_CONFIG: not a name. */
enum remote_rc kesd_settings_add_policy(struct kesd_settings *settings, const char *name,
                                        struct kesd_policy **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* REMOTE_E_CONFIG: no identity, or a policy has it already. */
enum remote_rc kesd_settings_add_identity(struct kesd_settings *settings,
                                          struct kesd_policy *policy, const char *identity,
                                          struct remote_error *err) REMOTE_MUST_CHECK;
/* REMOTE_E_CONFIG: not a name of a key. */
enum remote_rc kesd_settings_add_key(struct kesd_settings *settings, const char *name,
                                     struct remote_error *err) REMOTE_MUST_CHECK;
/* REMOTE_E_CONFIG: neither an identity nor "disabled". */
enum remote_rc kesd_settings_set_admin(struct kesd_settings *settings, const char *identity,
                                       struct remote_error *err) REMOTE_MUST_CHECK;

#endif
