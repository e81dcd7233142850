package collector

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/shape"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// newShapes looks how the systems' records are made.
func (m *Collector) newShapes() *shape.Watch {
	w := &shape.Watch{DB: m.db, Report: m.reportShape, Now: m.now, Log: m.log.With("part", "shape")}
	for _, s := range m.connectors {
		w.Targets = append(w.Targets, &shape.Target{Tenant: s.config.Tenant, Name: s.config.Name, Connector: s.governed, Timeout: s.config.Timeout})
	}
	return w
}

// mostShapeChanges is how many changes the text of a case names.
const mostShapeChanges = 20

// reportShape makes it one case for a system that its records are made otherwise than they were.
func (m *Collector) reportShape(ctx context.Context, tx *db.Tx, tenant, target string, since time.Time, changes []connector.Change) error {
	var desired []exception.Desired
	if len(changes) > 0 {
		desired = append(desired, m.owned(tenant, shape.Code, docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, severityOf(changes), exception.Desired{Target: target, Subject: "records of " + target,
			Title: fmt.Sprintf("%s of %s %s made otherwise than before", event.Several(len(changes), "field"), target, event.Are(len(changes))),
			Text: fmt.Sprintf("%s tells since %s of its records: %s. See whether what is sent there and read from there still fits (dockline-collector connector try %s --tenant %s), correct the connector where it does not, "+
				"then say so: dockline-collector connector shape accept %s --tenant %s --reason WHY. It closes by itself where the system goes back to how it was.",
				target, since.UTC().Format("2006-01-02 15:04 MST"), changesInWords(changes), target, tenant, target, tenant)}))
	}
	return m.report(ctx, tx, tenant, "shape/"+target, desired)
}

func severityOf(changes []connector.Change) docklinev1.Severity {
	for _, c := range changes {
		if c.Breaks {
			return docklinev1.Severity_SEVERITY_ERROR
		}
	}
	return docklinev1.Severity_SEVERITY_WARNING
}

// changesInWords names what may break first.
func changesInWords(changes []connector.Change) string {
	var words []string
	for _, breaks := range []bool{true, false} {
		for _, c := range changes {
			if c.Breaks == breaks && len(words) < mostShapeChanges {
				words = append(words, c.Field+" "+c.Text)
			}
		}
	}
	if rest := len(changes) - len(words); rest > 0 {
		words = append(words, fmt.Sprintf("and %d more (dockline-collector connector shape show)", rest))
	}
	return strings.Join(words, "; ")
}

// OpenShapes opens the configured database for a command about how records are made, with the systems where they are to be asked. The caller closes it.
func OpenShapes(ctx context.Context, c *Config, systems bool) (*shape.Watch, func() error, error) {
	m, err := openForCommand(ctx, c, systems)
	if err != nil {
		return nil, nil, err
	}
	if systems {
		govern(m.connectors, m.now, m.share)
	}
	return m.newShapes(), func() error {
		if systems {
			m.giveUpShares(ctx)
		}
		return m.Close()
	}, nil
}

// AcceptShape takes for right how a system's records are made now.
func AcceptShape(ctx context.Context, w *shape.Watch, tenant, target, by, reason string) (s shape.State, err error) {
	err = w.DB.Write(ctx, func(tx *db.Tx) error {
		if err := people.Allow(ctx, tx, tenant, by, people.PostingAct); err != nil {
			return err
		}
		now := w.Now()
		if s, err = shape.Accept(ctx, tx, w.Report, tenant, target, by, now); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Tenant: tenant, By: by, Action: "connector.shape.accept", Object: "connector/" + target, Reason: reason, Detail: map[string]any{"changes": s.Changes}}, now)
	})
	return s, err
}
