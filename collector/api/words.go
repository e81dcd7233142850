package api

import (
	"strings"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func class(c docklinev1.FaultClass) string {
	return strings.ToLower(strings.TrimPrefix(c.String(), "FAULT_CLASS_"))
}

func severity(s docklinev1.Severity) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "SEVERITY_"))
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// each converts a list; an empty one is [] in JSON, never null.
func each[T, U any](list []*T, convert func(*T) U) []U {
	out := make([]U, len(list))
	for i, t := range list {
		out[i] = convert(t)
	}
	return out
}

func eachOf[T, U any](list []T, convert func(*T) U) []U {
	out := make([]U, len(list))
	for i := range list {
		out[i] = convert(&list[i])
	}
	return out
}
