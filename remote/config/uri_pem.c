/* SPDX-License-Identifier: Apache-2.0 */
/* A URI as DER and PEM: what a program takes for a key file. */
#include "uri.h"

#include <stdlib.h>
#include <string.h>

#include "remote/encode.h"
#include "remote/local/der.h"

#define FORM "hsmbridge key URI v1"
#define FORM_FOREIGN "PKCS#11 Provider URI v1.0" /* pkcs11-provider, docs/pkcs11_uri.pre */
#define DER_MAX (REMOTE_URI_MAX + 64)

enum remote_rc remote_uri_der_write(const char *uri, struct remote_buf *ret,
                                    struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf content = { 0 };

    remote_der_append(&content, REMOTE_DER_VISIBLE_STRING, remote_slice_str(FORM));
    remote_der_append(&content, REMOTE_DER_UTF8_STRING, remote_slice_str(uri));
    remote_der_append(ret, REMOTE_DER_SEQUENCE, remote_buf_slice(&content));
    ret->failed = ret->failed || content.failed;
    return remote_buf_check(ret, err);
}

enum remote_rc remote_uri_pem_write(const char *uri, struct remote_buf *ret_pem,
                                    struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };

    REMOTE_TRY(remote_uri_der_write(uri, &der, err));
    remote_pem_append(ret_pem, REMOTE_URI_PEM_LABEL, remote_buf_slice(&der));
    return remote_buf_check(ret_pem, err);
}

static bool split(struct remote_slice der, struct remote_slice *ret_form,
                  struct remote_slice *ret_uri)
{
    struct remote_slice content;

    return der.len <= DER_MAX && remote_der_take(&der, REMOTE_DER_SEQUENCE, &content) &&
           der.len == 0 && remote_der_take(&content, REMOTE_DER_VISIBLE_STRING, ret_form) &&
           remote_der_take(&content, REMOTE_DER_UTF8_STRING, ret_uri) && content.len == 0;
}

enum remote_rc remote_uri_der_read(struct remote_slice der, char **ret_uri,
                                   struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    struct remote_slice form, uri;

    if (!split(der, &form, &uri))
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "the key file's PEM block is damaged: no key URI is in it; write it "
                           "anew with 'hsmbridge pem'");
    if (!remote_slice_equal(form, remote_slice_str(FORM)) &&
        !remote_slice_equal(form, remote_slice_str(FORM_FOREIGN)))
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "the key file's PEM block is of the form '%.*s', which this version of "
                           "hsmbridge does not know",
                           (int)(form.len < 40 ? form.len : 40), (const char *)form.data);
    remote_buf_append(&text, uri.data, uri.len);
    REMOTE_TRY(remote_buf_check(&text, err));
    if (uri.len == 0 || memchr(uri.data, '\0', uri.len) || !remote_uri_is((char *)text.data))
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "the key file's PEM block holds no 'hsmbridge:' or 'pkcs11:' URI");
    *ret_uri = (char *)text.data;
    text = (struct remote_buf){ 0 };
    return REMOTE_OK;
}
