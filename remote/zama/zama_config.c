/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a zama slot: whom it asks, what it believes, and what answers are signed for. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "remote/encode.h"
#include "remote/slot_private.h"
#include "zama_slot.h"

#define DOMAIN_TEXT_MAX 128 /* bytes of a name or version; no deployment has longer ones */
/* What kms-core takes where a request names none. */
#define CONTEXT_DEFAULT "0700000000000000000000000000000000000000000000000000000000000001"
#define EPOCH_DEFAULT "0800000000000000000000000000000000000000000000000000000000000001"
#define EXTRA_DATA_V2 2 /* the byte before context and epoch */

_Static_assert(ZAMA_SLOT_PARTIES_MAX <= ZAMA_PARTIES_MAX, "each is an endpoint");

const struct remote_option zama_options[] = {
    { .name = "parties",
      .type = REMOTE_OPTION_WORDS,
      .help = "ID@URL#PIN of each party, blank-separated; PIN: 0x and the 40 hex digits of its "
              "address, or 66 of its compressed secp256k1 key, or 64 of its Ed25519 key; "
              "two of them with a ',' between" },
    { .name = "threshold",
      .type = REMOTE_OPTION_NUMBER,
      .max = ZAMA_SLOT_PARTIES_MAX,
      .help = "how many parties may lie, as the KMS is configured; (n - 1) / 3 when absent" },
    { .name = "answers",
      .type = REMOTE_OPTION_NUMBER,
      .min = 1,
      .max = ZAMA_SLOT_PARTIES_MAX,
      .help = "how many equal answers are waited for; threshold + 1 when absent" },
    { .name = "domain_name", .type = REMOTE_OPTION_TEXT, .help = "name of the EIP-712 domain" },
    { .name = "domain_version",
      .type = REMOTE_OPTION_TEXT,
      .help = "version of the EIP-712 domain" },
    { .name = "chain_id",
      .type = REMOTE_OPTION_TEXT,
      .help = "chainId of the EIP-712 domain: decimal, or 0x and hex digits" },
    { .name = "verifying_contract",
      .type = REMOTE_OPTION_TEXT,
      .help = "verifyingContract of the EIP-712 domain: 0x and 40 hex digits (EIP-55)" },
    { .name = "domain_salt",
      .type = REMOTE_OPTION_TEXT,
      .help = "salt of the EIP-712 domain, 64 hex digits; none when absent" },
    { .name = "context_id",
      .type = REMOTE_OPTION_TEXT,
      .help = "the MPC context, 64 hex digits; the KMS's default when absent" },
    { .name = "epoch_id",
      .type = REMOTE_OPTION_TEXT,
      .help = "the MPC epoch, 64 hex digits; the KMS's default when absent" },
    { .name = "extra_data",
      .type = REMOTE_OPTION_TEXT,
      .help = "what is signed beside a result: 0x and hex digits; context and epoch when absent" },
    { .name = "signing_schemes",
      .type = REMOTE_OPTION_CHOICES,
      .choices = "ecdsa ed25519",
      .help = "signatures that answers must bring; ecdsa when absent" },
    { .name = NULL },
};

/* ---- the domain ---- */

static enum remote_rc need_text(const struct remote_section *section, const char *option,
                                char **ret, struct remote_error *err)
{
    const char *text = remote_section_text(section, option, NULL);

    if (text == NULL)
        return remote_section_fail(section, option, err,
                                   "missing; answers are signed for it, and it has no default");
    if (strlen(text) > DOMAIN_TEXT_MAX)
        return remote_section_fail(section, option, err, "longer than %d bytes", DOMAIN_TEXT_MAX);
    *ret = strdup(text);
    return *ret != NULL ? REMOTE_OK : REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
}

/* False: more than 256 bits. */
static bool times_plus(uint8_t number[32], unsigned base, unsigned digit)
{
    unsigned carry = digit;

    for (size_t i = 32; i-- > 0;) {
        carry += number[i] * base;
        number[i] = (uint8_t)carry;
        carry >>= 8;
    }
    return carry == 0;
}

/* A uint256, decimal or hexadecimal, as 32 big-endian bytes. */
static bool parse_number(const char *text, uint8_t ret[32])
{
    bool hex = strncmp(text, "0x", 2) == 0;

    memset(ret, 0, 32);
    text += hex ? 2 : 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        int c = tolower((unsigned char)*text);
        bool digit = c >= '0' && c <= '9';

        if (!digit && !(hex && c >= 'a' && c <= 'f'))
            return false;
        if (!times_plus(ret, hex ? 16 : 10, (unsigned)(digit ? c - '0' : c - 'a' + 10)))
            return false;
    }
    return true;
}

static enum remote_rc read_domain(struct zama *zama, const struct remote_section *section,
                                  struct remote_error *err)
{
    struct zama_domain *domain = &zama->domain;
    const char *chain = remote_section_text(section, "chain_id", "");
    const char *contract = remote_section_text(section, "verifying_contract", "");
    const char *salt = remote_section_text(section, "domain_salt", NULL);

    REMOTE_TRY(need_text(section, "domain_name", &domain->name, err));
    REMOTE_TRY(need_text(section, "domain_version", &domain->version, err));
    if (!parse_number(chain, domain->chain_id))
        return remote_section_fail(section, "chain_id", err,
                                   "'%s' is no number of up to 256 bits, decimal or 0x and hex",
                                   chain);
    if (!zama_address_parse(contract, domain->verifying_contract))
        return remote_section_fail(section, "verifying_contract", err,
                                   "'%s' is not 0x and 40 hex digits with their EIP-55 checksum",
                                   contract);
    domain->has_salt = salt != NULL;
    if (salt != NULL && !zama_id_parse(salt, domain->salt))
        return remote_section_fail(section, "domain_salt", err, "'%s' is not 64 hex digits", salt);
    return REMOTE_OK;
}

/* ---- ids, extra data, schemes ---- */

static enum remote_rc read_id(const struct remote_section *section, const char *option,
                              const char *otherwise, uint8_t ret[ZAMA_ID_LEN],
                              struct remote_error *err)
{
    const char *text = remote_section_text(section, option, otherwise);

    if (zama_id_parse(text, ret))
        return REMOTE_OK;
    return remote_section_fail(section, option, err, "'%s' is not 64 hex digits", text);
}

/* Version 2 of the format that KMS and contracts share names context and epoch. */
static void default_extra_data(struct zama *zama)
{
    zama->extra_data[0] = EXTRA_DATA_V2;
    memcpy(zama->extra_data + 1, zama->context_id, ZAMA_ID_LEN);
    memcpy(zama->extra_data + 1 + ZAMA_ID_LEN, zama->epoch_id, ZAMA_ID_LEN);
    zama->extra_data_len = 1 + 2 * ZAMA_ID_LEN;
}

static enum remote_rc read_extra_data(struct zama *zama, const struct remote_section *section,
                                      struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf bytes = { 0 };
    const char *text = remote_section_text(section, "extra_data", NULL);

    if (text == NULL) {
        default_extra_data(zama);
        return REMOTE_OK;
    }
    if (strncmp(text, "0x", 2) != 0 || !remote_hex_decode(remote_slice_str(text + 2), &bytes) ||
        bytes.len > sizeof(zama->extra_data))
        return remote_section_fail(section, "extra_data", err,
                                   "'%s' is not 0x and the hex digits of up to %d bytes", text,
                                   ZAMA_EXTRA_DATA_MAX);
    if (bytes.len > 0)
        memcpy(zama->extra_data, bytes.data, bytes.len);
    zama->extra_data_len = bytes.len;
    return REMOTE_OK;
}

static void read_schemes(struct zama *zama, const struct remote_section *section)
{
    if (remote_section_has_word(section, "signing_schemes", "ed25519"))
        zama->schemes |= 1u << ZAMA_ED25519;
    if (zama->schemes == 0 || remote_section_has_word(section, "signing_schemes", "ecdsa"))
        zama->schemes |= 1u << ZAMA_ECDSA256K1;
}

/* ---- parties ---- */

/* One key, or an address, by its length. */
static bool read_key(struct remote_slice text, struct zama_pin *pin)
{
    CLEANUP(remote_buf_clear) struct remote_buf key = { 0 };
    char address[3 + 2 * ZAMA_ADDRESS_LEN];

    if (text.len == sizeof(address) - 1) {
        memcpy(address, text.data, text.len);
        address[text.len] = '\0';
        if (pin->has_address || !zama_address_parse(address, pin->address))
            return false;
        return pin->has_address = true;
    }
    if (!remote_hex_decode(text, &key))
        return false;
    if (key.len == ZAMA_POINT_LEN && !pin->has_address) {
        memcpy(pin->point, key.data, key.len);
        pin->has_point = pin->has_address = zama_address_of(pin->point, pin->address);
        return pin->has_point;
    }
    if (key.len != ZAMA_ED25519_LEN || pin->has_ed25519)
        return false;
    memcpy(pin->ed25519, key.data, key.len);
    return pin->has_ed25519 = true;
}

static bool read_pin(const char *text, struct zama_pin *pin)
{
    size_t len = strcspn(text, ",");

    return read_key(remote_slice(text, len), pin) &&
           (text[len] == '\0' || read_key(remote_slice_str(text + len + 1), pin));
}

/* Every scheme that is asked for must be checked against something. */
static enum remote_rc check_pin(const struct zama *zama, const struct remote_section *section,
                                const struct zama_party *party, struct remote_error *err)
{
    if ((zama->schemes >> ZAMA_ECDSA256K1 & 1u) != 0 && !party->pin.has_address)
        return remote_section_fail(section, "parties", err,
                                   "party %u has neither an address nor a secp256k1 key pinned, "
                                   "which signing_schemes = ecdsa needs",
                                   party->id);
    if ((zama->schemes >> ZAMA_ED25519 & 1u) != 0 && !party->pin.has_ed25519)
        return remote_section_fail(section, "parties", err,
                                   "party %u has no Ed25519 key pinned, which signing_schemes = "
                                   "ed25519 needs",
                                   party->id);
    return REMOTE_OK;
}

static bool same_key(const struct zama_pin *a, const struct zama_pin *b)
{
    return (a->has_address && b->has_address &&
            memcmp(a->address, b->address, sizeof(a->address)) == 0) ||
           (a->has_ed25519 && b->has_ed25519 &&
            memcmp(a->ed25519, b->ed25519, sizeof(a->ed25519)) == 0);
}

/* One that has two votes would be a quorum by itself. */
static enum remote_rc check_others(const struct zama *zama, const struct remote_section *section,
                                   const struct zama_party *party, struct remote_error *err)
{
    const struct remote_endpoint *endpoints = zama->base.slot->endpoints.list;

    for (size_t i = 0; i < zama->count; i++) {
        const struct zama_party *other = &zama->parties[i];

        if (other->id == party->id)
            return remote_section_fail(section, "parties", err, "party %u is named twice",
                                       party->id);
        if (strcmp(endpoints[i].url, endpoints[zama->count].url) == 0)
            return remote_section_fail(section, "parties", err,
                                       "parties %u and %u have the same URL", other->id, party->id);
        if (same_key(&other->pin, &party->pin))
            return remote_section_fail(section, "parties", err,
                                       "parties %u and %u have the same key pinned", other->id,
                                       party->id);
    }
    return REMOTE_OK;
}

/* Splits ID@URL#PIN. False: not of that form. */
static bool split_party(const char *word, unsigned *ret_id, char **ret_url, const char **ret_pin)
{
    char *at = NULL;
    unsigned long id = strtoul(word, &at, 10);
    const char *hash = strrchr(word, '#');

    if (!isdigit((unsigned char)word[0]) || *at != '@' || hash == NULL || hash <= at + 1 ||
        id < 1 || id > ZAMA_SLOT_PARTIES_MAX)
        return false;
    *ret_id = (unsigned)id;
    *ret_pin = hash + 1;
    *ret_url = strndup(at + 1, (size_t)(hash - at - 1));
    return *ret_url != NULL;
}

static enum remote_rc read_party(struct zama *zama, const struct remote_section *section,
                                 const char *word, struct remote_error *err)
{
    CLEANUP(remote_str_free) char *url = NULL;
    struct zama_party *party = &zama->parties[zama->count];
    const char *pin;

    if (!split_party(word, &party->id, &url, &pin))
        return remote_section_fail(section, "parties", err,
                                   "'%s' is not ID@URL#PIN with an ID from 1 to %d", word,
                                   ZAMA_SLOT_PARTIES_MAX);
    if (!read_pin(pin, &party->pin))
        return remote_section_fail(
            section, "parties", err,
            "'%s', the pin of party %u, is neither an address (0x and 40 hex "
            "digits), nor a compressed secp256k1 key (66) or an Ed25519 key "
            "(64), nor one of the former and the latter with a ',' between",
            pin, party->id);
    REMOTE_TRY(check_pin(zama, section, party, err));
    REMOTE_TRY(remote_slot_add_endpoint(zama->base.slot, section, "parties", url, err));
    REMOTE_TRY(check_others(zama, section, party, err));
    party->learned = party->pin.has_point;
    memcpy(party->point, party->pin.point, sizeof(party->point));
    zama->count++;
    return REMOTE_OK;
}

/* The KMS counts its parties from 1; a gap is a party that was forgotten. */
static enum remote_rc check_ids(const struct zama *zama, const struct remote_section *section,
                                struct remote_error *err)
{
    for (size_t i = 0; i < zama->count; i++)
        if (zama->parties[i].id > zama->count)
            return remote_section_fail(section, "parties", err,
                                       "party %u of %zu; their ids are 1 to %zu",
                                       zama->parties[i].id, zama->count, zama->count);
    return REMOTE_OK;
}

static enum remote_rc read_parties(struct zama *zama, const struct remote_section *section,
                                   struct remote_error *err)
{
    const char *const *words = remote_section_words(section, "parties");

    if (remote_section_has(section, "url"))
        return remote_section_fail(section, "url", err, "name the parties in 'parties' instead");
    if (*words == NULL)
        return remote_section_fail(section, "parties", err, "missing; name ID@URL#PIN of each");
    for (; *words != NULL; words++) {
        if (zama->count == ZAMA_SLOT_PARTIES_MAX)
            return remote_section_fail(section, "parties", err, "more than %d",
                                       ZAMA_SLOT_PARTIES_MAX);
        REMOTE_TRY(read_party(zama, section, *words, err));
    }
    return check_ids(zama, section, err);
}

/* ---- how many ---- */

static enum remote_rc read_numbers(struct zama *zama, const struct remote_section *section,
                                   struct remote_error *err)
{
    unsigned count = (unsigned)zama->count;

    zama->threshold = (unsigned)remote_section_number(section, "threshold", (count - 1) / 3);
    if (zama->threshold >= count || (count > 1 && zama->threshold == 0))
        return remote_section_fail(section, "threshold", err, "%u of %u parties; %s",
                                   zama->threshold, count,
                                   count == 1 ? "a single party has 0"
                                              : "it must be from 1 to one less than there are");
    zama->needed = (unsigned)remote_section_number(section, "answers", zama->threshold + 1);
    if (zama->needed <= zama->threshold || zama->needed > count)
        return remote_section_fail(
            section, "answers", err,
            "%u; it must be from threshold + 1 (%u) to the number of parties "
            "(%u)",
            zama->needed, zama->threshold + 1, count);
    return REMOTE_OK;
}

enum remote_rc zama_configure(struct zama *zama, const struct remote_section *section,
                              struct remote_error *err)
{
    read_schemes(zama, section);
    REMOTE_TRY(read_parties(zama, section, err));
    REMOTE_TRY(read_numbers(zama, section, err));
    REMOTE_TRY(read_domain(zama, section, err));
    REMOTE_TRY(read_id(section, "context_id", CONTEXT_DEFAULT, zama->context_id, err));
    REMOTE_TRY(read_id(section, "epoch_id", EPOCH_DEFAULT, zama->epoch_id, err));
    return read_extra_data(zama, section, err);
}
