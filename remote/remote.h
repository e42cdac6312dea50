/* SPDX-License-Identifier: Apache-2.0 */
/* The core as front ends see it. A front end translates; it includes nothing else of remote/. */
#ifndef REMOTE_H
#define REMOTE_H

#include "buf.h"
#include "clock.h"
#include "encode.h"
#include "error.h"
#include "file.h"
#include "fork.h"
#include "identity.h"
#include "key.h"
#include "lifecycle.h"
#include "log.h"
#include "mechanism.h"
#include "remote/config/config.h"
#include "remote/config/uri.h"
#include "remote/local/libctx.h"
#include "remote/local/local.h"
#include "remote/local/secret_key.h"
#include "remote/local/session_pair.h"
#include "slot.h"

#endif
