// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // for crypto.Hash; the others too
	_ "crypto/sha256"
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

func isPSS(opts crypto.SignerOpts) bool {
	_, ok := opts.(*rsa.PSSOptions)
	return ok
}

// With every hash, in the ways that are wanted.
func signing(wanted func(crypto.SignerOpts) bool) func(*crypto11.Context, []string) error {
	return func(token *crypto11.Context, words []string) error {
		pair, err := findPair(token, words[0], words[1])
		if err != nil {
			return err
		}
		for _, hash := range hashes {
			for _, opts := range waysToSign(pair.Public(), hash) {
				if wanted(opts) {
					err = errors.Join(err, signOnce(pair, hash, opts))
				}
			}
		}
		return err
	}
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

// A way to seal for an RSA key, and what opens it.
type sealing struct {
	seal func(public *rsa.PublicKey) ([]byte, error)
	opts crypto.DecrypterOpts
}

func oaep(hash crypto.Hash) sealing {
	return sealing{func(public *rsa.PublicKey) ([]byte, error) {
		return rsa.EncryptOAEP(hash.New(), rand.Reader, public, message, nil)
	}, &rsa.OAEPOptions{Hash: hash}}
}

var pkcs1 = sealing{func(public *rsa.PublicKey) ([]byte, error) {
	return rsa.EncryptPKCS1v15(rand.Reader, public, message)
}, &rsa.PKCS1v15DecryptOptions{}}

func decrypting(sealings ...sealing) func(*crypto11.Context, []string) error {
	return func(token *crypto11.Context, words []string) error {
		pair, err := findPair(token, words[0], words[1])
		if err != nil {
			return err
		}
		decrypter, ok := pair.(crypto.Decrypter)
		if !ok {
			return errors.New("the pair does not decrypt")
		}
		for _, each := range sealings {
			sealed, failed := each.seal(pair.Public().(*rsa.PublicKey))
			if failed == nil {
				failed = opens(decrypter, sealed, each.opts)
			}
			err = errors.Join(err, failed)
		}
		return err
	}
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

// The token has the pair, and its public half is the one that is known.
func pair(token *crypto11.Context, words []string) error {
	_, err := findPair(token, words[0], words[1])
	return err
}

// A new pair, which crypto11 names by an ID as well.
func generate(token *crypto11.Context, words []string) error {
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return err
	}
	made, err := token.GenerateECDSAKeyPairWithLabel(id, []byte(words[0]), elliptic.P256())
	if err != nil {
		return err
	}
	return signOnce(made, crypto.SHA256, crypto.SHA256)
}
