// SPDX-License-Identifier: Apache-2.0

// A Node program that uses a PKCS#11 token through pkcs11js, and judges what comes back with
// Node's own cryptography. Public keys come from files, not from the token.
//
//     node main.js MODULE TOKEN list | gcm
//     node main.js MODULE TOKEN sign | decrypt LABEL PUBLIC
//     node main.js MODULE TOKEN call COMMAND [WORD]...

"use strict";

const assert = require("assert");
const crypto = require("crypto");
const fs = require("fs");
const pkcs11js = require("pkcs11js");
const { call } = require("./call");
const { Token } = require("./token");

const MESSAGE = Buffer.from("a message that a Node program signs\n");
const CKZ_DATA_SPECIFIED = 1; // not in pkcs11js 2.1.7
const PSS = { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
const PSS_PARAMS = { type: pkcs11js.CK_PARAMS_RSA_PSS, hashAlg: pkcs11js.CKM_SHA256,
                     mgf: pkcs11js.CKG_MGF1_SHA256, saltLen: 32 };
const OAEP_PARAMS = { type: pkcs11js.CK_PARAMS_RSA_OAEP, hashAlg: pkcs11js.CKM_SHA256,
                      mgf: pkcs11js.CKG_MGF1_SHA256, source: CKZ_DATA_SPECIFIED };

// How a kind of key signs, and how Node verifies that.
const SIGNS = {
  rsa: [[{ mechanism: pkcs11js.CKM_SHA256_RSA_PKCS }, {}],
        [{ mechanism: pkcs11js.CKM_SHA256_RSA_PKCS_PSS, parameter: PSS_PARAMS }, PSS]],
  ec: [[{ mechanism: pkcs11js.CKM_ECDSA_SHA256 }, { dsaEncoding: "ieee-p1363" }]],
};

class Client extends Token {
  // Prints every object as CLASS LABEL ID, the class by its number.
  list() {
    for (const object of this.find([])) {
      const [kind, label, id] = this.module.C_GetAttributeValue(this.session, object, [
        { type: pkcs11js.CKA_CLASS }, { type: pkcs11js.CKA_LABEL }, { type: pkcs11js.CKA_ID }]);
      console.log(kind.value.readUInt8(), label.value.toString(), id.value.toString("hex"));
    }
  }

  // Both ways: the call that waits, and the one that answers later.
  async sign(label, file) {
    const key = this.labelled(pkcs11js.CKO_PRIVATE_KEY, label);
    const known = crypto.createPublicKey(fs.readFileSync(file));
    for (const [mechanism, options] of SIGNS[known.asymmetricKeyType]) {
      this.module.C_SignInit(this.session, mechanism, key);
      const now = this.module.C_Sign(this.session, MESSAGE, Buffer.alloc(1024));
      this.module.C_SignInit(this.session, mechanism, key);
      const later = await this.module.C_SignAsync(this.session, MESSAGE, Buffer.alloc(1024));
      for (const signature of [now, later])
        assert(crypto.verify("sha256", MESSAGE, { key: known, ...options }, signature),
               `a bad signature by ${mechanism.mechanism}`);
    }
  }

  decrypt(label, file) {
    const key = fs.readFileSync(file);
    const sealed = crypto.publicEncrypt({ key, oaepHash: "sha256" }, MESSAGE);
    const mechanism = { mechanism: pkcs11js.CKM_RSA_PKCS_OAEP, parameter: OAEP_PARAMS };
    this.module.C_DecryptInit(this.session, mechanism,
                              this.labelled(pkcs11js.CKO_PRIVATE_KEY, label));
    assert.deepStrictEqual(this.module.C_Decrypt(this.session, sealed, Buffer.alloc(1024)),
                           MESSAGE);
  }

  // A key of this session whose value Node may see: both must seal the same.
  gcm() {
    const key = this.module.C_GenerateKey(this.session, { mechanism: pkcs11js.CKM_AES_KEY_GEN }, [
      { type: pkcs11js.CKA_TOKEN, value: false }, { type: pkcs11js.CKA_VALUE_LEN, value: 32 },
      { type: pkcs11js.CKA_SENSITIVE, value: false }, { type: pkcs11js.CKA_ENCRYPT, value: true },
      { type: pkcs11js.CKA_EXTRACTABLE, value: true }]);
    const [{ value }] = this.module.C_GetAttributeValue(this.session, key,
                                                        [{ type: pkcs11js.CKA_VALUE }]);
    const iv = crypto.randomBytes(12), extra = Buffer.from("beside it");
    this.module.C_EncryptInit(this.session, { mechanism: pkcs11js.CKM_AES_GCM, parameter: {
      type: pkcs11js.CK_PARAMS_AES_GCM, iv, ivBits: 96, aad: extra, tagBits: 128 } }, key);
    const sealed = this.module.C_Encrypt(this.session, MESSAGE, Buffer.alloc(1024));
    const cipher = crypto.createCipheriv("aes-256-gcm", value, iv).setAAD(extra);
    const expected = [cipher.update(MESSAGE), cipher.final()];
    assert.deepStrictEqual(sealed, Buffer.concat([...expected, cipher.getAuthTag()]));
  }
}

async function main([path, label, command, ...words]) {
  assert(["list", "sign", "decrypt", "gcm", "call"].includes(command),
         `no such command: ${command}`);
  const token = new Client(path, label, command === "call" ? pkcs11js.CKF_RW_SESSION : 0);
  try {
    await (command === "call" ? call(token, ...words) : token[command](...words));
  } finally {
    token.close();
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`client: ${error.message}`);
  process.exitCode = 1;
});
