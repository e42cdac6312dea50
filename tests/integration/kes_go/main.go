// SPDX-License-Identifier: Apache-2.0

// A KES client of MinIO's own SDK:
//
//	testclient URL CA COMMAND [NAME [BASE64 [CONTEXT]]]
//
// with its API key in KES_API_KEY. Bytes go in and come out as base64, a line each; what the SDK
// calls an error is one line on standard error, with the name of the SDK's own error value.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/minio/kms-go/kes"
)

var known = map[string]error{
	"ErrKeyExists":   kes.ErrKeyExists,
	"ErrKeyNotFound": kes.ErrKeyNotFound,
	"ErrNotAllowed":  kes.ErrNotAllowed,
	"ErrDecrypt":     kes.ErrDecrypt,
}

func connect(url, ca string) (*kes.Client, error) {
	key, err := kes.ParseAPIKey(os.Getenv("KES_API_KEY"))
	if err != nil {
		return nil, err
	}
	certificate, err := kes.GenerateCertificate(key)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return kes.NewClientWithConfig(url, &tls.Config{
		Certificates: []tls.Certificate{certificate},
		RootCAs:      pool,
	}), nil
}

func show(parts ...[]byte) {
	for _, part := range parts {
		fmt.Println(base64.StdEncoding.EncodeToString(part))
	}
}

func run(client *kes.Client, command, name string, data, bound []byte) error {
	ctx := context.Background()
	var out []byte
	var err error
	switch command {
	case "create":
		return client.CreateKey(ctx, name)
	case "import":
		return client.ImportKey(ctx, name, &kes.ImportKeyRequest{Key: data, Cipher: kes.AES256})
	case "delete":
		return client.DeleteKey(ctx, name)
	case "encrypt":
		out, err = client.Encrypt(ctx, name, data, bound)
	case "decrypt":
		out, err = client.Decrypt(ctx, name, data, bound)
	case "hmac":
		out, err = client.HMAC(ctx, name, data)
	case "generate":
		dek, err := client.GenerateKey(ctx, name, bound)
		show(dek.Plaintext, dek.Ciphertext)
		return err
	case "describe":
		info, err := client.DescribeKey(ctx, name)
		if err == nil {
			fmt.Println(info.Name, info.Algorithm, info.CreatedBy)
		}
		return err
	case "list":
		names, _, err := client.ListKeys(ctx, name, -1)
		fmt.Println(strings.Join(names, " "))
		return err
	default:
		return fmt.Errorf("no command %q", command)
	}
	if err == nil {
		show(out)
	}
	return err
}

func decode(text string) []byte {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return data
}

func main() {
	args := append(os.Args[1:], "", "", "")
	client, err := connect(args[0], args[1])
	if err == nil {
		err = run(client, args[2], args[3], decode(args[4]), []byte(args[5]))
	}
	if err == nil {
		return
	}
	for name, value := range known {
		if errors.Is(err, value) {
			fmt.Fprintln(os.Stderr, name)
			os.Exit(1)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
