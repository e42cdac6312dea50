/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PRIVACY_H
#define DAEMON_PRIVACY_H

/* No core dumps, no debugger: the first thing that main() does. */
void daemon_forbid_dumps(void);

#endif
