package remote

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/schema"
	"github.com/dockline/dockline/proto/configfile"
	connectorv1 "github.com/dockline/dockline/proto/dockline/connector/v1"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// hold holds the program's section against the schema by which it describes it.
func (s *Settings) hold(d *connectorv1.DescribeResponse) error {
	if d.GetConfigSchema() == "" {
		return nil
	}
	found, err := schema.Faults(s.Config, d.GetConfigSchema())
	if err != nil {
		return fmt.Errorf("the schema by which %s %s describes its configuration cannot be used: %w", d.GetName(), d.GetVersion(), err)
	}
	var faults configfile.Faults
	for _, f := range found {
		faults = append(faults, s.file.Fault("config"+f.Path, "%s (program %s %s)", f.Text, d.GetName(), d.GetVersion()))
	}
	return faults.Err()
}

// faultsOf are what the program itself finds wrong.
func (s *Settings) faultsOf(program string, found []*docklinev1.ConfigFault) error {
	var faults configfile.Faults
	for _, f := range found {
		key := "config"
		if f.GetPath() != "" {
			key += "." + strings.TrimPrefix(f.GetPath(), ".")
		}
		faults = append(faults, s.file.Fault(key, "%s (program %s)", f.GetText(), program))
	}
	return faults.Err()
}

// declaration is what a program says that its connector takes, lists and tells of.
type declaration struct {
	kinds   map[connector.Kind]connector.Style
	lists   []connector.Kind
	records []connector.Kind
}

// declarationOf refuses what the contract does not know.
func declarationOf(program string, told *connectorv1.ConfigureResponse) (d declaration, err error) {
	var texts []string
	bad := func(format string, args ...any) { texts = append(texts, fmt.Sprintf(format, args...)) }
	d.kinds = make(map[connector.Kind]connector.Style)
	for _, k := range told.GetKinds() {
		kind := connector.Kind(k.GetKind())
		style, known := styleOf(k.GetStyle())
		switch _, twice := d.kinds[kind]; {
		case !connector.Known(kind):
			bad("%q is no kind of posting", kind)
		case !known:
			bad("%s has no style; there are level, create-once and advance", kind)
		case twice:
			bad("%s is declared twice", kind)
		}
		d.kinds[kind] = style
	}
	for _, kind := range told.GetLists() {
		if !connector.Known(connector.Kind(kind)) {
			bad("it lists %q, which is no kind of posting", kind)
		}
		d.lists = append(d.lists, connector.Kind(kind))
	}
	for _, kind := range told.GetRecords() {
		if k := connector.Kind(kind); k != connector.OrderRecord && k != connector.CustomerRecord {
			bad("it lists %q, which is no kind of record; there are %s and %s", kind, connector.OrderRecord, connector.CustomerRecord)
		}
		d.records = append(d.records, connector.Kind(kind))
	}
	for _, kind := range slices.Concat(told.GetMasterKinds(), told.GetToldKinds()) {
		if _, known := connector.ParseMasterKind(connector.MasterKindName(kind)); !known {
			bad("%s is no kind of master data", kind)
		}
	}
	if told.GetSettleTime().AsDuration() < 0 {
		bad("its settle time is negative")
	}
	if len(texts) > 0 {
		return d, fmt.Errorf("what program %s declares cannot be: %s", program, strings.Join(texts, "; "))
	}
	return d, nil
}

// differs says what another start of the program declares otherwise: what follows from it was settled when the collector began.
func (d declaration) differs(other declaration) string {
	switch {
	case !maps.Equal(d.kinds, other.kinds):
		return fmt.Sprintf("it took the postings %v, and now %v", d.kinds, other.kinds)
	case !slices.Equal(d.lists, other.lists):
		return fmt.Sprintf("it listed %v, and now %v", d.lists, other.lists)
	case !slices.Equal(d.records, other.records):
		return fmt.Sprintf("it listed the records %v, and now %v", d.records, other.records)
	}
	return ""
}
