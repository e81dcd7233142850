package ingest

import (
	"slices"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// sourcesOf is the sources of a site by its heartbeat, by comma, where all of them can tell again what a lost journal held: each has a
// cursor, and says up to when each of its streams is told. It is empty where one cannot, as a scanner.
func sourcesOf(h *docklinev1.Heartbeat) string {
	var sources []string
	for _, p := range h.GetPlugins() {
		if !slices.ContainsFunc(h.GetCursors(), func(c *docklinev1.PluginCursor) bool { return c.GetPlugin() == p.GetId() && canReread(c) }) ||
			!plain(p.GetId(), false) || strings.Contains(p.GetId(), ",") {
			return ""
		}
		sources = append(sources, p.GetId())
	}
	return strings.Join(sources, ",")
}

func canReread(c *docklinev1.PluginCursor) bool {
	untimed := func(t *docklinev1.CompleteThrough) bool { return t.GetTime() == nil }
	return len(c.GetCursor()) > 0 && len(c.GetCompleteThrough()) > 0 && !slices.ContainsFunc(c.GetCompleteThrough(), untimed)
}
