// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/miekg/pkcs11"
)

// Calls by miekg/pkcs11 alone, of which the caller judges what comes back: see ../operations.py.
type caller struct {
	module  *pkcs11.Ctx
	session pkcs11.SessionHandle
	input   []byte
}

const ckmEdDSA = 0x1057 // not in miekg/pkcs11 1.1.1

var (
	prime256v1 = []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}
	keyValue   = counting(0)
	otherValue = counting(32)
	cbcPad     = pkcs11.NewMechanism(pkcs11.CKM_AES_CBC_PAD, make([]byte, 16))
)

func counting(from byte) []byte {
	value := make([]byte, 32)
	for at := range value {
		value[at] = from + byte(at)
	}
	return value
}

// The mechanisms by pkcs11-tool's names.
func mechanism(name string) ([]*pkcs11.Mechanism, error) {
	number, parameter := uint(0), any(nil)
	switch name {
	case "SHA256-RSA-PKCS":
		number = pkcs11.CKM_SHA256_RSA_PKCS
	case "SHA256-RSA-PKCS-PSS":
		number = pkcs11.CKM_SHA256_RSA_PKCS_PSS
		parameter = pkcs11.NewPSSParams(pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256, 32)
	case "ECDSA":
		number = pkcs11.CKM_ECDSA
	case "ECDSA-SHA256":
		number = pkcs11.CKM_ECDSA_SHA256
	case "EDDSA":
		number = ckmEdDSA
	case "RSA-PKCS":
		number = pkcs11.CKM_RSA_PKCS
	case "RSA-PKCS-OAEP-SHA1":
		number = pkcs11.CKM_RSA_PKCS_OAEP
		parameter = pkcs11.NewOAEPParams(pkcs11.CKM_SHA_1, pkcs11.CKG_MGF1_SHA1,
			pkcs11.CKZ_DATA_SPECIFIED, nil)
	case "RSA-PKCS-OAEP":
		number = pkcs11.CKM_RSA_PKCS_OAEP
		parameter = pkcs11.NewOAEPParams(pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256,
			pkcs11.CKZ_DATA_SPECIFIED, nil)
	default:
		return nil, fmt.Errorf("no such mechanism: %q", name)
	}
	return []*pkcs11.Mechanism{pkcs11.NewMechanism(number, parameter)}, nil
}

func (c *caller) search(template ...*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	if err := c.module.FindObjectsInit(c.session, template); err != nil {
		return nil, err
	}
	found, _, err := c.module.FindObjects(c.session, 100)
	return found, errors.Join(err, c.module.FindObjectsFinal(c.session))
}

func (c *caller) only(class uint, attribute uint, value any) (pkcs11.ObjectHandle, error) {
	found, err := c.search(pkcs11.NewAttribute(pkcs11.CKA_CLASS, class),
		pkcs11.NewAttribute(attribute, value))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d objects of class %d with %v", len(found), class, value)
	}
	if err != nil {
		return 0, err
	}
	return found[0], nil
}

func (c *caller) private(label string) (pkcs11.ObjectHandle, error) {
	return c.only(pkcs11.CKO_PRIVATE_KEY, pkcs11.CKA_LABEL, label)
}

func (c *caller) public(label string) (pkcs11.ObjectHandle, error) {
	return c.only(pkcs11.CKO_PUBLIC_KEY, pkcs11.CKA_LABEL, label)
}

func (c *caller) value(object pkcs11.ObjectHandle, attribute uint) ([]byte, error) {
	found, err := c.module.GetAttributeValue(c.session, object,
		[]*pkcs11.Attribute{pkcs11.NewAttribute(attribute, nil)})
	if err != nil {
		return nil, err
	}
	return found[0].Value, nil
}

func (c *caller) list() ([]byte, error) {
	found, err := c.search(pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY))
	labels := [][]byte{}
	for _, object := range found {
		label, failed := c.value(object, pkcs11.CKA_LABEL)
		err = errors.Join(err, failed)
		labels = append(labels, label)
	}
	return bytes.Join(labels, []byte("\n")), err
}

func (c *caller) find(id string) ([]byte, error) {
	ident, err := hex.DecodeString(id)
	if err != nil {
		return nil, err
	}
	key, err := c.only(pkcs11.CKO_PRIVATE_KEY, pkcs11.CKA_ID, ident)
	if err != nil {
		return nil, err
	}
	return c.value(key, pkcs11.CKA_LABEL)
}

func (c *caller) certificate(label string) ([]byte, error) {
	found, err := c.only(pkcs11.CKO_CERTIFICATE, pkcs11.CKA_LABEL, label)
	if err != nil {
		return nil, err
	}
	return c.value(found, pkcs11.CKA_VALUE)
}

// What an operation begins with: a key and a mechanism.
func (c *caller) begin(name string, key pkcs11.ObjectHandle, err error, init func(
	pkcs11.SessionHandle, []*pkcs11.Mechanism, pkcs11.ObjectHandle) error) error {
	if err != nil {
		return err
	}
	how, err := mechanism(name)
	if err != nil {
		return err
	}
	return init(c.session, how, key)
}

func (c *caller) sign(label, name string) ([]byte, error) {
	key, err := c.private(label)
	if err := c.begin(name, key, err, c.module.SignInit); err != nil {
		return nil, err
	}
	return c.module.Sign(c.session, c.input)
}

func (c *caller) parts(label, name string) ([]byte, error) {
	key, err := c.private(label)
	if err := c.begin(name, key, err, c.module.SignInit); err != nil {
		return nil, err
	}
	for at := 0; at < len(c.input); at += 1000 {
		part := c.input[at:min(at+1000, len(c.input))]
		if err := c.module.SignUpdate(c.session, part); err != nil {
			return nil, err
		}
	}
	return c.module.SignFinal(c.session)
}

func (c *caller) verify(label, name, signature string) ([]byte, error) {
	data, err := hex.DecodeString(signature)
	if err != nil {
		return nil, err
	}
	key, err := c.public(label)
	if err := c.begin(name, key, err, c.module.VerifyInit); err != nil {
		return nil, err
	}
	switch err := c.module.Verify(c.session, c.input, data); err {
	case nil:
		return []byte("good\n"), nil
	case pkcs11.Error(pkcs11.CKR_SIGNATURE_INVALID):
		return []byte("bad\n"), nil
	default:
		return nil, err
	}
}

func (c *caller) decrypt(label, name string) ([]byte, error) {
	key, err := c.private(label)
	if err := c.begin(name, key, err, c.module.DecryptInit); err != nil {
		return nil, err
	}
	return c.module.Decrypt(c.session, c.input)
}

func (c *caller) encrypt(label, name string) ([]byte, error) {
	key, err := c.public(label)
	if err := c.begin(name, key, err, c.module.EncryptInit); err != nil {
		return nil, err
	}
	return c.module.Encrypt(c.session, c.input)
}

func (c *caller) random(size string) ([]byte, error) {
	count, err := strconv.Atoi(size)
	if err != nil {
		return nil, err
	}
	return c.module.GenerateRandom(c.session, count)
}

func (c *caller) run(words []string) ([]byte, error) {
	one := map[string]func(string) ([]byte, error){"find": c.find, "certificate": c.certificate,
		"random": c.random, "destroy": c.destroy}
	two := map[string]func(string, string) ([]byte, error){"sign": c.sign, "parts": c.parts,
		"decrypt": c.decrypt, "encrypt": c.encrypt, "generate": c.generate, "import": c.bring}
	none := map[string]func() ([]byte, error){"list": c.list, "gcm": c.gcm, "cbc": c.cbc,
		"hmac": c.hmac, "wrap_aes": c.wrapAES, "wrap_rsa": c.wrapRSA}
	command, words := words[0], words[1:]
	switch {
	case len(words) == 0 && none[command] != nil:
		return none[command]()
	case len(words) == 1 && one[command] != nil:
		return one[command](words[0])
	case len(words) == 2 && two[command] != nil:
		return two[command](words[0], words[1])
	case len(words) == 3 && command == "verify":
		return c.verify(words[0], words[1], words[2])
	}
	return nil, fmt.Errorf("no such call: %q", command)
}

// The words: a call, and what it takes; data is on stdin, the result on stdout.
func call(path, label string, words []string) error {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	return withModule(path, func(module *pkcs11.Ctx) error {
		session, err := openSession(module, label, pkcs11.CKF_RW_SESSION)
		if err != nil {
			return err
		}
		defer module.CloseSession(session)
		if err := module.Login(session, pkcs11.CKU_USER, os.Getenv("CLIENT_PIN")); err != nil {
			return err
		}
		result, err := (&caller{module, session, input}).run(words)
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(result)
		return err
	})
}
