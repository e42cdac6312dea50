// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // for crypto.Hash; sha512 too
	"crypto/sha256"
	_ "crypto/sha512"
	"errors"
	"fmt"

	"github.com/ThalesGroup/crypto11"
)

var message = []byte("a message that a Go program signs\n")

var hashes = []crypto.Hash{crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512}

func digest(hash crypto.Hash) []byte {
	state := hash.New()
	state.Write(message)
	return state.Sum(nil)
}

func verify(public crypto.PublicKey, hash crypto.Hash, opts crypto.SignerOpts,
	signature []byte) error {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		if !ecdsa.VerifyASN1(key, digest(hash), signature) {
			return errors.New("a bad ECDSA signature")
		}
		return nil
	case *rsa.PublicKey:
		if pss, ok := opts.(*rsa.PSSOptions); ok {
			return rsa.VerifyPSS(key, hash, digest(hash), signature, pss)
		}
		return rsa.VerifyPKCS1v15(key, hash, digest(hash), signature)
	}
	return fmt.Errorf("a key of another kind: %T", public)
}

// What a key signs with, for one hash.
func waysToSign(public crypto.PublicKey, hash crypto.Hash) []crypto.SignerOpts {
	if _, ok := public.(*rsa.PublicKey); ok {
		pss := &rsa.PSSOptions{Hash: hash, SaltLength: rsa.PSSSaltLengthEqualsHash}
		return []crypto.SignerOpts{hash, pss}
	}
	return []crypto.SignerOpts{hash}
}

func signOnce(pair crypto.Signer, hash crypto.Hash, opts crypto.SignerOpts) error {
	signature, err := pair.Sign(rand.Reader, digest(hash), opts)
	if err == nil {
		err = verify(pair.Public(), hash, opts, signature)
	}
	if err != nil {
		return fmt.Errorf("%v, %T: %w", hash, opts, err)
	}
	return nil
}

func sign(token *crypto11.Context, words []string) error {
	pair, err := findPair(token, words[0], words[1])
	if err != nil {
		return err
	}
	for _, hash := range hashes {
		for _, opts := range waysToSign(pair.Public(), hash) {
			err = errors.Join(err, signOnce(pair, hash, opts))
		}
	}
	return err
}

// Many goroutines, one key: crypto11 takes a session of its pool for each.
func crowd(token *crypto11.Context, words []string) error {
	const goroutines, each = 32, 10
	pair, err := findPair(token, words[0], words[1])
	if err != nil {
		return err
	}
	results := make(chan error)
	for range goroutines {
		go func() {
			var failed error
			for range each {
				failed = errors.Join(failed, signOnce(pair, crypto.SHA256, crypto.SHA256))
			}
			results <- failed
		}()
	}
	for range goroutines {
		err = errors.Join(err, <-results)
	}
	return err
}

func decrypt(token *crypto11.Context, words []string) error {
	pair, err := findPair(token, words[0], words[1])
	if err != nil {
		return err
	}
	decrypter, ok := pair.(crypto.Decrypter)
	if !ok {
		return errors.New("the pair does not decrypt")
	}
	public := pair.Public().(*rsa.PublicKey)
	plain, err1 := rsa.EncryptPKCS1v15(rand.Reader, public, message)
	oaep, err2 := rsa.EncryptOAEP(sha256.New(), rand.Reader, public, message, nil)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	return errors.Join(
		opens(decrypter, plain, &rsa.PKCS1v15DecryptOptions{}),
		opens(decrypter, oaep, &rsa.OAEPOptions{Hash: crypto.SHA256}))
}

func opens(decrypter crypto.Decrypter, sealed []byte, opts crypto.DecrypterOpts) error {
	opened, err := decrypter.Decrypt(rand.Reader, sealed, opts)
	if err != nil {
		return fmt.Errorf("%T %v: %w", opts, opts, err)
	}
	if !bytes.Equal(opened, message) {
		return fmt.Errorf("%T: another text", opts)
	}
	return nil
}
