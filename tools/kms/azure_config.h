/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration that the flags of Azure's own plugin stand for. */
#ifndef KMS_AZURE_CONFIG_H
#define KMS_AZURE_CONFIG_H

#include "options.h"

#define KMS_AZURE_SLOT "azure"

/*
 * A configuration in memory that nobody else can read; its path is good as long as this process
 * lives. It has one slot, KMS_AZURE_SLOT. REMOTE_E_CONFIG: azure.json cannot be used.
 */
enum remote_rc kms_azure_config(const struct kms_options *options, char *ret_path, size_t size,
                                struct remote_error *err) REMOTE_MUST_CHECK;

#endif
