// SPDX-License-Identifier: Apache-2.0

// One call or a few, of which the caller judges what comes back: see ../operations.py.

"use strict";

const assert = require("assert");
const fs = require("fs");
const pkcs11js = require("pkcs11js");

const CKZ_DATA_SPECIFIED = 1; // not in pkcs11js 2.1.7
const CKM_EDDSA = 0x1057;
const PRIME256V1 = Buffer.from("06082a8648ce3d030107", "hex");
const KEY = Buffer.from(Array.from({ length: 32 }, (_, at) => at));
const OTHER_KEY = Buffer.from(Array.from({ length: 32 }, (_, at) => 32 + at));
const CBC = { mechanism: pkcs11js.CKM_AES_CBC_PAD, parameter: Buffer.alloc(16) };
const GCM = { mechanism: pkcs11js.CKM_AES_GCM, parameter: {
  type: pkcs11js.CK_PARAMS_AES_GCM, iv: Buffer.alloc(12), ivBits: 96, aad: Buffer.from("aad"),
  tagBits: 128 } };
const KEY_WRAP = { mechanism: pkcs11js.CKM_AES_KEY_WRAP };
const RSA = { mechanism: pkcs11js.CKM_RSA_PKCS };

function oaep(hashAlg, mgf) {
  return { mechanism: pkcs11js.CKM_RSA_PKCS_OAEP, parameter: {
    type: pkcs11js.CK_PARAMS_RSA_OAEP, hashAlg, mgf, source: CKZ_DATA_SPECIFIED } };
}

const MECHANISMS = {
  "SHA256-RSA-PKCS": { mechanism: pkcs11js.CKM_SHA256_RSA_PKCS },
  "SHA256-RSA-PKCS-PSS": { mechanism: pkcs11js.CKM_SHA256_RSA_PKCS_PSS, parameter: {
    type: pkcs11js.CK_PARAMS_RSA_PSS, hashAlg: pkcs11js.CKM_SHA256,
    mgf: pkcs11js.CKG_MGF1_SHA256, saltLen: 32 } },
  "ECDSA": { mechanism: pkcs11js.CKM_ECDSA },
  "ECDSA-SHA256": { mechanism: pkcs11js.CKM_ECDSA_SHA256 },
  "EDDSA": { mechanism: CKM_EDDSA },
  "RSA-PKCS": RSA,
  "RSA-PKCS-OAEP-SHA1": oaep(pkcs11js.CKM_SHA_1, pkcs11js.CKG_MGF1_SHA1),
  "RSA-PKCS-OAEP": oaep(pkcs11js.CKM_SHA256, pkcs11js.CKG_MGF1_SHA256),
};

class Calls {
  constructor(token) {
    this.token = token;
    this.module = token.module;
    this.session = token.session;
  }

  privateKey(label) {
    return this.token.labelled(pkcs11js.CKO_PRIVATE_KEY, label);
  }

  publicKey(label) {
    return this.token.labelled(pkcs11js.CKO_PUBLIC_KEY, label);
  }

  list() {
    return this.token.find([{ type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_PRIVATE_KEY }])
      .map((key) => this.token.attribute(key, pkcs11js.CKA_LABEL).toString()).join("\n");
  }

  find(id) {
    return this.token.attribute(this.token.only(pkcs11js.CKO_PRIVATE_KEY, {
      type: pkcs11js.CKA_ID, value: Buffer.from(id, "hex") }), pkcs11js.CKA_LABEL);
  }

  certificate(label) {
    return this.token.attribute(this.token.labelled(pkcs11js.CKO_CERTIFICATE, label),
                                pkcs11js.CKA_VALUE);
  }

  sign(label, mechanism, data) {
    this.module.C_SignInit(this.session, MECHANISMS[mechanism], this.privateKey(label));
    return this.module.C_Sign(this.session, data, Buffer.alloc(1024));
  }

  parts(label, mechanism, data) {
    this.module.C_SignInit(this.session, MECHANISMS[mechanism], this.privateKey(label));
    for (let at = 0; at < data.length; at += 1000)
      this.module.C_SignUpdate(this.session, data.subarray(at, at + 1000));
    return this.module.C_SignFinal(this.session, Buffer.alloc(1024));
  }

  verify(label, mechanism, signature, data) {
    this.module.C_VerifyInit(this.session, MECHANISMS[mechanism], this.publicKey(label));
    try {
      this.module.C_Verify(this.session, data, Buffer.from(signature, "hex"));
    } catch (error) {
      if (error.code !== pkcs11js.CKR_SIGNATURE_INVALID)
        throw error;
      return "bad\n";
    }
    return "good\n";
  }

  decrypt(label, mechanism, data) {
    this.module.C_DecryptInit(this.session, MECHANISMS[mechanism], this.privateKey(label));
    return this.module.C_Decrypt(this.session, data, Buffer.alloc(1024));
  }

  encrypt(label, mechanism, data) {
    return this.seal(this.publicKey(label), MECHANISMS[mechanism], data);
  }

  seal(key, mechanism, data) {
    this.module.C_EncryptInit(this.session, mechanism, key);
    return this.module.C_Encrypt(this.session, data, Buffer.alloc(1024));
  }

  sealAndOpen(mechanism, data) {
    const key = this.aes(KEY), sealed = this.seal(key, mechanism, data);
    this.module.C_DecryptInit(this.session, mechanism, key);
    assert.deepStrictEqual(this.module.C_Decrypt(this.session, sealed, Buffer.alloc(1024)), data);
    return sealed;
  }

  secret(type, value, ...uses) {
    return [{ type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_SECRET_KEY },
            { type: pkcs11js.CKA_KEY_TYPE, value: type },
            { type: pkcs11js.CKA_TOKEN, value: false },
            { type: pkcs11js.CKA_SENSITIVE, value: false },
            { type: pkcs11js.CKA_EXTRACTABLE, value: true },
            ...value ? [{ type: pkcs11js.CKA_VALUE, value }] : [],
            ...uses.map((use) => ({ type: use, value: true }))];
  }

  aesTemplate(value) {
    return this.secret(pkcs11js.CKK_AES, value, pkcs11js.CKA_ENCRYPT, pkcs11js.CKA_DECRYPT,
                       pkcs11js.CKA_WRAP, pkcs11js.CKA_UNWRAP);
  }

  aes(value) {
    return this.module.C_CreateObject(this.session, this.aesTemplate(value));
  }

  gcm(data) {
    return this.sealAndOpen(GCM, data);
  }

  cbc(data) {
    return this.sealAndOpen(CBC, data);
  }

  hmac(data) {
    const key = this.module.C_CreateObject(this.session, this.secret(
      pkcs11js.CKK_GENERIC_SECRET, OTHER_KEY, pkcs11js.CKA_SIGN));
    this.module.C_SignInit(this.session, { mechanism: pkcs11js.CKM_SHA256_HMAC }, key);
    return this.module.C_Sign(this.session, data, Buffer.alloc(1024));
  }

  // KEY under one key, out again under another; what it then seals.
  wrap(mechanism, wrapping, unwrapping, data) {
    const wrapped = this.module.C_WrapKey(this.session, mechanism, wrapping, this.aes(KEY),
                                          Buffer.alloc(1024));
    const key = this.module.C_UnwrapKey(this.session, mechanism, unwrapping, wrapped,
                                        this.aesTemplate());
    return [wrapped, this.seal(key, CBC, data)];
  }

  wrap_aes(data) {
    const wrapping = this.aes(OTHER_KEY);
    return Buffer.concat(this.wrap(KEY_WRAP, wrapping, wrapping, data));
  }

  wrap_rsa(data) {
    return this.wrap(RSA, this.publicKey("rsa"), this.privateKey("rsa"), data)[1];
  }

  named(label, id) {
    return [{ type: pkcs11js.CKA_LABEL, value: label }, { type: pkcs11js.CKA_TOKEN, value: true },
            ...id ? [{ type: pkcs11js.CKA_ID, value: Buffer.from(id, "hex") }] : []];
  }

  generate(label, id) {
    const pair = this.module.C_GenerateKeyPair(
      this.session, { mechanism: pkcs11js.CKM_EC_KEY_PAIR_GEN },
      [{ type: pkcs11js.CKA_EC_PARAMS, value: PRIME256V1 }, ...this.named(label, id)],
      [{ type: pkcs11js.CKA_SIGN, value: true }, ...this.named(label, id)]);
    return this.token.attribute(pair.publicKey, pkcs11js.CKA_EC_POINT);
  }

  import(label, id, value) {
    this.module.C_CreateObject(this.session, [
      { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_PRIVATE_KEY },
      { type: pkcs11js.CKA_KEY_TYPE, value: pkcs11js.CKK_EC },
      { type: pkcs11js.CKA_EC_PARAMS, value: PRIME256V1 },
      { type: pkcs11js.CKA_VALUE, value }, { type: pkcs11js.CKA_SIGN, value: true },
      ...this.named(label, id)]);
    return "";
  }

  destroy(label) {
    this.module.C_DestroyObject(this.session, this.privateKey(label));
    return "";
  }

  random(size) {
    return this.module.C_GenerateRandom(this.session, Buffer.alloc(Number(size)));
  }
}

// What takes data has it from stdin, as its last argument.
function call(token, command, ...words) {
  const input = fs.readFileSync(0);
  process.stdout.write(new Calls(token)[command](...words, input));
}

module.exports = { call };
