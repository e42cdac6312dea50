/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict reader and writer of DER (X.690 section 10): single-byte tags, definite lengths in
 * their shortest form. For the few fixed structures that we take apart ourselves, where
 * libcrypto would be slow (its decoders) or lenient (its ASN.1 templates).
 */
#ifndef REMOTE_DER_H
#define REMOTE_DER_H

#include "remote/buf.h"

enum remote_der_tag {
    REMOTE_DER_INTEGER = 0x02,
    REMOTE_DER_BIT_STRING = 0x03,
    REMOTE_DER_OCTET_STRING = 0x04,
    REMOTE_DER_NULL = 0x05,
    REMOTE_DER_OID = 0x06,
    REMOTE_DER_UTF8_STRING = 0x0c,
    REMOTE_DER_VISIBLE_STRING = 0x1a,
    REMOTE_DER_SEQUENCE = 0x30
};

/* Takes one element off the front of *in. False: it is not there; *in is then of no use. */
bool remote_der_take(struct remote_slice *in, enum remote_der_tag tag,
                     struct remote_slice *ret_content);
/* Takes an INTEGER that is not negative; ret: big-endian without leading zeros, empty for 0. */
bool remote_der_take_unsigned(struct remote_slice *in, struct remote_slice *ret);
/* Takes a BIT STRING of whole bytes. */
bool remote_der_take_bits(struct remote_slice *in, struct remote_slice *ret);

void remote_der_append(struct remote_buf *buf, enum remote_der_tag tag,
                       struct remote_slice content);
void remote_der_append_unsigned(struct remote_buf *buf, struct remote_slice number);

/* Cuts leading zero bytes off. */
struct remote_slice remote_der_trim(struct remote_slice number);

#endif
