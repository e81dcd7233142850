package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/policy/version"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/proto/configfile"
	"github.com/dockline/dockline/proto/event"
)

type policyCommand struct {
	Check     policyCheckCommand     `cmd:"" help:"Say everything that is wrong with a folder, with file, line and key."`
	Test      policyTestCommand      `cmd:"" help:"Run the tests of a folder: facts in, expected postings and exceptions out."`
	Record    policyRecordCommand    `cmd:"" help:"Write a test of a folder from what is recorded about an order, a shipment or a return."`
	Explain   policyExplainCommand   `cmd:"" help:"Say what holds for a tenant, site, customer or item, or was decided about an order or event, and which line decided it."`
	Decisions policyDecisionsCommand `cmd:"" help:"List what rules decided about an order and when: held, refused, limited, not told."`
	Diff      policyDiffCommand      `cmd:"" help:"Fold recorded history under two versions and say which postings and exceptions would differ."`
	Set       policySetCommand       `cmd:"" help:"Hand a folder in as a new version. Nothing follows it until it is activated."`
	Show      policyShowCommand      `cmd:"" help:"Show a version: who proposed it and why, whose yes it needs, what it says otherwise, and its files."`
	History   policyHistoryCommand   `cmd:"" help:"List the versions, the newest first."`
	Approve   policyApproveCommand   `cmd:"" help:"Say yes to a version for your team."`
	Releases  policyReleasesCommand  `cmd:"" help:"List the releases of others' systems that are ahead, and the postings, fields, mappings and sites that each touches."`
	Activate  policyActivateCommand  `cmd:"" help:"Put a version in force, also one that was before. Collectors that run take it up by themselves."`
}

// withPolicyDesk opens the configured database for one command about the policy.
func withPolicyDesk(all *commands, f func(context.Context, *collector.PolicyDesk) error) error {
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	desk, closeDesk, err := collector.OpenPolicyDesk(ctx, config)
	if err != nil {
		return err
	}
	if err := knownTenant(ctx, desk.DB, all.tenant); err != nil {
		return errors.Join(err, closeDesk())
	}
	return errors.Join(f(ctx, desk), closeDesk())
}

// folderPolicy reads a folder as the configured collector would, which names the targets where the folder does not; where there is no
// configuration the folder stands alone.
func folderPolicy(all *commands, path string) (*policy.Policy, error) {
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return policy.LoadFolder(path)
	}
	return collector.LoadPolicyFolder(config, path)
}

// find completes the name of a version.
func find(ctx context.Context, desk *collector.PolicyDesk, begin string) (v *version.Version, err error) {
	err = desk.DB.Read(ctx, func(tx *db.Tx) error {
		name, err := version.Find(ctx, tx, begin)
		if err != nil {
			return err
		}
		v, err = version.Get(ctx, tx, name)
		return err
	})
	return v, err
}

type policyCheckCommand struct {
	Folder string `arg:"" type:"existingdir" help:"The policy folder."`
	Known  bool   `help:"Also name the tenants, sites and customers that the configured collector does not know."`
	JSON   bool   `name:"json" help:"Print everything, for scripts; of a folder with faults too."`
}

// checkedJSON is what a folder came to, as --json prints it.
type checkedJSON struct {
	Folder   string      `json:"folder"`
	Version  string      `json:"version,omitempty"`
	Faults   []faultJSON `json:"faults"`
	Warnings []string    `json:"warnings"`
}

type faultJSON struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
	Key  string `json:"key,omitempty"`
	Text string `json:"text"`
}

// faulty prints the faults of a folder, where somebody reads JSON, and returns them.
func (c *policyCheckCommand) faulty(err error) error {
	var faults configfile.Faults
	if c.JSON && errors.As(err, &faults) {
		out := checkedJSON{Folder: c.Folder}
		for _, f := range faults {
			out.Faults = append(out.Faults, faultJSON{f.File, f.Line, f.Key, f.Text})
		}
		if printed := printJSON(out); printed != nil {
			return printed
		}
	}
	return foundWrong{fmt.Errorf("%s:\n%w", c.Folder, err)}
}

// Run needs neither configuration nor database, unless it is asked what is known; a configuration that is there says which targets there are.
func (c *policyCheckCommand) Run(all *commands) error {
	p, err := folderPolicy(all, c.Folder)
	if err != nil {
		return c.faulty(err)
	}
	var warnings []string
	if c.Known {
		err := withPolicyDesk(all, func(ctx context.Context, desk *collector.PolicyDesk) (err error) {
			warnings, err = desk.Warnings(ctx, p)
			return err
		})
		if err != nil {
			return err
		}
	} else {
		for _, w := range p.Warnings() {
			warnings = append(warnings, w.String())
		}
	}
	if c.JSON {
		return printJSON(checkedJSON{Folder: c.Folder, Version: p.Version, Warnings: warnings})
	}
	const most = 50
	for i, w := range warnings {
		if i == most {
			fmt.Printf("warning: %d more of this kind\n", len(warnings)-most)
			break
		}
		fmt.Println("warning:", w)
	}
	fmt.Printf("%s is right; it is version %s\n", c.Folder, p.Version)
	return nil
}

type policySetCommand struct {
	person
	Folder string `arg:"" type:"existingdir" help:"The policy folder."`
	Reason string `required:"" help:"Why, for who approves it and for those who ask later."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run refuses a folder with faults.
func (c *policySetCommand) Run(all *commands) error {
	return withPolicyDesk(all, func(ctx context.Context, desk *collector.PolicyDesk) error {
		p, err := desk.Load(ctx, c.Folder)
		if err != nil {
			return fmt.Errorf("%s:\n%w", c.Folder, err)
		}
		v, fresh, err := desk.Propose(ctx, p, c.name(), c.Reason)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(v)
		}
		if !fresh {
			fmt.Printf("version %s is there already, proposed by %s: %s\n", v.Version, v.ProposedBy, v.Reason)
		} else {
			fmt.Printf("proposed version %s\n", v.Version)
		}
		for _, w := range desk.Untargeted(p) {
			fmt.Println("warning:", w)
		}
		printNext(os.Stdout, v)
		return nil
	})
}

// printNext says what is to be done before a version can be in force.
func printNext(out io.Writer, v *version.Version) {
	for _, d := range v.Missing() {
		fmt.Fprintf(out, "It needs the yes of team %s, since it %s: dockline-collector policy approve %s --team %s\n", d.Team, d.Why, v.Version, d.Team)
	}
	switch v.State {
	case version.Proposed, version.Approved:
		fmt.Fprintf(out, "See first what it would do: dockline-collector policy diff %s; then: dockline-collector policy activate %s --reason WHY\n", v.Version, v.Version)
	case version.InForce:
		fmt.Fprintln(out, "It is in force.")
	case version.Former:
		fmt.Fprintf(out, "It was in force before; to go back to it: dockline-collector policy activate %s --reason WHY\n", v.Version)
	}
}

type policyApproveCommand struct {
	person
	Version string `arg:"" help:"The version, or the beginning of its name."`
	Team    string `required:"" help:"The team that says yes; policy show names those that are asked."`
	Reason  string `help:"What was looked at, for those who ask later."`
}

// Run keeps the yes.
func (c *policyApproveCommand) Run(all *commands) error {
	return withPolicyDesk(all, func(ctx context.Context, desk *collector.PolicyDesk) error {
		found, err := find(ctx, desk, c.Version)
		if err != nil {
			return err
		}
		v, err := desk.Approve(ctx, found.Version, c.Team, c.name(), c.Reason)
		if err != nil {
			return err
		}
		fmt.Printf("team %s has said yes to version %s\n", c.Team, v.Version)
		printNext(os.Stdout, v)
		return nil
	})
}

type policyActivateCommand struct {
	person
	Version string `arg:"" help:"The version, or the beginning of its name."`
	Reason  string `required:"" help:"Why, for those who ask later."`
	DryRun  bool   `help:"Only say what it would do at once."`
	JSON    bool   `name:"json" help:"Print everything, for scripts."`
}

// Help is shown below the usage.
func (policyActivateCommand) Help() string {
	return `What is folded already stays under the version that it was first folded under: a new version changes no order that is there, and no document. It holds for
what is told of for the first time from now on. At once, only what waits because a code or unit was unknown is looked at again. policy diff says what the
version would make of recorded history; replay moves orders to it.`
}

// Run shows what would happen at once, and does it.
func (c *policyActivateCommand) Run(all *commands) error {
	return withPolicyDesk(all, func(ctx context.Context, desk *collector.PolicyDesk) error {
		v, err := find(ctx, desk, c.Version)
		if err != nil {
			return err
		}
		p, err := desk.Load(ctx, v.Version)
		if err != nil {
			return err
		}
		plan, err := desk.Plan(ctx, p)
		if err != nil {
			return err
		}
		changed := false
		if !c.DryRun {
			if changed, err = desk.Activate(ctx, v.Version, c.name(), c.Reason); err != nil {
				return err
			}
		}
		if c.JSON {
			return printJSON(struct {
				Version   string          `json:"version"`
				Activated bool            `json:"activated"`
				Plan      *collector.Plan `json:"plan"`
			}{v.Version, changed, plan})
		}
		printPlan(os.Stdout, plan)
		for _, w := range desk.Untargeted(p) {
			fmt.Println("warning:", w)
		}
		switch {
		case c.DryRun:
			fmt.Printf("version %s was not activated\n", v.Version)
		case changed:
			fmt.Printf("version %s is in force\n", v.Version)
		default:
			fmt.Printf("version %s was in force already\n", v.Version)
		}
		return nil
	})
}

func printPlan(out io.Writer, plan *collector.Plan) {
	const most = 20
	for i, change := range plan.Changes {
		if i == most {
			fmt.Fprintf(out, "and %d more values\n", len(plan.Changes)-most)
			break
		}
		fmt.Fprintln(out, change)
	}
	fmt.Fprintf(out, "folded again at once, because a code or unit was unknown: %d\n", plan.Again)
	printCounts(out, &plan.Diffed)
}

type policyShowCommand struct {
	Version string `arg:"" optional:"" help:"The version, or the beginning of its name; by default the one in force."`
	Files   bool   `help:"Also print its files."`
	JSON    bool   `name:"json" help:"Print everything, for scripts."`
}

// Run prints one version.
func (c *policyShowCommand) Run(all *commands) error {
	return withPolicyDesk(all, func(ctx context.Context, desk *collector.PolicyDesk) error {
		v, err := find(ctx, desk, c.Version)
		if err != nil {
			return err
		}
		p, err := desk.Load(ctx, v.Version)
		if err != nil {
			return err
		}
		before := v.Base
		if len(v.Activations) > 0 {
			before = v.Activations[len(v.Activations)-1].Former
		}
		var changes []policy.Change
		if before != "" {
			base, err := desk.Load(ctx, before)
			if err != nil {
				return err
			}
			changes = base.Changes(p)
		}
		if c.JSON {
			return printJSON(struct {
				*version.Version
				Changes []policy.Change   `json:"changes"`
				Files   map[string]string `json:"files"`
			}{v, changes, p.Files()})
		}
		printVersion(os.Stdout, v)
		if before != "" {
			fmt.Printf("Against version %s:\n", before)
		}
		for _, change := range changes {
			fmt.Println(" ", change)
		}
		if c.Files {
			for _, name := range policy.FileNames() {
				fmt.Printf("\n== %s\n%s", name, p.Files()[name])
			}
		}
		return nil
	})
}

func printVersion(out io.Writer, v *version.Version) {
	fmt.Fprintf(out, "Version %s is %s.\n", v.Version, v.State)
	if v.ProposedBy != "" {
		fmt.Fprintf(out, "Proposed by %s at %s: %s\n", v.ProposedBy, v.ProposedAt.Format(clockFormat), v.Reason)
	}
	for _, a := range v.Approvals {
		fmt.Fprintf(out, "Yes of team %s by %s at %s, in the place of version %s. %s\n", a.Team, a.By, a.At.Format(clockFormat), a.Base, a.Reason)
	}
	for _, a := range v.Activations {
		fmt.Fprintf(out, "In force for %s since %s, offset %d, by %s. %s\n", a.Tenant, a.At.Format(clockFormat), a.Offset, a.By, a.Reason)
	}
	if v.State != version.InForce {
		printNext(out, v)
	}
}

const clockFormat = "2006-01-02 15:04:05"

type policyHistoryCommand struct {
	JSON bool `name:"json" help:"Print everything, for scripts."`
}

// Run lists every version.
func (c *policyHistoryCommand) Run(all *commands) error {
	return withPolicyDesk(all, func(ctx context.Context, desk *collector.PolicyDesk) error {
		var list []*version.Version
		err := desk.DB.Read(ctx, func(tx *db.Tx) (err error) {
			list, err = version.List(ctx, tx)
			return err
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(list)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "VERSION\tSTATE\tPROPOSED BY\tAPPROVED BY\tIN FORCE SINCE\tOFFSET\tBY\tREASON")
		for _, v := range list {
			var yes []string
			for _, a := range v.Approvals {
				yes = append(yes, a.Team+" ("+a.By+")")
			}
			since, offset, by, reason := "-", "-", "-", v.Reason
			if n := len(v.Activations); n > 0 {
				a := v.Activations[n-1]
				since, offset, by = a.At.Format(clockFormat), fmt.Sprint(a.Offset), a.By
				if a.Reason != "" {
					reason = a.Reason
				}
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v.Version, v.State, dash(v.ProposedBy), dash(strings.Join(yes, ", ")), since, offset, by, dash(reason))
		}
		return w.Flush()
	})
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return strings.ReplaceAll(text, "\n", " ")
}

type policyDecisionsCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Order  string `xor:"what" required:"" help:"Number of the order."`
	Key    string `xor:"what" required:"" help:"Another key: shipment/SITE/NUMBER, return/RMA."`
	All    bool   `help:"Also those that no longer hold."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run lists them in the order in which they were made.
func (c *policyDecisionsCommand) Run(all *commands) error {
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		key := c.Key
		if key == "" {
			key = event.OrderKey(c.Order)
		}
		var list []reconcile.Decision
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			if list, err = reconcile.Decisions(ctx, tx, c.Tenant, key); err != nil || len(list) > 0 {
				return err
			}
			var n int
			err = tx.QueryRow(ctx, `SELECT COUNT(*) FROM state WHERE tenant = ? AND fold_key = ?`, c.Tenant, key).Scan(&n)
			if err == nil && n == 0 {
				err = wrong("nothing is known of %s of tenant %s", key, c.Tenant)
			}
			return err
		})
		if err != nil {
			return err
		}
		if err := markBuiltIn(ctx, d, list); err != nil {
			return err
		}
		kept := []reconcile.Decision{}
		for _, each := range list {
			if c.All || each.Ended.IsZero() {
				kept = append(kept, each)
			}
		}
		if c.JSON {
			return printJSON(kept)
		}
		return printDecisions(os.Stdout, kept)
	})
}

// markBuiltIn says of each rule whether its file is the one that ships.
func markBuiltIn(ctx context.Context, d *db.DB, list []reconcile.Decision) error {
	versions := make(map[string]*policy.Policy)
	return d.Read(ctx, func(tx *db.Tx) error {
		for i, each := range list {
			p := versions[each.Version]
			if p == nil {
				var err error
				if p, err = version.Load(ctx, tx, each.Version); errors.Is(err, version.ErrUnknown) {
					continue // a test's
				} else if err != nil {
					return err
				}
				versions[each.Version] = p
			}
			list[i].Rule.BuiltIn = p.BuiltIn(each.Rule.File)
		}
		return nil
	})
}

func printDecisions(out io.Writer, list []reconcile.Decision) error {
	if len(list) == 0 {
		fmt.Fprintln(out, "No rule has held, refused, limited or left out anything.")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AT\tWHAT\tABOUT\tOUTCOME\tRULE\tVERSION\tFROM")
	for _, d := range list {
		outcome := d.Outcome
		if !d.Ended.IsZero() {
			outcome += " until " + d.Ended.Format(clockFormat)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.At.Format(clockFormat), strings.ReplaceAll(d.Decision, "_", " "), d.Subject, outcome, d.Rule, d.Version, d.Inputs)
	}
	return w.Flush()
}
