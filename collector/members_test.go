package collector

import (
	"log/slog"
	"net"
	"testing"
)

// A collector that is started while its database takes no writes, as on a full disk, waits until it does; it ended with an error before.
func TestAStartWaitsForADatabaseThatTakesNoWrites(t *testing.T) {
	c := &Config{DataDir: t.TempDir()}
	d, err := OpenDatabase(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	m := &Collector{config: c, log: slog.New(slog.DiscardHandler), db: d, name: Name, process: "run-1"}
	refused := 0
	d.Fault = func(point string, write bool) error {
		if point == "commit" && write && refused < 2 {
			refused++
			return net.ErrClosed // one of those that mean that a database is away
		}
		return nil
	}
	if err := m.join(t.Context()); err != nil || refused != 2 {
		t.Errorf("refused %d times: %v", refused, err)
	}
}
