/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "backend.h"
#include "build-config.h"
#include "command.h"
#include "fail.h"
#include "output.h"

static int run(const struct tools_args *args)
{
    if (args->json)
        return tools_json_print(args, json_pack("{s:s,s:s}", "version", HSMBRIDGE_VERSION,
                                                "backends", remote_backend_names()));
    printf("hsmbridge %s (backends: %s)\n", HSMBRIDGE_VERSION, remote_backend_names());
    return TOOLS_OK;
}

const struct tools_command tools_cmd_version = {
    .name = "version",
    .purpose = "Says which version this is and which backends it has",
    .options = "",
    .example = "hsmbridge version",
    .run = run,
};
