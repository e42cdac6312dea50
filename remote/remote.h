/* SPDX-License-Identifier: Apache-2.0 */
/* The core as front ends see it. A front end translates; it includes nothing else of remote/. */
#ifndef REMOTE_H
#define REMOTE_H

#include "buf.h"
#include "clock.h"
#include "config.h"
#include "encode.h"
#include "error.h"
#include "file.h"
#include "fork.h"
#include "identity.h"
#include "key.h"
#include "libctx.h"
#include "lifecycle.h"
#include "local.h"
#include "log.h"
#include "mechanism.h"
#include "secret_key.h"
#include "session_pair.h"
#include "slot.h"
#include "uri.h"

#endif
