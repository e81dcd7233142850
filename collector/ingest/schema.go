package ingest

import (
	"context"
	"encoding/json"
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
// name and version.
func takeSchemas(statuses []*docklinev1.Heartbeat) [][]any {
	byKey := make(map[string][]any)
	for _, h := range statuses {
		for _, s := range h.GetSchemas()[:min(len(h.GetSchemas()), maxSchemas)] {
			if s.GetName() != "" && len(s.GetJsonSchema()) <= maxSchema && json.Valid([]byte(s.GetJsonSchema())) {
				name := h.GetTenant() + "/" + clip(s.GetName()) // one tenant's sites have no say in another's configuration
				byKey[name+" "+clip(s.GetVersion())] = []any{name, clip(s.GetVersion()), s.GetJsonSchema()}
			}
		}
		h.Schemas = nil
	}
	var rows [][]any
	for _, row := range byKey {
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b []any) int { return strings.Compare(a[0].(string)+a[1].(string), b[0].(string)+b[1].(string)) })
	return rows
}

func storeSchemas(ctx context.Context, tx *db.Tx, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	return tx.Upsert(ctx, db.Insert{Table: "plugin_schema", Columns: []string{"name", "version", "json_schema"}, Rows: rows, Conflict: []string{"name", "version"}, Update: []string{"json_schema"}})
}
