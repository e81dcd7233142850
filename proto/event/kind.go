// Package event gives business events their meaning: the names of kinds, ids, validation, quantities and fold keys.
package event

import (
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const kindPrefix = "EVENT_KIND_"

var kindNames, kindsByName = nameKinds()

func nameKinds() (map[docklinev1.EventKind]string, map[string]docklinev1.EventKind) {
	names := make(map[docklinev1.EventKind]string)
	kinds := make(map[string]docklinev1.EventKind)
	for number, enumName := range docklinev1.EventKind_name {
		if number == 0 {
			continue
		}
		name := strings.ToLower(strings.TrimPrefix(enumName, kindPrefix))
		name = strings.Replace(name, "_", ".", 1)
		names[docklinev1.EventKind(number)] = name
		kinds[name] = docklinev1.EventKind(number)
	}
	return names, kinds
}

// KindName is the business name of a kind, "pick.confirmed"; empty for one that this version does not know.
func KindName(k docklinev1.EventKind) string { return kindNames[k] }

// ParseKind finds the kind that has this business name.
func ParseKind(name string) (docklinev1.EventKind, bool) {
	k, ok := kindsByName[name]
	return k, ok
}
