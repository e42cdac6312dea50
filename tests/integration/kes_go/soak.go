// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/minio/kms-go/kes"
)

const workers = 8

type count struct {
	Done, Failed int
	Fault        string
}

// A data key and its way back.
func roundTrip(client *kes.Client, name string) error {
	ctx := context.Background()
	bound := []byte("bucket/object")
	dek, err := client.GenerateKey(ctx, name, bound)
	if err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	plain, err := client.Decrypt(ctx, name, dek.Ciphertext, bound)
	if err != nil {
		return fmt.Errorf("decrypt: %w", err)
	}
	if !bytes.Equal(plain, dek.Plaintext) {
		return fmt.Errorf("another data key came back")
	}
	return nil
}

func work(client *kes.Client, name string, until time.Time, ret *count) {
	for time.Now().Before(until) {
		if err := roundTrip(client, name); err != nil {
			ret.Failed++
			ret.Fault = err.Error()
		} else {
			ret.Done++
		}
	}
}

// Round trips of one client in several threads, for a time such as 10s.
func soak(client *kes.Client, name, duration string) error {
	length, err := time.ParseDuration(duration)
	if err != nil {
		return err
	}
	var counts [workers]count
	var group sync.WaitGroup
	until := time.Now().Add(length)
	for i := range counts {
		group.Add(1)
		go func() {
			defer group.Done()
			work(client, name, until, &counts[i])
		}()
	}
	group.Wait()
	return showJSON(counts, nil)
}
