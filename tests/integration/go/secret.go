// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"
)

// A key of this session whose value Go may see, so that both can work with it.
func sessionKey(token *crypto11.Context, kind *crypto11.SymmetricCipher) (
	*crypto11.SecretKey, []byte, error) {
	template := crypto11.NewAttributeSet()
	err := errors.Join(
		template.Set(crypto11.CkaToken, false),
		template.Set(crypto11.CkaSensitive, false),
		template.Set(crypto11.CkaExtractable, true))
	if err != nil {
		return nil, nil, err
	}
	key, err := token.GenerateSecretKeyWithAttributes(template, 256, kind)
	if err != nil {
		return nil, nil, err
	}
	value, err := token.GetAttribute(key, crypto11.CkaValue)
	if err != nil {
		return nil, nil, err
	}
	return key, value.Value, nil
}

func goGCM(value []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(value)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func gcm(token *crypto11.Context, _ []string) error {
	key, value, err := sessionKey(token, crypto11.CipherAES)
	if err != nil {
		return err
	}
	remote, err := key.NewGCM()
	if err != nil {
		return err
	}
	local, err := goGCM(value)
	if err != nil {
		return err
	}
	nonce, extra := make([]byte, local.NonceSize()), []byte("beside it")
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	sealed := remote.Seal(nil, nonce, message, extra)
	if !bytes.Equal(sealed, local.Seal(nil, nonce, message, extra)) {
		return errors.New("Go seals it otherwise")
	}
	return errors.Join(opensSealed(remote, nonce, sealed, extra), key.Delete())
}

func opensSealed(aead cipher.AEAD, nonce, sealed, extra []byte) error {
	opened, err := aead.Open(nil, nonce, sealed, extra)
	if err != nil {
		return err
	}
	if !bytes.Equal(opened, message) {
		return errors.New("another text was opened")
	}
	sealed[0] ^= 1
	if _, err := aead.Open(nil, nonce, sealed, extra); err == nil {
		return errors.New("a changed text was opened")
	}
	return nil
}

func hmacs(token *crypto11.Context, _ []string) error {
	key, value, err := sessionKey(token, crypto11.CipherGeneric)
	if err != nil {
		return err
	}
	remote, err := key.NewHMAC(pkcs11.CKM_SHA256_HMAC, 0)
	if err != nil {
		return err
	}
	local := hmac.New(sha256.New, value)
	for _, hash := range []io.Writer{remote, local} {
		for range 2 {
			if _, err := hash.Write(message); err != nil {
				return err
			}
		}
	}
	if !hmac.Equal(remote.Sum(nil), local.Sum(nil)) {
		return errors.New("Go makes another HMAC")
	}
	return key.Delete()
}

func random(token *crypto11.Context, _ []string) error {
	reader, err := token.NewRandomReader()
	if err != nil {
		return err
	}
	data := make([]byte, 64)
	if _, err := io.ReadFull(reader, data); err != nil {
		return err
	}
	if bytes.Equal(data[:32], data[32:]) {
		return errors.New("these bytes are not random")
	}
	return nil
}
