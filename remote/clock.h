/* SPDX-License-Identifier: Apache-2.0 */
/* CLOCK_MONOTONIC, in the two units that the core counts in. */
#ifndef REMOTE_CLOCK_H
#define REMOTE_CLOCK_H

#include <stdint.h>

int64_t remote_now_us(void);
int64_t remote_now_ms(void);

#endif
