package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/proto/event"
)

type policyTestCommand struct {
	Folder string `arg:"" type:"existingdir" help:"The policy folder; its tests are FOLDER/tests/*.yaml."`
	Update bool   `help:"Write into each test what came out. Look at the difference before you keep it."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Help is shown below the usage.
func (policyTestCommand) Help() string {
	return `Each test has facts (events of dockline.v1 as the log has them) and what is expected of them: statuses, postings and exceptions. Everything runs in this
process: no collector, no system and no database of yours is asked. policy record writes such a test from what happened.`
}

// Run ends with 1 where a test came out otherwise.
func (c *policyTestCommand) Run(all *commands) error {
	p, err := folderPolicy(all, c.Folder)
	if err != nil {
		return fmt.Errorf("%s:\n%w", c.Folder, err)
	}
	trials, err := collector.ReadTrials(c.Folder)
	if err != nil {
		return err
	}
	if len(trials) == 0 {
		return fmt.Errorf("%s has no tests: `dockline-collector policy record` writes one", filepath.Join(c.Folder, "tests"))
	}
	ctx, stop := interruptible()
	defer stop()
	results, err := collector.RunTrials(ctx, p, trials)
	if err != nil {
		return err
	}
	failed := 0
	for _, r := range results {
		if len(r.Differences) == 0 {
			continue
		}
		if c.Update && r.Got.Statuses != nil {
			trials[r.File].Expect = r.Got
			if err := collector.WriteTrial(r.File, trials[r.File]); err != nil {
				return err
			}
			fmt.Printf("%s: written anew\n", r.File)
			continue
		}
		failed++
	}
	if c.JSON {
		if err := printJSON(results); err != nil {
			return err
		}
	} else {
		for _, r := range results {
			if len(r.Differences) > 0 && (!c.Update || r.Got.Statuses == nil) {
				fmt.Printf("%s: %s\n  %s\n", r.File, r.Name, strings.Join(r.Differences, "\n  "))
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("of %d tests %d came out otherwise than expected", len(results), failed)
	}
	if !c.JSON {
		fmt.Printf("%d tests, all as expected\n", len(results))
	}
	return nil
}

type policyRecordCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Order  string `xor:"what" required:"" help:"Number of the order."`
	Key    string `xor:"what" required:"" help:"Another key: shipment/SITE/NUMBER, return/RMA."`
	Policy string `help:"The version or folder by which the expectation is made; by default the version in force."`
	Out    string `required:"" type:"path" help:"The file: FOLDER/tests/NAME.yaml."`
}

// Run writes facts and what follows from them.
func (c *policyRecordCommand) Run(all *commands) error {
	key := c.Key
	if key == "" {
		key = event.OrderKey(c.Order)
	}
	return withPolicyDesk(all, func(ctx context.Context, desk *collector.PolicyDesk) error {
		p, err := desk.Load(ctx, c.Policy)
		if err != nil {
			return err
		}
		t, err := desk.Record(ctx, c.Tenant, key, p)
		if err != nil {
			return err
		}
		if err := collector.WriteTrial(c.Out, t); err != nil {
			return err
		}
		fmt.Printf("wrote %s: %d facts, %d postings, %d exceptions\nIt holds what was told of %s, with names, places and numbers: look through it before you give it away.\n",
			c.Out, len(t.Facts), len(t.Expect.Postings), len(t.Expect.Exceptions), key)
		return nil
	})
}
