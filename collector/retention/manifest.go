package retention

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Manifest says what an archive holds. It is written after its file is whole and synced, and before anything is deleted.
type Manifest struct {
	Schema string `json:"schema"`
	Tenant string `json:"tenant"`
	// Number is that of the archive; they grow, and have holes.
	Number int64 `json:"number"`
	// Previous is the archive of this tenant before, and the SHA-256 of its manifest: a chain from the first on. 0 and "" for the first.
	Previous       int64  `json:"previous"`
	PreviousSHA256 string `json:"previous_sha256"`
	// File is in the same folder.
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
	// Groups hang together each. Rows counts the lines by table, Kinds the keys by kind.
	Groups int64            `json:"groups"`
	Events int64            `json:"events"`
	Rows   map[string]int64 `json:"rows"`
	Kinds  map[string]int64 `json:"kinds"`
	// First and last of the events: when they came into the log, and their offsets in it.
	FirstAt     time.Time `json:"first_at"`
	LastAt      time.Time `json:"last_at"`
	FirstOffset int64     `json:"first_offset"`
	LastOffset  int64     `json:"last_offset"`
	CreatedAt   time.Time `json:"created_at"`
}

// name of an archive's files without their ends: by the month of its last event.
func (m *Manifest) name() string {
	return fmt.Sprintf("%s/archive-%08d", m.LastAt.Format("2006-01"), m.Number)
}

// writeManifest writes and syncs a manifest and returns its SHA-256.
func writeManifest(path string, m *Manifest) (sum string, err error) {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return "", err
	}
	text = append(text, '\n')
	file, err := os.OpenFile(path+".part", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return "", err
	}
	if err := christen(path+".part", path); err != nil {
		return "", err
	}
	h := sha256.Sum256(text)
	return hex.EncodeToString(h[:]), syncFolder(filepath.Dir(path))
}

// ReadManifest reads one, and its SHA-256.
func ReadManifest(path string) (*Manifest, string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	m := &Manifest{}
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(m); err != nil {
		return nil, "", fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	}
	if m.Schema != Schema {
		return nil, "", fmt.Errorf("%w: %s is of form %q; this version reads %q", ErrDamaged, path, m.Schema, Schema)
	}
	if filepath.Base(m.File) != m.File {
		return nil, "", fmt.Errorf("%w: %s names a file outside of its folder", ErrDamaged, path)
	}
	h := sha256.Sum256(text)
	return m, hex.EncodeToString(h[:]), nil
}
