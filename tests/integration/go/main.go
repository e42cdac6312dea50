// SPDX-License-Identifier: Apache-2.0

// A Go program that uses a PKCS#11 token through github.com/miekg/pkcs11 and
// github.com/ThalesGroup/crypto11, and judges what comes back with Go's own cryptography. Public
// keys come from files, not from the token.
//
//	usage: client MODULE TOKEN list | random | gcm | hmac
//	       client MODULE TOKEN sign | decrypt | crowd | pair LABEL PUBLIC
//	       client MODULE TOKEN generate LABEL
//	       client MODULE TOKEN tls CA
//	       client MODULE TOKEN call CALL [WORD]...
package main

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/ThalesGroup/crypto11"
)

type command struct {
	words int // that it takes
	run   func(token *crypto11.Context, words []string) error
}

var commands = map[string]command{
	"random":              {0, random},
	"gcm":                 {0, gcm},
	"hmac":                {0, hmacs},
	"pair":                {2, pair},
	"sign":                {2, signing(func(crypto.SignerOpts) bool { return true })},
	"sign-pkcs1":          {2, signing(func(opts crypto.SignerOpts) bool { return !isPSS(opts) })},
	"sign-pss":            {2, signing(isPSS)},
	"decrypt":             {2, decrypting(pkcs1, oaep(crypto.SHA256))},
	"decrypt-pkcs1":       {2, decrypting(pkcs1)},
	"decrypt-oaep-sha1":   {2, decrypting(oaep(crypto.SHA1))},
	"decrypt-oaep-sha256": {2, decrypting(oaep(crypto.SHA256))},
	"crowd":               {2, crowd},
	"generate":            {1, generate},
	"tls":                 {1, handshakes},
}

func readPublic(path string) (crypto.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM", path)
	}
	return x509.ParsePKIXPublicKey(block.Bytes)
}

// The key pair of a label, if its public half is the one in the file.
func findPair(token *crypto11.Context, label, path string) (crypto11.Signer, error) {
	expected, err := readPublic(path)
	if err != nil {
		return nil, err
	}
	pair, err := token.FindKeyPair(nil, []byte(label))
	if err != nil {
		return nil, err
	}
	public, ok := pair.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(expected) {
		return nil, errors.New("the token's public key is another")
	}
	return pair, nil
}

func run(args []string) error {
	if len(args) == 3 && args[2] == "list" {
		return list(args[0], args[1])
	}
	if len(args) > 3 && args[2] == "call" {
		return call(args[0], args[1], args[3:])
	}
	if len(args) < 3 {
		return errors.New("usage: client MODULE TOKEN COMMAND [WORD]...")
	}
	wanted, found := commands[args[2]]
	if !found || len(args) != 3+wanted.words {
		return fmt.Errorf("no such command: %q", args[2:])
	}
	token, err := crypto11.Configure(&crypto11.Config{
		Path: args[0], TokenLabel: args[1], Pin: os.Getenv("CLIENT_PIN"), GCMIVLength: 12,
		LoginNotSupported: os.Getenv("CLIENT_PIN") == ""})
	if err != nil {
		return err
	}
	if err := wanted.run(token, args[3:]); err != nil {
		return errors.Join(err, token.Close())
	}
	return token.Close()
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}
