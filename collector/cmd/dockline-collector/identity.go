package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/downlink"
	"github.com/dockline/dockline/collector/enrol"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/identity"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

type identityCommand struct {
	Status identityStatusCommand `cmd:"" default:"1" help:"Show the authority that signs sites, and during a rotation which sites are not on the next one."`
	Rotate identityRotateCommand `cmd:"" help:"Make the next authority. Sites get it beside the one in force, and a new certificate of it; when all have, the former one is retired by itself."`
	Retire identityRetireCommand `cmd:"" help:"Retire the former authority now, also where sites are not on the next one yet."`
}

type identityStatusCommand struct {
	JSON bool `name:"json" help:"Print everything, for scripts."`
}

// Run lists authorities and who is behind.
func (c *identityStatusCommand) Run(all *commands) error {
	return withAuthority(all, func(ctx context.Context, a *identity.Authority, f *fleet.Fleet) error {
		status := struct {
			Authorities []identity.Root `json:"authorities"`
			Fingerprint string          `json:"fingerprint"`
			Behind      []enrol.Behind  `json:"behind"`
		}{Authorities: a.Roots(), Fingerprint: a.Fingerprint(), Behind: []enrol.Behind{}}
		if a.Rotating() {
			behind, err := (&enrol.Store{DB: f.DB}).Behind(ctx, a.Signer())
			if err != nil {
				return err
			}
			status.Behind = append(status.Behind, behind...)
		}
		if c.JSON {
			return printJSON(status)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "AUTHORITY\tUNTIL\tWHAT IT DOES")
		for _, r := range status.Authorities {
			does := map[[2]bool]string{{true, true}: "proves the broker, signs sites", {true, false}: "proves the broker; former sites' certificates count", {false, true}: "signs sites"}[[2]bool{r.Proves, r.Signs}]
			fmt.Fprintf(w, "%.12s\t%s\t%s\n", r.KeyID, r.NotAfter.Format(time.DateOnly), does)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		fmt.Printf("fingerprint for enrolment: %s\n", status.Fingerprint)
		if a.Rotating() {
			printBehind(status.Behind)
		}
		return nil
	})
}

func printBehind(behind []enrol.Behind) {
	if len(behind) == 0 {
		fmt.Println("every site is on the next authority; a running collector retires the former one within seconds")
		return
	}
	fmt.Printf("%d sites are not on the next authority:\n", len(behind))
	for _, b := range behind {
		fmt.Printf("  %s/%s %s\n", b.Tenant, b.Site, b.Text)
	}
}

type identityRotateCommand struct {
	person
	Reason string `help:"Why, for those who ask later."`
}

// Run makes the next authority and asks every site to come for it.
func (c *identityRotateCommand) Run(all *commands) error {
	return withAuthority(all, func(ctx context.Context, a *identity.Authority, f *fleet.Fleet) error {
		var behind []enrol.Behind
		err := c.everywhere(ctx, f.DB, "identity.rotate", a.Signer(), c.Reason, func(ctx context.Context) (_ map[string]any, err error) {
			if err := a.Rotate(); err != nil {
				return nil, err
			}
			made := map[string]any{"next": a.Signer()}
			if behind, err = (&enrol.Store{DB: f.DB}).Behind(ctx, a.Signer()); err != nil {
				return made, err
			}
			return made, f.DB.Write(ctx, func(tx *db.Tx) error { return callForRenewal(ctx, tx, behind) })
		})
		if err != nil {
			return err
		}
		fmt.Printf("the next authority %.12s signs sites from now on; %d sites are asked to come for it, those that are offline when they are back.\nSee who has not: dockline-collector identity status\n", a.Signer(), len(behind))
		return nil
	})
}

// callForRenewal tells the sites to come for a certificate of the next authority.
func callForRenewal(ctx context.Context, tx *db.Tx, behind []enrol.Behind) error {
	for _, b := range behind {
		if _, _, err := downlink.SubmitIn(ctx, tx, &docklinev1.Command{Tenant: b.Tenant, Site: b.Site,
			Work: &docklinev1.Command_RenewIdentity{RenewIdentity: &docklinev1.RenewIdentity{Reason: "the authority is being replaced"}}}, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

type identityRetireCommand struct {
	person
	Reason string `help:"Why, for those who ask later."`
	Force  bool   `help:"Also where sites are not on the next authority: these need a new token afterwards."`
}

// Run retires, where nobody would be shut out by it or that is wanted.
func (c *identityRetireCommand) Run(all *commands) error {
	return withAuthority(all, func(ctx context.Context, a *identity.Authority, f *fleet.Fleet) error {
		if err := c.mayEverywhere(ctx, f.DB); err != nil {
			return err
		}
		if !a.Rotating() {
			return identity.ErrNotRotating
		}
		behind, err := (&enrol.Store{DB: f.DB}).Behind(ctx, a.Signer())
		if err != nil {
			return err
		}
		if len(behind) > 0 {
			printBehind(behind)
			if !c.Force {
				return fmt.Errorf("%d sites would be shut out; wait for them, or --force", len(behind))
			}
		}
		err = c.everywhere(ctx, f.DB, "identity.retire", a.Signer(), c.Reason, func(context.Context) (map[string]any, error) {
			return map[string]any{"sites_shut_out": len(behind)}, a.Retire()
		})
		if err != nil {
			return err
		}
		fmt.Printf("the authority is now %.12s alone; the former one's files are kept as retired-*\n", a.Signer())
		return nil
	})
}

func withAuthority(all *commands, f func(context.Context, *identity.Authority, *fleet.Fleet) error) error {
	return withFleet(all, func(ctx context.Context, config *collector.Config, sites *fleet.Fleet) error {
		a, err := collector.OpenAuthority(config)
		if err != nil {
			return err
		}
		return f(ctx, a, sites)
	})
}
