package connector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Case is what an intake wants a person to know. The parent adds team and due time by its policy.
type Case struct {
	Class    docklinev1.FaultClass
	Severity docklinev1.Severity
	// Code is stable: source_unavailable, site_unknown.
	Code string
	// Subject is the connector's name, or the site.
	Subject, Site string
	Title, Text   string
}

// Cases makes cases the whole of what this origin says; none closes what it said before, in an earlier process too. It writes in
// the caller's transaction.
type Cases func(ctx context.Context, tx *db.Tx, tenant, origin string, cases []Case) error

// alarmAfter is how long a system may be silent before a person is told: longer than a restart of it takes.
const alarmAfter = 30 * time.Second

// tell brings the cases in line with how the last step went. While one fault lasts its case keeps its first words.
func (i *Intake) tell(ctx context.Context, failed error) error {
	if i.Cases == nil {
		return nil
	}
	cases := i.siteCases()
	switch s := i.Stats(); {
	case failed == nil:
		i.outage = nil
	case i.outage == nil && i.now().Sub(s.FaultSince) >= alarmAfter:
		i.outage = i.outageCase(s.FaultSince, failed)
	}
	if i.outage != nil {
		cases = append(cases, *i.outage)
	} else if failed != nil && i.told == nil {
		return nil // whether a former process's alarm still holds is not known yet
	}
	if i.told != nil && slices.Equal(*i.told, cases) {
		return nil
	}
	err := i.DB.Write(ctx, func(tx *db.Tx) error { return i.Cases(ctx, tx, i.Tenant, "intake/"+i.Name, cases) })
	if err != nil {
		return fmt.Errorf("intake of %s: exception: %w", i.Name, err)
	}
	i.told = &cases
	return nil
}

func (i *Intake) outageCase(since time.Time, failed error) *Case {
	c := &Case{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Severity: docklinev1.Severity_SEVERITY_ERROR, Code: "source_unavailable", Subject: i.Name,
		Title: "Nothing new arrives from " + i.Name}
	reason, remedy := failed.Error(), "See that it runs and can be reached from here."
	var fault *Fault
	if errors.As(failed, &fault) {
		reason = fault.Text
		if fault.Class != docklinev1.FaultClass_FAULT_CLASS_UNSPECIFIED {
			c.Class = fault.Class
		}
		if fault.Remedy != "" {
			remedy = sentence(fault.Remedy)
		}
	}
	c.Text = fmt.Sprintf("Since %s UTC %s could not be read (%s). Orders made or changed there are not known here and reach no site until it can. %s It closes by itself, and nothing is missed.",
		since.UTC().Format("2006-01-02 15:04"), i.Name, reason, remedy)
	return c
}

// sentence is a remedy as a sentence of its own.
func sentence(remedy string) string {
	first, size := utf8.DecodeRuneInString(remedy)
	return string(unicode.ToUpper(first)) + strings.TrimSuffix(remedy[size:], ".") + "."
}

// siteCases names the sites that the system does not know: they have no book, so their orders and counts cannot be settled.
func (i *Intake) siteCases() []Case {
	cases := []Case{}
	for site := range i.unknown {
		if i.opened[site] {
			continue
		}
		cases = append(cases, Case{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Severity: docklinev1.Severity_SEVERITY_WARNING, Code: "site_unknown",
			Subject: site, Site: site, Title: fmt.Sprintf("%s does not know the site %s", i.Name, site),
			Text: fmt.Sprintf("Its stock cannot be opened, so no count of the site can be held against a book. Make the warehouse %s in %s, or give the site the name that it has there. It closes by itself.", site, i.Name)})
	}
	slices.SortFunc(cases, func(a, b Case) int { return cmp.Compare(a.Subject, b.Subject) })
	return cases
}
