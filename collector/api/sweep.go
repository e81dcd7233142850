package api

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/submission"
	"github.com/dockline/dockline/collector/sweep"
)

// Sweep begins a comparison of a system within the caller's transaction, where the person may, and recorded.
type Sweep func(ctx context.Context, tx *db.Tx, tenant, target, site, by string, now time.Time) (*sweep.Run, error)

// Sweeps answers GET /api/v1/sweeps?target=NAME&limit=N: comparisons of systems with what they should hold, the newest first, with their counts and
// what is new, still there and gone since the one before, and without their findings. At most 100 are answered.
type Sweeps struct {
	Sweeps []*sweep.Report `json:"sweeps"`
}

func (s *server) sweeps(q *request) (any, error) {
	var out Sweeps
	err := s.DB.Read(q.Context(), func(tx *db.Tx) (err error) {
		out.Sweeps, err = sweep.Reports(q.Context(), tx, q.tenant, q.query.Get("target"), min(q.limit, 100))
		return err
	})
	return out, err
}

// sweep answers GET /api/v1/sweeps/{number} with one of them, whole.
func (s *server) sweep(q *request) (any, error) {
	number, err := strconv.ParseInt(q.PathValue("number"), 10, 64)
	if err != nil || number < 1 {
		return nil, bad("%q: give the number of a run, as /api/v1/sweeps has it.", q.PathValue("number"))
	}
	var out *sweep.Report
	err = s.DB.Read(q.Context(), func(tx *db.Tx) error {
		r, err := sweep.Read(q.Context(), tx, q.tenant, number)
		if err != nil {
			return err
		}
		out, err = sweep.ReportOf(q.Context(), tx, r)
		return err
	})
	return out, err
}

// beginSweep is POST /api/v1/sweeps: {"target": "erp", "site": "dc-east", "by": "ines"}. The run goes on by itself; Location is where it can be asked for.
func (s *server) beginSweep(q *request, tx *db.Tx, body []byte) (done, error) {
	if s.Sweep == nil {
		return done{}, nobodyHere
	}
	var in struct {
		Target string `json:"target"`
		Site   string `json:"site"`
		By     string `json:"by"`
	}
	if err := strict(body, &in); err != nil {
		return done{}, err
	}
	if in.Target == "" {
		return done{}, submission.Faults{{Field: "target", Text: "is missing; name the system that is to be compared"}}
	}
	r, err := s.Sweep(q.Context(), tx, q.tenant, in.Target, in.Site, cmp.Or(in.By, policy.API), s.now())
	if err != nil {
		return done{}, err
	}
	return done{http.StatusAccepted, "/api/v1/sweeps/" + strconv.FormatInt(r.Number, 10), r, s.Swept}, nil
}
