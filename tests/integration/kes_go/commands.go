// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/minio/kms-go/kes"
)

// What is done with keys; false: this is no such command.
func runKey(client *kes.Client, command, name string, data, bound []byte) (bool, error) {
	ctx := context.Background()
	var out []byte
	var err error
	switch command {
	case "create":
		return true, client.CreateKey(ctx, name)
	case "import":
		return true, client.ImportKey(ctx, name, &kes.ImportKeyRequest{Key: data,
			Cipher: kes.AES256})
	case "delete":
		return true, client.DeleteKey(ctx, name)
	case "encrypt":
		out, err = client.Encrypt(ctx, name, data, bound)
	case "decrypt":
		out, err = client.Decrypt(ctx, name, data, bound)
	case "hmac":
		out, err = client.HMAC(ctx, name, data)
	case "generate":
		dek, err := client.GenerateKey(ctx, name, bound)
		show(dek.Plaintext, dek.Ciphertext)
		return true, err
	default:
		return false, nil
	}
	if err == nil {
		show(out)
	}
	return true, err
}

// Every name, page by page, with the SDK's own iterator.
func iterate(client *kes.Client, prefix string) error {
	ctx := context.Background()
	iterator := kes.ListIter[string]{NextFunc: client.ListKeys}
	for name, err := iterator.SeekTo(ctx, prefix); ; name, err = iterator.Next(ctx) {
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Println(name)
	}
}

// What tells of keys, policies and identities.
func runListing(client *kes.Client, command, name string) (bool, error) {
	ctx := context.Background()
	switch command {
	case "describe":
		info, err := client.DescribeKey(ctx, name)
		if err == nil {
			fmt.Println(info.Name, info.Algorithm, info.CreatedBy)
		}
		return true, err
	case "list":
		names, _, err := client.ListKeys(ctx, name, -1)
		fmt.Println(strings.Join(names, " "))
		return true, err
	case "iterate":
		return true, iterate(client, name)
	case "describe-policy":
		info, err := client.DescribePolicy(ctx, name)
		return true, showJSON(info, err)
	case "policy":
		policy, err := client.GetPolicy(ctx, name)
		return true, showJSON(policy, err)
	case "policies":
		names, _, err := client.ListPolicies(ctx, name, -1)
		return true, showJSON(names, err)
	case "identity":
		info, err := client.DescribeIdentity(ctx, kes.Identity(name))
		return true, showJSON(info, err)
	case "identities":
		names, _, err := client.ListIdentities(ctx, name, -1)
		return true, showJSON(names, err)
	case "self":
		info, policy, err := client.DescribeSelf(ctx)
		return true, showJSON(map[string]any{"info": info, "policy": policy}, err)
	}
	return false, nil
}

// The first count lines of a log; "open" when it is.
func readLog(count int, next func() bool, event func() any, failed func() error) error {
	fmt.Println("open")
	for ; count > 0; count-- {
		if !next() {
			return failed()
		}
		if err := showJSON(event(), nil); err != nil {
			return err
		}
	}
	return nil
}

// What tells of the server; its logs, so many lines as the data's length.
func runServer(client *kes.Client, command string, count int) (bool, error) {
	ctx := context.Background()
	switch command {
	case "version":
		version, err := client.Version(ctx)
		return true, showJSON(version, err)
	case "ready":
		ready, err := client.IsReady(ctx)
		return true, showJSON(ready, err)
	case "status":
		state, err := client.Status(ctx)
		return true, showJSON(map[string]any{"state": state, "latency": state.KeyStoreLatency,
			"reachable": state.KeyStoreReachable}, err)
	case "apis":
		apis, err := client.APIs(ctx)
		return true, showJSON(apis, err)
	case "metrics":
		metrics, err := client.Metrics(ctx)
		metrics.LatencyHistogram = nil // its names are no texts, which JSON wants
		return true, showJSON(metrics, err)
	case "audit":
		stream, err := client.AuditLog(ctx)
		if err == nil {
			err = readLog(count, stream.Next, func() any { return stream.Event() },
				stream.Close)
		}
		return true, err
	case "errors":
		stream, err := client.ErrorLog(ctx)
		if err == nil {
			err = readLog(count, stream.Next, func() any { return stream.Event() },
				stream.Close)
		}
		return true, err
	}
	return false, nil
}

func run(client *kes.Client, command, name, data string, bound []byte) error {
	if command == "soak" {
		return soak(client, name, data)
	}
	value := decode(data)
	if known, err := runKey(client, command, name, value, bound); known {
		return err
	}
	if known, err := runListing(client, command, name); known {
		return err
	}
	if known, err := runServer(client, command, len(value)); known {
		return err
	}
	return fmt.Errorf("no command %q", command)
}
