/* SPDX-License-Identifier: Apache-2.0 */
/* For secret.c: the attributes that session keys have. */
#ifndef PKCS11_SECRET_ROWS_H
#define PKCS11_SECRET_ROWS_H

#include "secret.h"

enum pkcs11_form { /* what a value must look like */
                   FORM_BOOL,
                   FORM_FALSE, /* a boolean that only somebody else may make true */
                   FORM_ULONG,
                   FORM_ULONGS,
                   FORM_DATE,
                   FORM_BYTES,
                   FORM_EMPTY,
                   FORM_VALUE /* of the key: handled apart */
};

enum pkcs11_ratchet { FREE, ONLY_UP, ONLY_DOWN }; /* footnotes 11 and 12 of table 10 */

enum pkcs11_initial { INITIAL_NONE, INITIAL_FALSE, INITIAL_TRUE, INITIAL_CLASS, INITIAL_LOGIN };

struct pkcs11_secret_row {
    CK_ATTRIBUTE_TYPE type;
    unsigned classes; /* bits 1u << CKO_* */
    enum pkcs11_form form;
    unsigned given; /* enum pkcs11_making: by whom; nobody: read-only */
    enum pkcs11_initial initial;
    enum pkcs11_ratchet ratchet;
};

extern const struct pkcs11_secret_row pkcs11_secret_rows[];
extern const size_t pkcs11_secret_row_count;

#endif
