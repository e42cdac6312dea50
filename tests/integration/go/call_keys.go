// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/hex"
	"errors"

	"github.com/miekg/pkcs11"
)

func truths(attributes ...uint) []*pkcs11.Attribute {
	template := []*pkcs11.Attribute{}
	for _, attribute := range attributes {
		template = append(template, pkcs11.NewAttribute(attribute, true))
	}
	return template
}

// The template of a key of the session.
func secret(kind uint, value []byte, uses ...uint) []*pkcs11.Attribute {
	template := append(truths(uses...),
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, kind),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, false),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, true))
	if value != nil {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_VALUE, value))
	}
	return template
}

func aesTemplate(value []byte) []*pkcs11.Attribute {
	return secret(pkcs11.CKK_AES, value, pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT, pkcs11.CKA_WRAP,
		pkcs11.CKA_UNWRAP)
}

func (c *caller) aes(value []byte) (pkcs11.ObjectHandle, error) {
	return c.module.CreateObject(c.session, aesTemplate(value))
}

func (c *caller) seal(key pkcs11.ObjectHandle, how *pkcs11.Mechanism) ([]byte, error) {
	err := c.module.EncryptInit(c.session, []*pkcs11.Mechanism{how}, key)
	if err != nil {
		return nil, err
	}
	return c.module.Encrypt(c.session, c.input)
}

func (c *caller) sealAndOpen(how *pkcs11.Mechanism) ([]byte, error) {
	key, err := c.aes(keyValue)
	if err != nil {
		return nil, err
	}
	sealed, err := c.seal(key, how)
	if err != nil {
		return nil, err
	}
	if err := c.module.DecryptInit(c.session, []*pkcs11.Mechanism{how}, key); err != nil {
		return nil, err
	}
	opened, err := c.module.Decrypt(c.session, sealed)
	if err == nil && !bytes.Equal(opened, c.input) {
		err = errors.New("another text was opened")
	}
	return sealed, err
}

func (c *caller) gcm() ([]byte, error) {
	params := pkcs11.NewGCMParams(make([]byte, 12), []byte("aad"), 128)
	defer params.Free()
	return c.sealAndOpen(pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, params))
}

func (c *caller) cbc() ([]byte, error) {
	return c.sealAndOpen(cbcPad)
}

func (c *caller) hmac() ([]byte, error) {
	key, err := c.module.CreateObject(c.session,
		secret(pkcs11.CKK_GENERIC_SECRET, otherValue, pkcs11.CKA_SIGN))
	if err != nil {
		return nil, err
	}
	how := []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_SHA256_HMAC, nil)}
	if err := c.module.SignInit(c.session, how, key); err != nil {
		return nil, err
	}
	return c.module.Sign(c.session, c.input)
}

// The wrapped key, and what the key seals that comes out of it again.
func (c *caller) wrap(number uint, wrapping, unwrapping pkcs11.ObjectHandle) (
	[]byte, []byte, error) {
	how := []*pkcs11.Mechanism{pkcs11.NewMechanism(number, nil)}
	key, err := c.aes(keyValue)
	if err != nil {
		return nil, nil, err
	}
	wrapped, err := c.module.WrapKey(c.session, how, wrapping, key)
	if err != nil {
		return nil, nil, err
	}
	again, err := c.module.UnwrapKey(c.session, how, unwrapping, wrapped, aesTemplate(nil))
	if err != nil {
		return nil, nil, err
	}
	sealed, err := c.seal(again, cbcPad)
	return wrapped, sealed, err
}

func (c *caller) wrapAES() ([]byte, error) {
	wrapping, err := c.aes(otherValue)
	if err != nil {
		return nil, err
	}
	wrapped, sealed, err := c.wrap(pkcs11.CKM_AES_KEY_WRAP, wrapping, wrapping)
	return append(wrapped, sealed...), err
}

func (c *caller) wrapRSA() ([]byte, error) {
	public, err1 := c.public("rsa")
	private, err2 := c.private("rsa")
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	_, sealed, err := c.wrap(pkcs11.CKM_RSA_PKCS, public, private)
	return sealed, err
}

func named(label, id string) ([]*pkcs11.Attribute, error) {
	template := append(truths(pkcs11.CKA_TOKEN), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label))
	ident, err := hex.DecodeString(id)
	if len(ident) > 0 {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_ID, ident))
	}
	return template, err
}

func (c *caller) generate(label, id string) ([]byte, error) {
	base, err := named(label, id)
	if err != nil {
		return nil, err
	}
	public, _, err := c.module.GenerateKeyPair(c.session,
		[]*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_EC_KEY_PAIR_GEN, nil)},
		append([]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, prime256v1)}, base...),
		append(truths(pkcs11.CKA_SIGN), base...))
	if err != nil {
		return nil, err
	}
	return c.value(public, pkcs11.CKA_EC_POINT)
}

func (c *caller) bring(label, id string) ([]byte, error) {
	base, err := named(label, id)
	if err != nil {
		return nil, err
	}
	_, err = c.module.CreateObject(c.session, append(base,
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_EC),
		pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, prime256v1),
		pkcs11.NewAttribute(pkcs11.CKA_VALUE, c.input),
		pkcs11.NewAttribute(pkcs11.CKA_SIGN, true)))
	return nil, err
}

func (c *caller) destroy(label string) ([]byte, error) {
	key, err := c.private(label)
	if err != nil {
		return nil, err
	}
	return nil, c.module.DestroyObject(c.session, key)
}
