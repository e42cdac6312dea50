/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SLIM_H
#define DAEMON_SLIM_H

/*
 * Gives back the pages of programs and libraries that only the start has needed: constructors,
 * relocation, the reading of configurations. What is needed again is mapped again from the page
 * cache. Call once, when all is ready.
 */
void daemon_slim(void);

#endif
