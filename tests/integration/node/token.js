// SPDX-License-Identifier: Apache-2.0

"use strict";

const assert = require("assert");
const pkcs11js = require("pkcs11js");

// A token of a module with a session, logged in if there is a PIN.
class Token {
  constructor(path, label, flags) {
    this.module = new pkcs11js.PKCS11();
    this.module.load(path);
    this.module.C_Initialize();
    const slot = this.module.C_GetSlotList(true).find((each) =>
      this.module.C_GetTokenInfo(each).label.replace(/[\0 ]+$/, "") === label);
    assert(slot, `no token ${label}`);
    this.session = this.module.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION | flags);
    if (process.env.CLIENT_PIN)
      this.module.C_Login(this.session, pkcs11js.CKU_USER, process.env.CLIENT_PIN);
  }

  close() {
    this.module.C_CloseSession(this.session);
    this.module.C_Finalize();
    this.module.close();
  }

  find(template) {
    this.module.C_FindObjectsInit(this.session, template);
    const found = [];
    for (let part; (part = this.module.C_FindObjects(this.session, 2)).length > 0;)
      found.push(...part);
    this.module.C_FindObjectsFinal(this.session);
    return found;
  }

  // The only object of a class that has this attribute.
  only(kind, attribute) {
    const [object] = this.find([{ type: pkcs11js.CKA_CLASS, value: kind }, attribute]);
    assert(object, `no object of class ${kind} with ${attribute.value}`);
    return object;
  }

  labelled(kind, label) {
    return this.only(kind, { type: pkcs11js.CKA_LABEL, value: label });
  }

  attribute(object, type) {
    return this.module.C_GetAttributeValue(this.session, object, [{ type }])[0].value;
  }
}

module.exports = { Token };
