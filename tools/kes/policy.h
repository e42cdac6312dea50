/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what: the policies of the settings, by identity. Immutable. */
#ifndef KESD_POLICY_H
#define KESD_POLICY_H

#include "settings.h"

bool kesd_rules_match(const struct kesd_rules *rules, struct remote_slice path);

struct kesd_holder { /* of a policy */
    const char *identity;
    const struct kesd_policy *policy; /* NULL: the admin, who needs none */
};
struct kesd_rights {
    const struct kesd_settings *settings;
    struct kesd_holder *holders; /* by identity, the admin among them */
    size_t count;
};

/* settings: borrowed. */
enum remote_rc kesd_rights_init(const struct kesd_settings *settings, struct kesd_rights *ret,
                                struct remote_error *err) REMOTE_MUST_CHECK;
void kesd_rights_clear(struct kesd_rights *rights);
const struct kesd_holder *kesd_rights_find(const struct kesd_rights *rights, const char *identity);
bool kesd_rights_allow(const struct kesd_rights *rights, const char *identity,
                       struct remote_slice path);
/* NULL: no policy has this name. */
const struct kesd_policy *kesd_rights_policy(const struct kesd_rights *rights, const char *name);

#endif
