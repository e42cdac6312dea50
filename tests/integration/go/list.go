// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/miekg/pkcs11"
)

func findSlot(module *pkcs11.Ctx, label string) (uint, error) {
	slots, err := module.GetSlotList(true)
	if err != nil {
		return 0, err
	}
	for _, slot := range slots {
		token, err := module.GetTokenInfo(slot)
		if err != nil {
			return 0, err
		}
		if strings.TrimRight(token.Label, "\x00 ") == label {
			return slot, nil
		}
	}
	return 0, fmt.Errorf("no token %q", label)
}

// Prints an object as CLASS LABEL ID, the class by its number.
func printObject(module *pkcs11.Ctx, session pkcs11.SessionHandle,
	object pkcs11.ObjectHandle) error {
	values, err := module.GetAttributeValue(session, object, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, nil),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, nil),
		pkcs11.NewAttribute(pkcs11.CKA_ID, nil),
	})
	if err != nil {
		return err
	}
	class := binary.NativeEndian.Uint64(values[0].Value)
	_, err = fmt.Printf("%d %s %x\n", class, values[1].Value, values[2].Value)
	return err
}

func printObjects(module *pkcs11.Ctx, session pkcs11.SessionHandle) error {
	if err := module.FindObjectsInit(session, nil); err != nil {
		return err
	}
	for {
		objects, _, err := module.FindObjects(session, 2) // few at a time: C_FindObjects goes on
		if err != nil {
			return err
		}
		if len(objects) == 0 {
			return module.FindObjectsFinal(session)
		}
		for _, object := range objects {
			if err := printObject(module, session, object); err != nil {
				return err
			}
		}
	}
}

func withModule(path string, run func(module *pkcs11.Ctx) error) error {
	module := pkcs11.New(path)
	if module == nil {
		return fmt.Errorf("%s: cannot be loaded", path)
	}
	defer module.Destroy()
	if err := module.Initialize(); err != nil {
		return err
	}
	defer module.Finalize()
	return run(module)
}

func openSession(module *pkcs11.Ctx, label string, flags uint) (pkcs11.SessionHandle, error) {
	slot, err := findSlot(module, label)
	if err != nil {
		return 0, err
	}
	return module.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|flags)
}

// Prints every object of a token, by miekg/pkcs11 alone.
func list(path, label string) error {
	return withModule(path, func(module *pkcs11.Ctx) error {
		session, err := openSession(module, label, 0)
		if err != nil {
			return err
		}
		defer module.CloseSession(session)
		return printObjects(module, session)
	})
}
