/* SPDX-License-Identifier: Apache-2.0 */
/* HChaCha20 (draft-irtf-cfrg-xchacha-03, 2.2), which libcrypto does not have. */
#ifndef KESD_HCHACHA20_H
#define KESD_HCHACHA20_H

void kesd_hchacha20(const unsigned char key[32], const unsigned char iv[16], unsigned char ret[32]);

#endif
