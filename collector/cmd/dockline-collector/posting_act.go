package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/posting"
)

type postingRetryCommand struct {
	act
	Posting string        `arg:"" optional:"" help:"TARGET/KIND/KEY of one posting; without it a job tries all again of which the flags are true."`
	Target  string        `help:"The system, for a job."`
	Kind    string        `help:"Only of this kind."`
	Code    string        `help:"Only with this fault."`
	Site    string        `help:"Only of this site."`
	State   []string      `help:"Only in these states; by default rejected and blocked."`
	Since   string        `help:"Only what has stood so since a time (2026-03-01T06:00:00Z), or so long ago (36h)."`
	Until   string        `help:"Only what stood so before a time."`
	Wait    time.Duration `help:"Wait so long for what comes of it; exit code 1 where it is not confirmed."`
}

// Run tries one again, or starts a job.
func (c *postingRetryCommand) Run(all *commands) error {
	if (c.Posting == "") == (c.Target == "") {
		return wrong("name one posting, or --target for a job")
	}
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		if c.Posting != "" {
			return c.one(ctx, d)
		}
		if err := d.Read(ctx, func(tx *db.Tx) error { return checkPostings(ctx, tx, all, c.Tenant, c.Target, c.Kind, c.Site) }); err != nil {
			return err
		}
		return c.job(ctx, d)
	})
}

func (c *postingRetryCommand) one(ctx context.Context, d *db.DB) error {
	ref, err := postingRef(c.Posting)
	if err != nil {
		return err
	}
	now := time.Now()
	err = d.Write(ctx, func(tx *db.Tx) error {
		if err := people.Allow(ctx, tx, c.Tenant, c.name(), people.PostingAct); err != nil {
			return err
		}
		if err := posting.Retry(ctx, tx, c.Tenant, ref, now); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Tenant: c.Tenant, By: c.name(), Action: "posting.retry", Object: "posting/" + ref.String(), Reason: c.Reason}, now)
	})
	if err != nil {
		return err
	}
	if c.Wait == 0 {
		fmt.Printf("%s is tried again at once\n", ref)
		return nil
	}
	e, err := posting.Verdict(ctx, d, c.Tenant, ref, c.Wait)
	if err != nil {
		return err
	}
	if err := explain(ctx, d, e); err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(jsonOf(e))
	} else {
		err = printPostings(os.Stdout, []posting.Entry{*e})
	}
	if err == nil && e.State != posting.Confirmed {
		var why []string
		for _, text := range []string{e.Waits, e.Fault.Text} {
			if text != "" {
				why = append(why, text)
			}
		}
		err = fmt.Errorf("%s is %s after %s: %s", ref, e.State, c.Wait, cmp.Or(strings.Join(why, "; "), "it has had no answer yet; `posting show` says how it stands"))
	}
	return err
}

// explain says what a posting waits for.
func explain(ctx context.Context, d *db.DB, e *posting.Entry) error {
	list := []posting.Entry{*e}
	err := d.Read(ctx, func(tx *db.Tx) error { return posting.Explain(ctx, tx, list, time.Now()) })
	*e = list[0]
	return err
}

func (c *postingRetryCommand) job(ctx context.Context, d *db.DB) error {
	a := posting.Again{Target: c.Target, Kind: connector.Kind(c.Kind), Code: c.Code, Site: c.Site}
	for _, s := range c.State {
		if !slices.Contains(posting.States(), posting.State(s)) {
			return wrong("--state %q: one of %v", s, posting.States())
		}
		a.States = append(a.States, posting.State(s))
	}
	now := time.Now()
	for _, m := range []struct {
		flag, text string
		into       *time.Time
	}{{"--since", c.Since, &a.Since}, {"--until", c.Until, &a.Until}} {
		if m.text == "" {
			continue
		}
		at, err := moment(m.flag, m.text, now)
		if err != nil {
			return err
		}
		*m.into = at
	}
	var job *posting.Job
	err := d.Write(ctx, func(tx *db.Tx) (err error) {
		job, err = posting.Start(ctx, tx, c.say(), a, now)
		return err
	})
	if err != nil {
		return err
	}
	if !c.JSON {
		fmt.Printf("job %d tries %d postings to %s again; `dockline-collector posting jobs --tenant %s` shows how far it is, `posting cancel %d` ends it\n", job.ID, job.Total, c.Target, c.Tenant, job.ID)
	}
	if c.Wait > 0 {
		if job, err = awaitJob(ctx, d, job, c.Wait); err != nil {
			return err
		}
	}
	if c.JSON {
		return printJSON(job)
	}
	if c.Wait > 0 {
		return printJobs([]*posting.Job{job})
	}
	return nil
}

// awaitJob waits until a job has taken up everything, and nothing that it tried is under way.
func awaitJob(ctx context.Context, d *db.DB, job *posting.Job, patience time.Duration) (*posting.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			job, err = posting.JobOf(ctx, tx, job.Tenant, job.ID)
			return err
		})
		if err != nil {
			return nil, err
		}
		if job.Ended() {
			return job, nil
		}
		select {
		case <-ctx.Done():
			text := fmt.Sprintf("job %d goes on: %d of %d taken up after %s", job.ID, job.LookedAt, job.Total, patience)
			if job.Waits != "" {
				text += "; " + job.Waits
			}
			return job, errors.New(text)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

type postingWaiveCommand struct {
	act
	Posting string `arg:"" help:"TARGET/KIND/KEY, as the list prints it."`
}

// Run leaves it as it stands.
func (c *postingWaiveCommand) Run(all *commands) error {
	ref, err := postingRef(c.Posting)
	if err != nil {
		return err
	}
	return c.do(all, fmt.Sprintf("%s is left as it stands in %s until what is wanted of it changes", ref, ref.Target), func(ctx context.Context, tx *db.Tx, now time.Time) error {
		return posting.Waive(ctx, tx, c.say(), ref, now)
	})
}

type postingAgainCommand struct {
	act
	Posting string `arg:"" help:"TARGET/KIND/KEY, as the list prints it."`
}

// Run posts it again where the target does not have it any longer.
func (c *postingAgainCommand) Run(all *commands) error {
	ref, err := postingRef(c.Posting)
	if err != nil {
		return err
	}
	return c.do(all, fmt.Sprintf("%s is looked for in %s, and posted again where it is not in force there; `posting show` says what came of it", ref, ref.Target),
		func(ctx context.Context, tx *db.Tx, now time.Time) error {
			if err := people.Allow(ctx, tx, c.Tenant, c.name(), people.PostingAct); err != nil {
				return err
			}
			if err := posting.PostAgain(ctx, tx, c.Tenant, ref, now); err != nil {
				return err
			}
			return audit.Record(ctx, tx, audit.Act{Tenant: c.Tenant, By: c.name(), Action: "posting.post_again", Object: "posting/" + ref.String(), Reason: c.Reason}, now)
		})
}

// do does something in one transaction and says what.
func (a act) do(all *commands, said string, f func(context.Context, *db.Tx, time.Time) error) error {
	return withTenant(all, a.Tenant, func(ctx context.Context, d *db.DB) error {
		now := time.Now()
		if err := d.Write(ctx, func(tx *db.Tx) error { return f(ctx, tx, now) }); err != nil {
			return err
		}
		if a.JSON {
			return printJSON(map[string]string{"done": said})
		}
		fmt.Println(said)
		return nil
	})
}

type postingPauseCommand struct {
	act
	Target string `arg:"" help:"Name of the connector."`
}

// Run pauses a target that there is.
func (c *postingPauseCommand) Run(all *commands) error {
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(config.Connectors, func(n collector.ConnectorConfig) bool { return n.Name == c.Target && n.Tenant == c.Tenant }) {
		return wrong("tenant %s has no connector %s in %s", c.Tenant, c.Target, all.Config)
	}
	return c.do(all, fmt.Sprintf("%s is told nothing and asked nothing about postings until `posting resume %s`; what is under way is settled first", c.Target, c.Target),
		func(ctx context.Context, tx *db.Tx, now time.Time) error {
			return posting.Hold(ctx, tx, c.say(), c.Target, now)
		})
}

type postingResumeCommand struct {
	act
	Target string `arg:"" help:"Name of the connector."`
}

// Run ends a pause.
func (c *postingResumeCommand) Run(all *commands) error {
	return c.do(all, c.Target+" is told again what waits for it", func(ctx context.Context, tx *db.Tx, now time.Time) error {
		return posting.Resume(ctx, tx, c.say(), c.Target, now)
	})
}

type postingJobsCommand struct {
	postingsOf
	Job   int64 `arg:"" optional:"" help:"Only this one."`
	Limit int   `default:"20" help:"How many, the newest first."`
}

// Run lists jobs with their progress.
func (c *postingJobsCommand) Run(all *commands) error {
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		var list []*posting.Job
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			if c.Job == 0 {
				list, err = posting.Jobs(ctx, tx, c.Tenant, c.Limit)
				return err
			}
			one, err := posting.JobOf(ctx, tx, c.Tenant, c.Job)
			list = []*posting.Job{one}
			return err
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(append([]*posting.Job{}, list...))
		}
		return printJobs(list)
	})
}

func printJobs(list []*posting.Job) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "JOB\tTARGET\tSTATE\tTAKEN UP\tCAME TO\tBY\tWHY")
	for _, j := range list {
		var came []string
		for s, n := range j.Came {
			came = append(came, fmt.Sprintf("%d %s", n, s))
		}
		slices.Sort(came)
		fmt.Fprintf(w, "%d\t%s\t%s\t%d of %d\t%s\t%s\t%s\n", j.ID, j.Again.Target, j.State, j.LookedAt, j.Total, strings.Join(came, ", "), j.By, j.Reason)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, j := range list {
		if j.Waits != "" {
			fmt.Printf("job %d waits: %s\n", j.ID, j.Waits)
		}
	}
	return nil
}

type postingCancelCommand struct {
	act
	Job int64 `arg:"" help:"Number of the job."`
}

// Run ends a job.
func (c *postingCancelCommand) Run(all *commands) error {
	return c.do(all, fmt.Sprintf("job %d is cancelled", c.Job), func(ctx context.Context, tx *db.Tx, now time.Time) error {
		_, err := posting.Cancel(ctx, tx, c.say(), c.Job, now)
		return err
	})
}

type postingTimingCommand struct {
	postingsOf
	Since string `default:"24h" help:"What was confirmed since a time, or so long ago."`
}

// Run prints one line for each target, kind and class.
func (c *postingTimingCommand) Run(all *commands) error {
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		now := time.Now()
		since, err := moment("--since", c.Since, now)
		if err != nil {
			return err
		}
		list := []posting.Took{}
		if err := d.Read(ctx, func(tx *db.Tx) (err error) {
			list, err = posting.Timings(ctx, tx, c.Tenant, since, now)
			return err
		}); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(list)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(w, "TARGET\tKIND\tCLASS\tMAY TAKE\tCONFIRMED\tP50\tP95\tLONGEST\tLATE\tWAITING\tOVERDUE\t")
		for _, t := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%d\t%d\t%d\t\n", t.Target, t.Kind, t.Class, t.Within, t.N, t.P50.Round(time.Millisecond), t.P95.Round(time.Millisecond),
				t.Longest.Round(time.Millisecond), t.Late, t.Waiting, t.Overdue)
		}
		return w.Flush()
	})
}

type postingCutoffCommand struct {
	postingsOf
	Target string `help:"Only in this system."`
	Limit  int    `default:"200" help:"How many, the newest first."`
}

// Run prints the cut-off list.
func (c *postingCutoffCommand) Run(all *commands) error {
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		var list []posting.Cutoff
		if err := d.Read(ctx, func(tx *db.Tx) (err error) {
			list, err = posting.Cutoffs(ctx, tx, c.Tenant, c.Target, c.Limit)
			return err
		}); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(append([]posting.Cutoff{}, list...))
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "HAPPENED ON\tPOSTED ON\tTARGET\tKIND\tREFERENCE\tSITE\tWHY")
		for _, x := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.HappenedOn, x.PostedOn, x.Target, x.Kind, x.Reference, x.Site, x.Reason)
		}
		return w.Flush()
	})
}
