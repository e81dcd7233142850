package sweep

import (
	"context"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// report ends a run: what is unexplained is valued, healed where it may be, and becomes exceptions, which those of the run before give way to.
func (s *Sweep) report(ctx context.Context, tx *db.Tx, t *Target, r *Run) error {
	found, err := Findings(ctx, tx, r.Number, true)
	if err != nil {
		return err
	}
	for i := range found {
		f := &found[i]
		f.Owner = s.Centre.Owner(r.Tenant, f)
		if f.Order != "" && len(f.Lines) > 0 {
			if f.Value, err = s.Centre.Worth(ctx, tx, r.Tenant, f.Order, f.Lines); err != nil {
				return err
			}
		}
		if f.Healing = s.Centre.Heals(r.Tenant, t, f); f.Healing == "" {
			continue
		}
		did, err := s.Centre.Heal(ctx, tx, r.Tenant, t, f)
		if err != nil {
			return err
		}
		if did {
			r.Healed++
		} else {
			f.Healing = ""
		}
	}
	if err := r.add(ctx, tx, found, nil); err != nil {
		return err
	}
	sites, err := r.sites(ctx, tx)
	if err != nil {
		return err
	}
	for _, site := range sites {
		of := slices.DeleteFunc(slices.Clone(found), func(f Finding) bool { return f.Site != site })
		if err := s.Centre.Report(ctx, tx, r.Tenant, "sweep/"+t.Name+"/"+site, t, of); err != nil {
			return err
		}
	}
	if err := s.Centre.Unended(ctx, tx, r.Tenant, t, r.Endless); err != nil {
		return err
	}
	before, err := runs(ctx, tx, `tenant = ? AND target = ? AND site = ? AND phase = 'done' AND fault = '' ORDER BY number DESC LIMIT 1`, r.Tenant, r.Target, r.Site)
	if err != nil {
		return err
	}
	if len(before) > 0 {
		r.Before = before[0].Number
	}
	r.Phase, r.EndedAt = done, s.now().Truncate(time.Microsecond)
	return r.prune(ctx, tx)
}

// sites are those about whose exceptions the run says everything: its own, or all of which any run that is kept has found something.
func (r *Run) sites(ctx context.Context, tx *db.Tx) ([]string, error) {
	if r.Site != "" {
		return []string{r.Site}, nil
	}
	return tx.Texts(ctx, `SELECT DISTINCT f.site FROM sweep_finding f JOIN sweep_run r ON r.number = f.run WHERE r.tenant = ? AND r.target = ? AND f.cause = '' ORDER BY 1`, r.Tenant, r.Target)
}

// Report is a run with what it found and how that compares with the run before.
type Report struct {
	*Run
	Missing   int `json:"missing"`
	Extra     int `json:"extra"`
	Different int `json:"different"`
	// ByPending and ByGap are explained; Unexplained are not.
	ByPending   int `json:"explained_by_pending"`
	ByGap       int `json:"explained_by_gap"`
	Unexplained int `json:"unexplained"`
	// UnexplainedQuantity is their sum, in millionths of base units of whatever item.
	UnexplainedQuantity int64     `json:"unexplained_quantity_millionths"`
	Findings            []Finding `json:"findings"`
	// New, StillThere and Gone are the subjects of what is unexplained, held against the run before; all are new where there was none.
	New        []string `json:"new"`
	StillThere []string `json:"still_there"`
	Gone       []string `json:"gone"`
}

// ReportOf reads a run whole.
func ReportOf(ctx context.Context, tx *db.Tx, r *Run) (*Report, error) {
	out := &Report{Run: r, New: []string{}, StillThere: []string{}, Gone: []string{}}
	var err error
	if out.Findings, err = Findings(ctx, tx, r.Number, false); err != nil {
		return nil, err
	}
	before := map[string]bool{}
	if r.Before != 0 {
		former, err := Findings(ctx, tx, r.Before, true)
		if err != nil {
			return nil, err
		}
		for _, f := range former {
			before[f.Subject] = true
		}
	}
	for _, f := range out.Findings {
		out.count(&f)
		switch {
		case f.Cause != Unexplained:
		case before[f.Subject]:
			out.StillThere = append(out.StillThere, f.Subject)
			before[f.Subject] = false
		default:
			out.New = append(out.New, f.Subject)
		}
	}
	for subject, gone := range before {
		if gone && !slices.Contains(out.StillThere, subject) {
			out.Gone = append(out.Gone, subject)
		}
	}
	slices.Sort(out.Gone)
	return out, nil
}

// Reports reads a tenant's runs with their counts and without their findings, the newest first; an empty target is all.
func Reports(ctx context.Context, tx *db.Tx, tenant, target string, limit int) ([]*Report, error) {
	found, err := List(ctx, tx, tenant, target, limit)
	if err != nil {
		return nil, err
	}
	out := make([]*Report, len(found))
	for i, r := range found {
		if out[i], err = ReportOf(ctx, tx, r); err != nil {
			return nil, err
		}
		out[i].Findings = []Finding{}
	}
	return out, nil
}

func (r *Report) count(f *Finding) {
	switch f.Result {
	case Missing:
		r.Missing++
	case Extra:
		r.Extra++
	case Different:
		r.Different++
	}
	switch f.Cause {
	case Pending:
		r.ByPending++
	case Gap:
		r.ByGap++
	default:
		r.Unexplained++
		r.UnexplainedQuantity += f.Quantity
	}
}
