/* SPDX-License-Identifier: Apache-2.0 */
#include "check_report.h"

#include <stdio.h>
#include <time.h>

#include "fail.h"

#define EXPIRY_WARNING_S (7 * 24 * 3600)

/* A configuration that is wrong explains the rest; a service out of reach explains refusals. */
static int graver(int a, int b)
{
    static const int gravity[] = {
        [TOOLS_OK] = 0,          [TOOLS_FAILED] = 1, [TOOLS_USAGE] = 2,
        [TOOLS_UNREACHABLE] = 3, [TOOLS_CONFIG] = 4,
    };

    return gravity[a] >= gravity[b] ? a : b;
}

void tools_check_report_init(struct tools_check_report *report)
{
    *report = (struct tools_check_report){ .findings = json_array() };
    TOOLS_TABLE_ROW(&report->table, "SLOT", "CHECK", "RESULT", "DETAIL");
}

static json_t *number_or_null(int64_t value)
{
    return value == TOOLS_CHECK_UNKNOWN ? json_null() : json_integer(value);
}

static const char *result_of(const struct tools_check_finding *finding)
{
    if (finding->rc != REMOTE_OK)
        return "FAULT";
    return finding->warning ? "warning" : finding->skipped ? "skipped" : "ok";
}

void tools_check_report_add(struct tools_check_report *report,
                            const struct tools_check_finding *finding)
{
    bool to_do = finding->rc != REMOTE_OK || finding->warning;

    TOOLS_TABLE_ROW(&report->table, finding->slot, finding->what, result_of(finding),
                    finding->detail);
    json_array_append_new(report->findings,
                          json_pack("{s:s,s:s,s:s,s:s,s:s,s:s?,s:o,s:o}", "slot", finding->slot,
                                    "check", finding->what, "result", result_of(finding), "kind",
                                    remote_rc_name(finding->rc), "detail", finding->detail,
                                    "advice", to_do ? finding->advice : NULL, "latency_us",
                                    number_or_null(finding->latency_us), "clock_skew_ms",
                                    number_or_null(finding->clock_skew_ms)));
    if (!to_do)
        return;
    remote_buf_printf(&report->advice, "  %s, %s: %s\n", finding->slot, finding->what,
                      finding->advice);
    report->code = graver(report->code, (int)tools_exit_of(finding->rc));
}

void tools_check_report_certificate(struct tools_check_report *report, const char *slot,
                                    const struct remote_cert *cert)
{
    CLEANUP(remote_buf_clear) struct remote_buf what = { 0 };
    int64_t left = cert->not_after - (int64_t)time(NULL);
    char until[16], detail[64];

    tools_output_date(cert->not_after, until);
    snprintf(detail, sizeof(detail), "%s %s", left < 0 ? "expired on" : "until", until);
    remote_buf_printf(&what, "certificate %s", cert->common_name);
    if (what.failed)
        return;
    tools_check_report_add(report, &(struct tools_check_finding){
                                       .slot = slot,
                                       .what = (const char *)what.data,
                                       .rc = left < EXPIRY_WARNING_S ? REMOTE_E_DATA : REMOTE_OK,
                                       .detail = detail,
                                       .advice = "renew the certificate and replace its file",
                                       .latency_us = TOOLS_CHECK_UNKNOWN,
                                       .clock_skew_ms = TOOLS_CHECK_UNKNOWN });
}

int tools_check_report_print(const struct tools_args *args, const char *source,
                             struct tools_check_report *report)
{
    if (report->advice.failed)
        return tools_fail(TOOLS_FAILED, "out of memory");
    if (args->json)
        TOOLS_TRY(tools_json_print(args, json_pack("{s:s,s:b,s:O}", "configuration", source, "ok",
                                                   report->code == TOOLS_OK, "findings",
                                                   report->findings)));
    else
        TOOLS_TRY(tools_table_print(&report->table));
    if (!args->json && report->advice.data)
        printf("\nWhat to do:\n%s", (const char *)report->advice.data);
    return report->code;
}

void tools_check_report_clear(struct tools_check_report *report)
{
    tools_table_clear(&report->table);
    remote_buf_clear(&report->advice);
    json_decref(report->findings);
    report->findings = NULL;
}
