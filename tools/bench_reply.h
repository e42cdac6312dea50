/* SPDX-License-Identifier: Apache-2.0 */
/* What a program would make of a service's answer, with nothing but a JSON library and base64. */
#ifndef TOOLS_BENCH_REPLY_H
#define TOOLS_BENCH_REPLY_H

#include <stdbool.h>

#include "buf.h"
#include "mechanism.h"

struct tools_bench_reply_form;

/* How the services of a backend write what an operation makes; NULL: that is not known here. */
const struct tools_bench_reply_form *tools_bench_reply_form(const char *backend);
/* Reads the answer down to the bytes. False: there are none. */
bool tools_bench_reply_decode(const struct tools_bench_reply_form *form, enum remote_alg alg,
                              struct remote_slice body);

#endif
