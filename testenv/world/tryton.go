package world

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
	"github.com/dockline/dockline/testenv/tryton"
)

// TrytonERP is a real Tryton, and the way that the collector takes to it.
type TrytonERP struct {
	*tryton.Client
	Way *tryton.Way

	password string // the file that holds it
	mu       sync.Mutex
	server   *testenv.TrytonServer
}

// openTryton starts one with a freshly seeded database.
func openTryton(ctx context.Context, dir string, seed uint64) (*TrytonERP, error) {
	server, err := testenv.StartTrytonIn(dir)
	if err != nil {
		return nil, err
	}
	t := &TrytonERP{server: server, password: filepath.Join(dir, "connector-password")}
	if err := t.open(ctx, seed); err != nil {
		server.Stop()
		return nil, err
	}
	return t, nil
}

func (t *TrytonERP) open(ctx context.Context, seed uint64) error {
	database, err := t.server.CreateDatabase()
	if err != nil {
		return err
	}
	if err := os.WriteFile(t.password, []byte(database.Password+"\n"), 0o600); err != nil {
		return err
	}
	if t.Client, err = tryton.Open(ctx, database); err != nil {
		return err
	}
	if t.Way, err = tryton.OpenWay(database.URL, seed); err != nil {
		return err
	}
	return t.Way.Start()
}

// Master is what the database was seeded with.
func (t *TrytonERP) Master() *erp.Master { return t.Database.Master }

// Faults strike calls that write; a posting takes several.
func (t *TrytonERP) Faults() *sandbox.Injector { return t.Way.Faults() }

// Start starts trytond and opens the way to it.
func (t *TrytonERP) Start() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.Way.Running() {
		return nil
	}
	if err := t.server.Start(); err != nil {
		return err
	}
	return t.Way.Start()
}

// Stop cuts all connections and ends trytond, whatever it is at.
func (t *TrytonERP) Stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Way.Stop()
	t.server.Stop()
}

// Running says whether the collector can reach it.
func (t *TrytonERP) Running() bool { return t.Way.Running() }

// Close stops it.
func (t *TrytonERP) Close() error {
	t.Stop()
	return nil
}

// connector: a shipment takes a dozen calls of a tenth to half a second each; the timeout is for all of them.
func (t *TrytonERP) connector() string {
	return fmt.Sprintf("    kind: tryton\n    poll: 1s\n    timeout: 20s\n    settings: {url: %q, login: %s, password_file: %q, settle_time: 5s}",
		t.Way.DatabaseURL(), t.Database.Login, t.password)
}
