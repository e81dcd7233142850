package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/member"
)

type membersCommand struct {
	JSON bool `name:"json" help:"Print everything, for scripts."`
}

// Help is shown below the usage.
func (membersCommand) Help() string {
	return `Every collector of a database says every few seconds that it is at work; one that has not said so until HEARD UNTIL counts as gone, and the others take over its
work. Look here before and after an upgrade: which builds work side by side, and whether the new one has come. SCHEMA is the newest migration that the
build knows.`
}

// Run lists the collectors that are at work.
func (c *membersCommand) Run(all *commands) error {
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		found := []member.One{}
		if err := d.Read(ctx, func(tx *db.Tx) error {
			list, err := member.List(ctx, tx)
			found = append([]member.One{}, list...)
			return err
		}); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(struct {
				Members []member.One `json:"members"`
			}{found})
		}
		if len(found) == 0 {
			fmt.Println("No collector is at work with this database")
			return nil
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tVERSION\tSCHEMA\tSINCE\tHEARD UNTIL")
		for _, m := range found {
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", m.Name, m.Version, m.Schema, m.Since.Format(time.DateTime), m.Until.Format(time.DateTime))
		}
		return w.Flush()
	})
}
