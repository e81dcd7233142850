package connector

import (
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// masterKinds by the names that commands, configurations and definitions use.
var masterKinds = []string{docklinev1.MasterKind_MASTER_KIND_ITEM: "item", docklinev1.MasterKind_MASTER_KIND_UNIT: "unit", docklinev1.MasterKind_MASTER_KIND_CUSTOMER: "customer",
	docklinev1.MasterKind_MASTER_KIND_GTIN: "gtin", docklinev1.MasterKind_MASTER_KIND_BIN: "bin", docklinev1.MasterKind_MASTER_KIND_REASON: "reason"}

// MasterKindNames are the names of all kinds of master data, in the order in which they are read and told.
func MasterKindNames() []string {
	return slices.DeleteFunc(slices.Clone(masterKinds), func(name string) bool { return name == "" })
}

// ParseMasterKind is the kind of a name.
func ParseMasterKind(name string) (docklinev1.MasterKind, bool) {
	n := slices.Index(masterKinds, name)
	return docklinev1.MasterKind(max(n, 0)), n > 0 && name != ""
}

// MasterKindName is the name of a kind.
func MasterKindName(kind docklinev1.MasterKind) string {
	if kind > 0 && int(kind) < len(masterKinds) {
		return masterKinds[kind]
	}
	return kind.String()
}
