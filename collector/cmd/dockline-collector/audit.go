package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
)

type auditCommand struct {
	List   auditListCommand   `cmd:"" help:"List what people did, the newest first."`
	Verify auditVerifyCommand `cmd:"" help:"Hold every act against its hash: says the first that was changed, taken out or put in."`
	Export auditExportCommand `cmd:"" help:"Write every act with its hash, one JSON object a line. Kept elsewhere, it shows later whether the trail was made anew."`
}

type auditListCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	By     string `help:"Only what one person did."`
	Action string `help:"Only one kind of act, as posting.retry."`
	Object string `help:"Only what was done to one thing, as exception/17."`
	Since  string `help:"Only since a time (2026-03-01T06:00:00Z), or how long ago (36h)."`
	Limit  int    `default:"100" help:"How many."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run lists.
func (c *auditListCommand) Run(all *commands) error {
	f := audit.Filter{By: c.By, Action: c.Action, Object: c.Object, Limit: c.Limit}
	if c.Since != "" {
		var err error
		if f.Since, err = moment("--since", c.Since, time.Now()); err != nil {
			return err
		}
	}
	return withTrail(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		found := []audit.Entry{}
		err := d.Read(ctx, func(tx *db.Tx) error {
			list, err := audit.List(ctx, tx, c.Tenant, f)
			found = append(found, list...)
			return err
		})
		switch {
		case err != nil:
			return err
		case c.JSON:
			return printJSON(found)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "N\tAT\tBY\tACTION\tOBJECT\tREASON")
		for _, e := range found {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", e.N, stamp(e.At), e.By, e.Action, e.Object, orElse(strings.ReplaceAll(e.Reason, "\n", "; "), "-"))
		}
		return w.Flush()
	})
}

type auditVerifyCommand struct {
	Tenant  string   `help:"Name of the tenant; without it all."`
	Against string   `type:"existingfile" help:"A file that audit export wrote: what was kept then must still be there."`
	Anchor  []string `placeholder:"TENANT:N:HASH" help:"What a former audit verify printed: it must still be so."`
	JSON    bool     `name:"json" help:"Print where each trail ends, for scripts."`
}

// Run verifies each tenant's trail; the exit code is 1 where one is broken.
func (c *auditVerifyCommand) Run(all *commands) error {
	anchors, err := c.anchors()
	if err != nil {
		return err
	}
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		ends, broken := []audit.Anchor{}, []error{}
		err := d.Read(ctx, func(tx *db.Tx) error {
			tenants, err := audit.Tenants(ctx, tx)
			if err != nil {
				return err
			}
			for _, a := range anchors { // of whose trail nothing may be left
				tenants = append(tenants, a.Tenant)
			}
			seen := map[string]bool{}
			for _, tenant := range tenants {
				if seen[tenant] || c.Tenant != "" && tenant != c.Tenant {
					continue
				}
				seen[tenant] = true
				end, err := audit.Verify(ctx, tx, tenant, anchors...)
				if err != nil && !errors.Is(err, audit.ErrBroken) {
					return err
				}
				ends, broken = append(ends, end), append(broken, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if c.JSON {
			if err := printJSON(ends); err != nil {
				return err
			}
			return errors.Join(broken...)
		}
		for i, end := range ends {
			if broken[i] == nil {
				fmt.Printf("tenant %s: %d acts, each as it was recorded. Keep this elsewhere and give it to --anchor later: %s:%d:%s\n", end.Tenant, end.N, end.Tenant, end.N, end.Hash)
			}
		}
		return errors.Join(broken...)
	})
}

// anchors are those of the flags and of the file.
func (c *auditVerifyCommand) anchors() ([]audit.Anchor, error) {
	var all []audit.Anchor
	for _, text := range c.Anchor {
		parts := strings.Split(text, ":")
		if len(parts) != 3 {
			return nil, wrong("--anchor %q: give what audit verify printed, TENANT:N:HASH", text)
		}
		n, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("--anchor %q: %w", text, err)
		}
		all = append(all, audit.Anchor{Tenant: parts[0], N: n, Hash: parts[2]})
	}
	if c.Against == "" {
		return all, nil
	}
	file, err := os.Open(c.Against)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	for in := json.NewDecoder(bufio.NewReader(file)); ; {
		var e audit.Entry
		err := in.Decode(&e)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Against, err)
		}
		all = append(all, audit.Anchor{Tenant: e.Tenant, N: e.N, Hash: e.Hash})
	}
}

type auditExportCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
}

// Run writes to the standard output.
func (c *auditExportCommand) Run(all *commands) error {
	return withTrail(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		out := bufio.NewWriter(os.Stdout)
		lines := json.NewEncoder(out)
		err := d.Read(ctx, func(tx *db.Tx) error {
			return audit.Walk(ctx, tx, c.Tenant, func(e audit.Entry) error { return lines.Encode(e) })
		})
		return errors.Join(err, out.Flush())
	})
}
