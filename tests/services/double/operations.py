# SPDX-License-Identifier: Apache-2.0
"""What the transit engine does with keys: requests and batches in, shapes of answers out."""

import hashlib
import hmac
import os

from . import sealing, signing
from .errors import InternalError, UserError, bad, internal
from .go import decode64, encode64
from .keys import key_type
from .transit import NAME, routes

RANDOM_MAX = 131072


def items_of(body, fields):
    """(items, whether it is a batch): the batch's items, or one made of the body's own fields."""
    batch = body.get("batch_input")
    if batch is None:
        return [{field: body[field] for field in fields if field in body}], False
    if not isinstance(batch, list) or not all(isinstance(item, dict) for item in batch):
        raise internal("failed to parse batch input: expected a list of objects")
    if not batch:
        raise bad("missing batch input to process")
    return batch, True


# ---- sign, verify, hmac ----

@routes.on("POST", "sign/" + NAME + "(?:/(?P<hash_name>[^/]+))?")
def sign(transit, request, name, hash_name):
    options = signing.Options(request.json, hash_name)
    key = transit.find(name, "signing key not found")
    options.check(key)
    items, batched = items_of(request.json, ("input", "context", "signature_context"))
    if not batched:
        items[0].setdefault("input", "")
        return _sign_item(key, items[0], options)
    return {"batch_results": [_batch_item(item, lambda item: _sign_item(key, item, options),
                                          {"key_version": 0}) for item in items]}


def _sign_item(key, item, options):
    """Whatever goes wrong once the input was read is an internal error on this path."""
    if "input" not in item:
        raise UserError("missing input")
    message = decode64(item["input"], "unable to decode input: ")
    options.check_item(key, item)
    try:
        version = key.writing_version(options.key_version, "signing")
        raw = signing.sign(key, version, options.prepare(key, message), options)
    except UserError as problem:
        raise InternalError(str(problem)) from None
    return {"signature": signing.encode(version, raw, options), "key_version": version}


def _batch_item(item, work, failed):
    """One element of batch_results: what work returns, or the error, and the reference."""
    try:
        result = work(item)
    except (UserError, InternalError) as problem:
        result = dict(failed, error=str(problem))
    return dict(result, reference=str(item.get("reference", "")))


@routes.on("POST", "verify/" + NAME + "(?:/(?P<hash_name>[^/]+))?")
def verify(transit, request, name, hash_name):
    items, batched = items_of(request.json, ("input", "context", "signature", "hmac"))
    if all("hmac" in item for item in items):
        key = transit.find(name, "encryption key not found")
        algorithm = hash_name or request.json.get("hash_algorithm", "sha2-256")
        work = lambda item: {"valid": _hmac_is_valid(key, item, algorithm)}
    elif all("signature" in item for item in items):
        options = signing.Options(request.json, hash_name)
        key = transit.find(name, "signature verification key not found")
        options.check(key)
        work = lambda item: {"valid": _signature_is_valid(key, item, options)}
    else:
        raise bad("missing one of 'signature', 'hmac' or 'cmac' arguments to verify")
    if batched:
        return {"batch_results": [_batch_item(item, work, {"valid": False}) for item in items]}
    return work(items[0])


def _signature_is_valid(key, item, options):
    message = decode64(item.get("input", ""), "failed to parse item: failed to parse input: ")
    options.check_item(key, item)
    version, text = key.reading_version(item["signature"], "signature")
    raw = signing.decode(text, options)
    return signing.verify(key, version, options.prepare(key, message), raw, options)


def _hmac(key, number, message, algorithm):
    version = key.version(number)
    secret = version.secret if key.type.name == "hmac" else version.hmac_key
    name = algorithm.replace("sha2-", "sha").replace("sha3-", "sha3_")
    return hmac.new(secret, message, getattr(hashlib, name)).digest()


def _check_hmac_algorithm(algorithm):
    if algorithm not in signing.HASHES or algorithm == "none":
        raise bad("unsupported algorithm '\\x00'")


def _hmac_is_valid(key, item, algorithm):
    _check_hmac_algorithm(algorithm)
    version, text = key.reading_version(item["hmac"], "HMAC to verify")
    message = decode64(item.get("input", ""), "unable to decode input as base64: ")
    return hmac.compare_digest(_hmac(key, version, message, algorithm), decode64(text))


@routes.on("POST", "hmac/" + NAME + "(?:/(?P<hash_name>[^/]+))?")
def make_hmac(transit, request, name, hash_name):
    key = transit.find(name, "encryption key not found")
    body = request.json
    algorithm = hash_name or body.get("algorithm", "sha2-256")
    version = int(body.get("key_version", 0)) or key.latest
    if version > key.latest:
        raise bad("key version does not exist; latest key version is %d" % key.latest)
    if version != key.latest and version < key.min_encryption:
        raise bad("cannot generate HMAC: version is too old (disallowed by policy)")
    _check_hmac_algorithm(algorithm)
    items, batched = items_of(body, ("input",))

    def work(item):
        if "input" not in item:
            raise UserError("missing input for HMAC")
        message = decode64(item["input"], "unable to decode input as base64: ")
        mac = encode64(_hmac(key, version, message, algorithm))
        return {"hmac": "vault:v%d:%s" % (version, mac)}

    if not batched:
        return work(items[0])
    results = [_batch_item(item, work, {}) for item in items]
    return {"batch_results": [dict(result, valid=False) for result in results]}


# ---- encrypt, decrypt, and what is built on them ----

ENCRYPT_FIELDS = ("plaintext", "context", "nonce", "key_version", "associated_data",
                  "padding_scheme")
DECRYPT_FIELDS = ("ciphertext", "context", "nonce", "associated_data", "padding_scheme")


def _encryption_key(transit, name, body, items):
    """The key, made on the spot when it is not there: Vault does so, unless it is told not to."""
    if name not in transit.keys and not transit.disable_upsert:
        kind = key_type(body.get("type", "aes256-gcm96"))
        if not kind.encrypts:
            raise bad("key type %s not supported for this operation" % kind.name)
        transit.create(name, kind, {"derived": bool(items[0].get("context"))})
    return transit.find(name, "encryption key not found")


def _sealing_answer(request, items, batched, work, failed):
    """Runs all items. In a batch, one failure makes the status 400, or 500 when all failures are
    internal, and the results come all the same."""
    if not batched:
        return work(items[0], 0)
    kinds = set()

    def noting(pair):
        try:
            result = work(pair[1], pair[0])
            kinds.add("success")
            return result
        except (UserError, InternalError) as problem:
            kinds.add("user" if isinstance(problem, UserError) else "internal")
            return dict(failed, error=str(problem))

    results = [dict(noting(pair), reference=str(pair[1].get("reference", "")))
               for pair in enumerate(items)]
    if kinds == {"success"}:
        return {"batch_results": results}
    status = 400 if "user" in kinds else 500
    if "success" in kinds:
        status = int(request.json.get("partial_failure_response_code", status))
    request.status = status
    return {"batch_results": results}


@routes.on("POST", "encrypt/" + NAME)
def encrypt(transit, request, name):
    items, batched = items_of(request.json, ENCRYPT_FIELDS)
    if not batched and "plaintext" not in items[0]:
        raise bad("missing plaintext to encrypt")
    key = _encryption_key(transit, name, request.json, items)
    return _sealing_answer(request, items, batched,
                           lambda item, index: sealing.encrypt(key, item, index), {})


@routes.on("POST", "decrypt/" + NAME)
def decrypt(transit, request, name):
    items, batched = items_of(request.json, DECRYPT_FIELDS)
    if not batched and not items[0].get("ciphertext"):
        raise bad("missing ciphertext to decrypt")
    key = transit.find(name, "encryption key not found")
    return _sealing_answer(
        request, items, batched, lambda item, index: {
            "plaintext": encode64(sealing.decrypt(key, item, index))}, {"plaintext": ""})


@routes.on("POST", "rewrap/" + NAME)
def rewrap(transit, request, name):
    items, batched = items_of(request.json, ("ciphertext", "context", "nonce", "key_version",
                                             "decrypt_padding_scheme", "encrypt_padding_scheme"))
    key = transit.find(name, "encryption key not found")

    def work(item):
        opened = dict(item, padding_scheme=item.get("decrypt_padding_scheme"))
        plain = encode64(sealing.decrypt(key, opened, 0))
        again = dict(item, plaintext=plain, padding_scheme=item.get("encrypt_padding_scheme"))
        return sealing.encrypt(key, again, 0)

    if batched:
        return {"batch_results": [_batch_item(item, work, {}) for item in items]}
    return work(items[0])


@routes.on("POST", "datakey/(?P<form>[^/]+)/" + NAME)
def datakey(transit, request, form, name):
    body = request.json
    bits = int(body.get("bits", 256))
    if bits not in (128, 256, 512):
        raise bad("invalid bit length")
    if form not in ("plaintext", "wrapped"):
        raise bad("Invalid path, must be 'plaintext' or 'wrapped'")
    key = transit.find(name, "encryption key not found")
    plain = encode64(os.urandom(bits // 8))
    data = sealing.encrypt(key, dict(body, plaintext=plain), 0)
    return dict(data, plaintext=plain) if form == "plaintext" else data


# ---- random ----

@routes.on("POST", r"random(?:/(?P<source>platform|seal|all))?(?:/(?P<count>\d+))?")
def random(transit, request, source, count):
    size = int(count or request.json.get("bytes", 32))
    if size < 1:
        raise bad('"bytes" cannot be less than 1')
    if size > RANDOM_MAX:
        raise bad('"bytes" should be less than %d' % RANDOM_MAX)
    form = request.json.get("format", "base64")
    if form not in ("base64", "hex"):
        raise bad('unsupported encoding format "%s"; must be "hex" or "base64"' % form)
    data = os.urandom(size)
    return {"random_bytes": data.hex() if form == "hex" else encode64(data)}
