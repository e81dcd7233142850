package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// PinError says that an executable is not the one that the configuration pins.
type PinError struct {
	Path string
	// Expected and Actual are SHA-256 in hex.
	Expected, Actual string
}

func (e *PinError) Error() string {
	return fmt.Sprintf("%s is not the pinned executable: expected sha256 %s, found %s; install the right version, or pin the new one if you trust it",
		e.Path, e.Expected, e.Actual)
}

func validPin(pin string) error {
	if pin == "" {
		return nil
	}
	if sum, err := hex.DecodeString(pin); err != nil || len(sum) != sha256.Size {
		return errors.New("must be 64 hex digits")
	}
	return nil
}

// verify reads the executable and holds it against its pin. What is executed is read again by the system, so the folder must
// be writable for administrators only.
func verify(path, pin string) error {
	if pin == "" {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("verify plugin: %w", err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return fmt.Errorf("verify plugin: %w", err)
	}
	if actual := hex.EncodeToString(hash.Sum(nil)); !strings.EqualFold(actual, pin) {
		return &PinError{Path: path, Expected: strings.ToLower(pin), Actual: actual}
	}
	return nil
}
