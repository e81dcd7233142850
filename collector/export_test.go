package collector

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// NewMetrics answers with what a database says, of a collector that has asked no systems.
func NewMetrics(d *db.DB, now func() time.Time, log *slog.Logger) http.Handler {
	return &metrics{db: d, now: now, log: log}
}
