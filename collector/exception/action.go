package exception

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
)

// Action is something that a person can do about exceptions. Whoever owns what it changes describes it; the parent gathers all of them.
type Action struct {
	// Name is what people and programs call it by: "retry".
	Name string
	// Title says in a few words what it does, with a capital: "Send it again".
	Title string
	// Scope is what the person must be allowed, of package people; "" is people.ExceptionAct.
	Scope string
	// Sets are the values that it takes, beside who and why.
	Sets []Set
	// Propose are the values that it takes about one exception, in the place of Sets, with the choices that there are. Nil is Sets.
	Propose func(ctx context.Context, tx *db.Tx, e *Exception) ([]Set, error)
	// For says whether it is ever something to do about this exception: by origin and code, without asking the database. Nil is always.
	For func(e *Exception) bool
	// Allowed is nil where it can be done now; else its error says in plain words why it cannot, and what would help. Nil is always.
	Allowed func(ctx context.Context, tx *db.Tx, e *Exception) error
	// Do does it in the caller's transaction, and says in one sentence what has become of it. It need not look at For and Allowed, nor
	// record anything.
	Do func(ctx context.Context, tx *db.Tx, e *Exception, a Acting) (string, error)
}

// Set is a value that an action takes: --set quantity=5.
type Set struct {
	Name     string `json:"name"`
	Help     string `json:"help"`
	Required bool   `json:"required,omitempty"`
	// Choices are the values that it may have here, the best first; none is any.
	Choices []string `json:"choices,omitempty"`
}

// Acting is who does something about an exception, and how.
type Acting struct {
	By, Reason string
	// Set are the values by name; names that the action does not take are refused.
	Set map[string]string
	Now time.Time
}

// Offer is an action as it can be done about one exception.
type Offer struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Scope string `json:"scope"`
	Sets  []Set  `json:"sets,omitempty"`
	// Not says why it cannot be done now; "" where it can.
	Not string `json:"not,omitempty"`
	// How says by which command or in which system it is done, where it is not an action of an exception.
	How string `json:"how,omitempty"`
}

// Errors of Actions.Act.
var (
	ErrNoAction  = errors.New("there is no such action")
	ErrNotNow    = errors.New("cannot be done now")
	ErrIncorrect = errors.New("called in a wrong way")
)

// refusal is why an action cannot be done about one exception; it may well be about another.
type refusal struct {
	number uint64
	err    error
}

func (r *refusal) Error() string { return fmt.Sprintf("exception %d: %v", r.number, r.err) }
func (r *refusal) Unwrap() error { return r.err }

// IsRefusal tells what hinders one exception from what hinders all.
func IsRefusal(err error) bool {
	_, ok := errors.AsType[*refusal](err)
	return ok
}

// Why is the reason of a refusal, without the number.
func Why(err error) string {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.err.Error()
	}
	return err.Error()
}

// Actions are all that can be done, in the order in which people are offered them.
type Actions []Action

// Offers are the actions that there are for an exception, those that cannot be done now with the reason. Of several with one name the first
// that is for it counts, here and in Act.
func (all Actions) Offers(ctx context.Context, tx *db.Tx, e *Exception) []Offer {
	var offers []Offer
	offered := make(map[string]bool)
	for _, a := range all {
		if a.For != nil && !a.For(e) || offered[a.Name] {
			continue
		}
		offered[a.Name] = true
		o := Offer{Name: a.Name, Title: a.Title, Scope: a.scope(), Sets: a.Sets}
		if a.Propose != nil {
			sets, err := a.Propose(ctx, tx, e)
			if err != nil {
				o.Not = err.Error()
			}
			o.Sets = sets
		}
		if a.Allowed != nil && o.Not == "" {
			if err := a.Allowed(ctx, tx, e); err != nil {
				o.Not = err.Error()
			}
		}
		offers = append(offers, o)
	}
	return offers
}

// Act does an action about an exception, where the person may and where it can be done now, and records it. It returns the action's own
// sentence.
func (all Actions) Act(ctx context.Context, tx *db.Tx, tenant string, number uint64, name string, acting Acting) (string, error) {
	e, err := Get(ctx, tx, tenant, number)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(all, func(a Action) bool { return a.Name == name && (a.For == nil || a.For(e)) })
	if i < 0 {
		return "", &refusal{number, fmt.Errorf("%s: %q: %w; there are %s", e.Code, name, ErrNoAction, strings.Join(all.names(e), ", "))}
	}
	a := all[i]
	if err := people.Allow(ctx, tx, tenant, acting.By, a.scope()); err != nil {
		return "", err
	}
	if a.Propose != nil {
		if a.Sets, err = a.Propose(ctx, tx, e); err != nil {
			return "", &refusal{number, fmt.Errorf("%s %w: %w", name, ErrNotNow, err)}
		}
	}
	if err := a.takes(acting); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if a.Allowed != nil {
		if err := a.Allowed(ctx, tx, e); err != nil {
			return "", &refusal{number, fmt.Errorf("%s %w: %w", name, ErrNotNow, err)}
		}
	}
	said, err := a.Do(ctx, tx, e, acting)
	if err != nil {
		return "", &refusal{number, fmt.Errorf("%s: %w", name, err)}
	}
	detail := map[string]any{"code": e.Code, "subject": e.Subject, "state": e.State}
	if len(acting.Set) > 0 {
		detail["set"] = acting.Set
	}
	return said, audit.Record(ctx, tx, audit.Act{Tenant: tenant, By: acting.By, Action: "exception." + name, Object: fmt.Sprintf("exception/%d", number),
		Reason: acting.Reason, Detail: detail}, acting.Now)
}

// Names are those of all actions, sorted.
func (all Actions) Names() []string {
	var names []string
	for _, a := range all {
		names = append(names, a.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (all Actions) names(e *Exception) []string {
	var names []string
	for _, a := range all {
		if a.For == nil || a.For(e) {
			names = append(names, a.Name)
		}
	}
	return names
}

func (a *Action) scope() string {
	if a.Scope == "" {
		return people.ExceptionAct
	}
	return a.Scope
}

// takes holds what is given against what the action takes.
func (a *Action) takes(acting Acting) error { return Takes(a.Sets, acting) }

// Takes holds what is given against what something takes.
func Takes(sets []Set, acting Acting) error {
	if acting.Reason == "" {
		return fmt.Errorf("%w: say why (reason)", ErrIncorrect)
	}
	var names []string
	for _, s := range sets {
		names = append(names, s.Name)
		if s.Required && acting.Set[s.Name] == "" {
			return fmt.Errorf("%w: %s is missing: %s%s", ErrIncorrect, s.Name, s.Help, among(s.Choices))
		}
		if value := acting.Set[s.Name]; value != "" && len(s.Choices) > 0 && !slices.Contains(s.Choices, value) {
			return fmt.Errorf("%w: %s %q%s", ErrIncorrect, s.Name, value, among(s.Choices))
		}
	}
	for name := range acting.Set {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%w: %s; it takes %s", ErrIncorrect, name, strings.Join(append(names, "nothing else"), ", "))
		}
	}
	return nil
}

// among names the choices that there are.
func among(choices []string) string {
	if len(choices) == 0 {
		return ""
	}
	return ": one of " + strings.Join(choices, ", ")
}
