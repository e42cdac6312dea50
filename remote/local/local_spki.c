/* SPDX-License-Identifier: Apache-2.0 */
/* Public keys in parts to SubjectPublicKeyInfo (RFC 5280 4.1.2.7). */
#include "der.h"
#include "local_private.h"

#define PART_MAX 2048 /* bytes: longer than any number that makes a key we take */

static enum remote_rc rsa_bits(const struct remote_public_parts *parts, struct remote_buf *bits,
                               struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf numbers = { 0 };

    if (remote_der_trim(parts->modulus).len == 0 || remote_der_trim(parts->exponent).len == 0 ||
        parts->modulus.len > PART_MAX || parts->exponent.len > PART_MAX)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "an RSA public key needs a modulus and an exponent");
    remote_der_append_unsigned(&numbers, parts->modulus);
    remote_der_append_unsigned(&numbers, parts->exponent);
    remote_der_append(bits, REMOTE_DER_SEQUENCE, remote_buf_slice(&numbers));
    return remote_buf_check(&numbers, err);
}

/*
 * PKCS#11 3.0 current mechanisms 2.3.3 and 2.3.5 want the point in an OCTET STRING; some clients
 * leave that away. Both may begin with the same byte (04), so that the length has to tell.
 */
static enum remote_rc point_bits(const struct remote_public_parts *parts, struct remote_buf *bits,
                                 struct remote_error *err)
{
    size_t field = (parts->bits + 7) / 8;
    size_t len = parts->type == REMOTE_KEY_EC ? 1 + 2 * field : field; /* SEC 1 2.3.3; RFC 8032 */
    struct remote_slice rest = parts->ec_point, point = parts->ec_point;

    if (point.len != len &&
        (!remote_der_take(&rest, REMOTE_DER_OCTET_STRING, &point) || rest.len != 0))
        return REMOTE_FAIL(err, REMOTE_E_DATA,
                           "a public key of type %s with %u bits has a point of %zu bytes, or that "
                           "in an OCTET STRING",
                           remote_key_type_name(parts->type), parts->bits, len);
    remote_buf_append(bits, point.data, point.len);
    return REMOTE_OK;
}

enum remote_rc remote_local_spki(const struct remote_public_parts *parts, struct remote_buf *ret,
                                 struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf bits = { 0 }, body = { 0 }, spki = { 0 };

    remote_buf_append_char(&bits, '\0'); /* no unused bits */
    REMOTE_TRY(parts->type == REMOTE_KEY_RSA ? rsa_bits(parts, &bits, err)
                                             : point_bits(parts, &bits, err));
    remote_local_append_algorithm(&body, parts->type, parts->curve);
    remote_der_append(&body, REMOTE_DER_BIT_STRING, remote_buf_slice(&bits));
    remote_der_append(&spki, REMOTE_DER_SEQUENCE, remote_buf_slice(&body));
    spki.failed = spki.failed || body.failed || bits.failed;
    return remote_local_give(&spki, ret, err);
}
