// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/ThalesGroup/crypto11"
)

// A server with a certificate and the key of the token, until the connection ends.
func serve(connection net.Conn, certificate tls.Certificate) error {
	server := tls.Server(connection, &tls.Config{Certificates: []tls.Certificate{certificate}})
	if _, err := server.Write(message); err != nil {
		return errors.Join(err, connection.Close())
	}
	return server.Close()
}

func handshake(certificate tls.Certificate, config *tls.Config) error {
	near, far := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- serve(far, certificate) }()
	client := tls.Client(near, config)
	defer client.Close()
	got, err := io.ReadAll(client)
	if err := errors.Join(err, <-served); err != nil {
		return err
	}
	if string(got) != string(message) {
		return errors.New("another text arrived")
	}
	return nil
}

// TLS 1.2 and 1.3 with every certificate whose key the token has.
func handshakes(token *crypto11.Context, words []string) error {
	text, err := os.ReadFile(words[0])
	if err != nil {
		return err
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(text)
	certificates, err := token.FindAllPairedCertificates()
	if err != nil {
		return err
	}
	for _, certificate := range certificates {
		name := certificate.Leaf.Subject.CommonName
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			config := &tls.Config{RootCAs: authorities, ServerName: name,
				MinVersion: version, MaxVersion: version}
			if failed := handshake(certificate, config); failed != nil {
				err = errors.Join(err, fmt.Errorf("%s, %s: %w", name, tls.VersionName(version), failed))
			}
		}
		fmt.Println(name)
	}
	return err
}
