// SPDX-License-Identifier: Apache-2.0

// A KES client of MinIO's own SDK:
//
//	testclient URL CA COMMAND [NAME [BASE64 [CONTEXT]]]
//
// with its API key in KES_API_KEY, or the files of its certificate in KES_CLIENT_CERT and
// KES_CLIENT_KEY; KES_HTTP=1.1 keeps it from offering HTTP/2. Bytes go in and come out as base64, a
// line each, all else comes out as JSON; what the SDK calls an error is one line on standard error,
// with the name of the SDK's own error value.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/minio/kms-go/kes"
)

var known = map[string]error{
	"ErrKeyExists":        kes.ErrKeyExists,
	"ErrKeyNotFound":      kes.ErrKeyNotFound,
	"ErrNotAllowed":       kes.ErrNotAllowed,
	"ErrDecrypt":          kes.ErrDecrypt,
	"ErrPolicyNotFound":   kes.ErrPolicyNotFound,
	"ErrIdentityNotFound": kes.ErrIdentityNotFound,
}

func certificate() (tls.Certificate, error) {
	if path := os.Getenv("KES_CLIENT_CERT"); path != "" {
		return tls.LoadX509KeyPair(path, os.Getenv("KES_CLIENT_KEY"))
	}
	key, err := kes.ParseAPIKey(os.Getenv("KES_API_KEY"))
	if err != nil {
		return tls.Certificate{}, err
	}
	return kes.GenerateCertificate(key)
}

func connect(url, ca string) (*kes.Client, error) {
	mine, err := certificate()
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	client := kes.NewClientWithConfig(url, &tls.Config{
		Certificates: []tls.Certificate{mine},
		RootCAs:      pool,
	})
	if os.Getenv("KES_HTTP") == "1.1" {
		client.HTTPClient.Transport.(*http.Transport).ForceAttemptHTTP2 = false
	}
	return client, nil
}

func show(parts ...[]byte) {
	for _, part := range parts {
		fmt.Println(base64.StdEncoding.EncodeToString(part))
	}
}

func showJSON(value any, err error) error {
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(value)
}

func decode(text string) []byte {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return data
}

// The SDK's own name of an error, or its text.
func nameOf(err error) string {
	for name, value := range known {
		if errors.Is(err, value) {
			return name
		}
	}
	return err.Error()
}

func main() {
	args := append(os.Args[1:], "", "", "")
	client, err := connect(args[0], args[1])
	if err == nil {
		err = run(client, args[2], args[3], args[4], []byte(args[5]))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, nameOf(err))
		os.Exit(1)
	}
}
