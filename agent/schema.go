package agent

import docklinev1 "github.com/dockline/dockline/proto/dockline/v1"

const (
	// schemasTold is how many heartbeats carry plugins' schemas, in case that some are lost; the centre keeps what it has heard.
	schemasTold = 3
	// schemaBytes bounds them: a heartbeat is small.
	schemaBytes = 64 << 10
)

// sentHeartbeat is the heartbeat as it goes to the centre: the first ones, once every plugin has run, say what plugins' sections may hold.
func (a *Agent) sentHeartbeat() *docklinev1.Heartbeat {
	h := a.Heartbeat()
	if a.told.Load() >= schemasTold || !a.uplink.Stats().Connected {
		return h
	}
	all, ok := a.host.Schemas()
	if !ok {
		return h
	}
	size := 0
	for _, s := range all {
		if size += len(s.GetJsonSchema()); size <= schemaBytes {
			h.Schemas = append(h.Schemas, s)
		}
	}
	a.told.Add(1)
	return h
}
