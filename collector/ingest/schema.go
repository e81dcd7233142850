package ingest

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// maxSchema bounds one plugin's schema, maxSchemas how many of one heartbeat are taken.
const (
	maxSchema  = 64 << 10
	maxSchemas = 64
)

// takeSchemas takes what plugins say of their sections out of heartbeats, which are kept as they are: the rows of plugin_schema, one for each
// tenant, name and version: one tenant's sites have no say in another's configuration.
func takeSchemas(statuses []*docklinev1.Heartbeat) [][]any {
	byKey := make(map[string][]any)
	for _, h := range statuses {
		for _, s := range h.GetSchemas()[:min(len(h.GetSchemas()), maxSchemas)] {
			if s.GetName() != "" && len(s.GetJsonSchema()) <= maxSchema && json.Valid([]byte(s.GetJsonSchema())) {
				tenant, name, version := h.GetTenant(), clip(s.GetName()), clip(s.GetVersion())
				byKey[strings.Join([]string{tenant, name, version}, "\x00")] = []any{tenant, name, version, s.GetJsonSchema()}
			}
		}
		h.Schemas = nil
	}
	var rows [][]any
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		rows = append(rows, byKey[key])
	}
	return rows
}

func storeSchemas(ctx context.Context, tx *db.Tx, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	return tx.Upsert(ctx, db.Insert{Table: "plugin_schema", Columns: []string{"tenant", "name", "version", "json_schema"}, Rows: rows, Conflict: []string{"tenant", "name", "version"}, Update: []string{"json_schema"}})
}
