/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of YAML: whatever they say, walking through them ends. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "yaml_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DEPTH_MAX 4 /* as deep as a kes.yml; aliases make some documents endless */
#define WIDTH_MAX 16

static void walk(struct kesd_yaml *yaml, const kesd_yaml_node *node, unsigned depth)
{
    const kesd_yaml_node *value;
    const char *name;
    char *text = NULL;

    if (kesd_yaml_text(yaml, node, &text, NULL) == REMOTE_OK && text == NULL)
        abort();
    free(text);
    for (size_t i = 0; depth > 0 && i < WIDTH_MAX; i++) {
        if (!kesd_yaml_nth(yaml, node, i, &name, &value))
            return;
        (void)kesd_yaml_at(yaml, node, name);
        walk(yaml, value, depth - 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kesd_yaml *yaml = NULL;
    struct remote_error err = { 0 };

    (void)remote_log_setup("none", NULL, NULL);
    if (kesd_yaml_parse("f", remote_slice(data, size), &yaml, &err) != REMOTE_OK) {
        if (err.text[0] == '\0')
            abort();
        return 0;
    }
    if (kesd_yaml_root(yaml) != NULL)
        walk(yaml, kesd_yaml_root(yaml), DEPTH_MAX);
    kesd_yaml_free(yaml);
    return 0;
}
