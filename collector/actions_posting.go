package collector

import (
	"context"
	"fmt"
	"strings"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/sweep"
)

// postingActions are what can be done about the exceptions of postings.
func postingActions() exception.Actions {
	return exception.Actions{{
		Name: "retry", Title: "Send it again, or look for it again", Scope: people.PostingAct, For: ofPosting,
		Do: func(ctx context.Context, tx *db.Tx, e *exception.Exception, a exception.Acting) (string, error) {
			ref, _ := postingOf(e.Origin)
			if err := posting.Retry(ctx, tx, e.Tenant, ref, a.Now); err != nil {
				return "", err
			}
			return fmt.Sprintf("%s goes to %s again at once", ref.Key, ref.Target), nil
		},
	}, {
		Name: "waive", Title: "Leave it as it stands in the target", Scope: people.PostingAct, For: ofPosting,
		Do: func(ctx context.Context, tx *db.Tx, e *exception.Exception, a exception.Acting) (string, error) {
			ref, _ := postingOf(e.Origin)
			if err := posting.SetAside(ctx, tx, e.Tenant, ref, a.Now); err != nil {
				return "", err
			}
			return fmt.Sprintf("%s is left as it stands in %s until what is wanted of it changes", ref.Key, ref.Target), nil
		},
	}, {
		Name: "compensate", Title: "Take the document back by a reversing one, and post what is right anew", Scope: people.PostingAct, For: ofPosting,
		Allowed: func(ctx context.Context, tx *db.Tx, e *exception.Exception) error {
			ref, _ := postingOf(e.Origin)
			return posting.MayCompensate(ctx, tx, e.Tenant, ref)
		},
		Do: func(ctx context.Context, tx *db.Tx, e *exception.Exception, a exception.Acting) (string, error) {
			ref, _ := postingOf(e.Origin)
			if err := posting.Compensate(ctx, tx, posting.Say{Tenant: e.Tenant, By: a.By, Reason: a.Reason}, ref, a.Now); err != nil {
				return "", err
			}
			return fmt.Sprintf("%s is taken back in %s, after what follows from it there; what is wanted of it is then posted anew. Where %[2]s takes no reversals, this exception says so", ref.Key, ref.Target), nil
		},
	}, {
		Name: "post_again", Title: "Post it again: it was taken back or deleted in the target, and should not have been", Scope: people.PostingAct, For: ofMissing,
		Allowed: func(ctx context.Context, tx *db.Tx, e *exception.Exception) error {
			ref, _ := missingOf(e)
			return posting.MayPostAgain(ctx, tx, e.Tenant, ref)
		},
		Do: func(ctx context.Context, tx *db.Tx, e *exception.Exception, a exception.Acting) (string, error) {
			ref, _ := missingOf(e)
			if err := posting.PostAgain(ctx, tx, e.Tenant, ref, a.Now); err != nil {
				return "", err
			}
			return saidPostAgain(ref), nil
		},
	}}
}

// saidPostAgain says what becomes of a posting that is posted again.
func saidPostAgain(ref posting.Ref) string {
	return fmt.Sprintf("%s is looked for in %s, and posted again where it is not in force there; the next sweep of %[2]s closes this exception", ref.Key, ref.Target)
}

func ofMissing(e *exception.Exception) bool {
	_, ok := missingOf(e)
	return ok
}

// missingOf is the posting that a sweep's exception says is missing in its target.
func missingOf(e *exception.Exception) (posting.Ref, bool) {
	kind, key, ok := strings.Cut(e.Subject, " ")
	ref := posting.Ref{Target: e.Target, Kind: connector.Kind(kind), Key: key}
	return ref, ok && e.Code == sweep.CodeMissing && strings.HasPrefix(e.Origin, "sweep/") && ref.Kind != connector.OrderRecord && posting.CanPostAgain(ref.Kind)
}

func ofPosting(e *exception.Exception) bool {
	_, ok := postingOf(e.Origin)
	return ok
}

// postingOf is the posting whose exceptions have this origin.
func postingOf(origin string) (posting.Ref, bool) {
	rest, ok := strings.CutPrefix(origin, "posting/")
	parts := strings.SplitN(rest, "/", 3)
	if !ok || len(parts) != 3 {
		return posting.Ref{}, false
	}
	return posting.Ref{Target: parts[0], Kind: connector.Kind(parts[1]), Key: parts[2]}, true
}
