package sweep

import (
	"context"
	"fmt"
	"strings"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
)

// ask reads postings back one by one: those that a list lacks, or, where the connector lists nothing of the kind, all.
func (s *Sweep) ask(ctx context.Context, t *Target, r *Run, kind connector.Kind, counted func(), save saving) error {
	var lacking []Finding
	var expected []Expected
	var find map[string]*connector.Posting
	listed := !contains(r.NotListed, string(kind))
	err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		a := Ask{Tenant: r.Tenant, Target: r.Target, Site: r.Site, Kind: kind, Since: r.Since, After: r.afterPlace, Limit: askPage}
		if listed {
			if lacking, err = r.toAsk(ctx, tx, askPage); err != nil || len(lacking) == 0 {
				return err
			}
			a.Keys = []string{}
			for _, f := range lacking {
				a.Keys = append(a.Keys, f.Key)
			}
		}
		if expected, err = s.Centre.Expected(ctx, tx, a); err != nil {
			return err
		}
		find, err = s.Centre.Find(ctx, tx, a)
		return err
	})
	if err != nil {
		return err
	}
	if listed && len(lacking) == 0 || !listed && len(expected) == 0 {
		r.next()
		return save(nil)
	}
	began := s.now()
	var found []Finding
	matched := int64(0)
	for i := range expected {
		e := &expected[i]
		r.afterPlace = e.Place
		got, err := t.Connector.Find(ctx, find[e.Key])
		if err != nil {
			return fmt.Errorf("look for %s of %s in %s: %w", e.Key, kind, t.Name, err)
		}
		f, ok := Comparison{System: t.Name, Kind: kind, Began: began}.readBack(e, got)
		if !ok {
			matched++
			continue
		}
		found = append(found, f)
	}
	counted()
	r.Matched += matched
	return save(func(tx *db.Tx) error {
		if err := r.answered(ctx, tx, lacking); err != nil {
			return err
		}
		return r.add(ctx, tx, found, nil)
	})
}

func contains(list []string, what string) bool {
	for _, each := range list {
		if each == what {
			return true
		}
	}
	return false
}

// readBack compares one posting with what Find found; ok is false where they agree.
func (c Comparison) readBack(e *Expected, found []connector.Found) (Finding, bool) {
	var documents []connector.Listed
	differs := ""
	for _, f := range found {
		documents = append(documents, connector.Listed{Reference: e.Reference, Number: f.Document.GetNumber(), Draft: f.Draft, Reversed: f.Reversed, Version: f.SourceVersion})
		if !f.Complete && !f.Draft && !f.Reversed {
			differs = f.Difference
			if differs == "" {
				differs = "it says something else"
			}
		}
	}
	f, ok := c.expected(e, documents)
	switch {
	case ok:
		f.Absent = f.Result == Missing && len(found) == 0
		return f, true
	case differs == "":
		return f, false
	}
	// The connector says what differs only in words.
	f.Result, f.Number, f.Version, f.Quantity = Different, documents[0].Number, documents[0].Version, 0
	f.Details = []Detail{{"content", "as it was posted", differs}}
	f.Text = fmt.Sprintf("%s %s, number %s in %s, is not what was posted: %s.", capital(e.Kind), e.Key, f.Number, c.System, strings.TrimSuffix(differs, "."))
	if !e.Settled {
		f.Cause, f.Because = Pending, []string{e.posting(c.System)}
		f.Text += " This explains it: " + e.Why + "."
	}
	return f, true
}
