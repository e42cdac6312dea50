/* SPDX-License-Identifier: Apache-2.0 */
/* The two encodings of signatures that are not ours to choose: DigestInfo and ECDSA-Sig-Value. */
#include "local_private.h"

#include <string.h>

#include "der.h"

#define ECDSA_HALF_MAX 66 /* P-521 */

struct digest_oid {
    enum remote_hash hash;
    const char *oid; /* content bytes */
    size_t len;
};

/* RFC 8017 appendix B.1; NIST CSOR for SHA-3 */
#define NIST_HASH(arc) "\x60\x86\x48\x01\x65\x03\x04\x02" arc, 9
/* clang-format off */
static const struct digest_oid digest_oids[] = {
    { REMOTE_HASH_SHA1,     "\x2b\x0e\x03\x02\x1a", 5 },
    { REMOTE_HASH_SHA224,   NIST_HASH("\x04") },
    { REMOTE_HASH_SHA256,   NIST_HASH("\x01") },
    { REMOTE_HASH_SHA384,   NIST_HASH("\x02") },
    { REMOTE_HASH_SHA512,   NIST_HASH("\x03") },
    { REMOTE_HASH_SHA3_224, NIST_HASH("\x07") },
    { REMOTE_HASH_SHA3_256, NIST_HASH("\x08") },
    { REMOTE_HASH_SHA3_384, NIST_HASH("\x09") },
    { REMOTE_HASH_SHA3_512, NIST_HASH("\x0a") },
};
/* clang-format on */

static enum remote_hash hash_of_oid(struct remote_slice oid)
{
    for (size_t i = 0; i < ARRAY_SIZE(digest_oids); i++) {
        if (remote_slice_equal(oid, remote_slice(digest_oids[i].oid, digest_oids[i].len)))
            return digest_oids[i].hash;
    }
    return REMOTE_HASH_NONE;
}

/* AlgorithmIdentifier of a hash: parameters NULL or absent. */
static bool take_hash(struct remote_slice *in, enum remote_hash *ret)
{
    struct remote_slice alg, oid, null;

    if (!remote_der_take(in, REMOTE_DER_SEQUENCE, &alg) ||
        !remote_der_take(&alg, REMOTE_DER_OID, &oid))
        return false;
    if (alg.len != 0 && (!remote_der_take(&alg, REMOTE_DER_NULL, &null) || null.len != 0))
        return false;
    *ret = hash_of_oid(oid);
    return alg.len == 0 && *ret != REMOTE_HASH_NONE;
}

bool remote_local_digestinfo(struct remote_slice block, enum remote_hash *ret_hash,
                             struct remote_slice *ret_digest)
{
    struct remote_slice info, digest;
    enum remote_hash hash;

    if (!remote_der_take(&block, REMOTE_DER_SEQUENCE, &info) || block.len != 0 ||
        !take_hash(&info, &hash) || !remote_der_take(&info, REMOTE_DER_OCTET_STRING, &digest) ||
        info.len != 0 || digest.len != remote_hash_size(hash))
        return false;
    *ret_hash = hash;
    *ret_digest = digest;
    return true;
}

void remote_local_append_digestinfo(struct remote_buf *buf, enum remote_hash hash,
                                    struct remote_slice digest)
{
    CLEANUP(remote_buf_clear) struct remote_buf alg = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf info = { 0 };

    for (size_t i = 0; i < ARRAY_SIZE(digest_oids); i++)
        if (digest_oids[i].hash == hash)
            remote_der_append(&alg, REMOTE_DER_OID,
                              remote_slice(digest_oids[i].oid, digest_oids[i].len));
    remote_der_append(&alg, REMOTE_DER_NULL, remote_slice(NULL, 0));
    remote_der_append(&info, REMOTE_DER_SEQUENCE, remote_buf_slice(&alg));
    remote_der_append(&info, REMOTE_DER_OCTET_STRING, digest);
    remote_der_append(buf, REMOTE_DER_SEQUENCE, remote_buf_slice(&info));
    buf->failed = buf->failed || alg.failed || info.failed;
}

enum remote_rc remote_local_ecdsa_to_der(struct remote_slice rs, struct remote_buf *ret_der,
                                         struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf numbers = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };
    struct remote_slice r = remote_slice(rs.data, rs.len / 2);
    struct remote_slice s = remote_slice(rs.data + rs.len / 2, rs.len / 2);

    if (rs.len == 0 || rs.len % 2 != 0 || rs.len > 2 * ECDSA_HALF_MAX)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "an ECDSA signature of %zu bytes is not r||s",
                           rs.len);
    if (remote_der_trim(r).len == 0 || remote_der_trim(s).len == 0)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "an ECDSA signature with a zero in it");
    remote_der_append_unsigned(&numbers, r);
    remote_der_append_unsigned(&numbers, s);
    REMOTE_TRY(remote_buf_check(&numbers, err));
    remote_der_append(&der, REMOTE_DER_SEQUENCE, remote_buf_slice(&numbers));
    return remote_local_give(&der, ret_der, err);
}

static void append_fixed(struct remote_buf *buf, struct remote_slice number, size_t n)
{
    static const unsigned char zeros[ECDSA_HALF_MAX];

    remote_buf_append(buf, zeros, n - number.len);
    remote_buf_append(buf, number.data, number.len);
}

/* SEC 1 section C.5, as DER: two positive numbers of at most n bytes, nothing behind. */
static bool split_ecdsa(struct remote_slice der, size_t n, struct remote_slice *ret_r,
                        struct remote_slice *ret_s)
{
    struct remote_slice numbers;

    return remote_der_take(&der, REMOTE_DER_SEQUENCE, &numbers) && der.len == 0 &&
           remote_der_take_unsigned(&numbers, ret_r) && remote_der_take_unsigned(&numbers, ret_s) &&
           numbers.len == 0 && ret_r->len > 0 && ret_r->len <= n && ret_s->len > 0 &&
           ret_s->len <= n;
}

enum remote_rc remote_local_ecdsa_from_der(struct remote_slice der, size_t n,
                                           struct remote_buf *ret_rs, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf rs = { 0 };
    struct remote_slice r, s;

    if (n > ECDSA_HALF_MAX)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "no curve that we serve has %zu bytes", n);
    if (!split_ecdsa(der, n, &r, &s))
        return REMOTE_FAIL(err, REMOTE_E_DATA,
                           "not a DER ECDSA signature of two numbers up to %zu bytes", n);
    append_fixed(&rs, r, n);
    append_fixed(&rs, s, n);
    return remote_local_give(&rs, ret_rs, err);
}
