/* SPDX-License-Identifier: Apache-2.0 */
#include "name.h"

#include <string.h>

static bool is_letter(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

bool kesd_name_is_fit(struct remote_slice name)
{
    if (name.len == 0 || name.len > KESD_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!is_letter(name.data[i]) && name.data[i] != '-')
            return false;
    if (name.data[0] == '-' || name.data[name.len - 1] == '-')
        return false;
    return name.len > 1 || name.data[0] != '_';
}

bool kesd_pattern_read(struct remote_slice pattern, char ret[KESD_NAME_MAX + 1])
{
    if (pattern.len > 0 && pattern.data[pattern.len - 1] == '*')
        pattern.len--;
    if (pattern.len > 0 && !kesd_name_is_fit(pattern))
        return false;
    if (pattern.len > 0)
        memcpy(ret, pattern.data, pattern.len);
    ret[pattern.len] = '\0';
    return true;
}

bool kesd_identity_read(const char *text, char ret[KESD_IDENTITY_LEN + 1])
{
    char lower[KESD_IDENTITY_LEN + 1];

    if (strlen(text) != KESD_IDENTITY_LEN)
        return false;
    for (size_t i = 0; i < KESD_IDENTITY_LEN; i++) {
        char c = text[i];

        if (c >= 'A' && c <= 'F')
            c = (char)(c - 'A' + 'a');
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
        lower[i] = c;
    }
    lower[KESD_IDENTITY_LEN] = '\0';
    memcpy(ret, lower, sizeof(lower));
    return true;
}
