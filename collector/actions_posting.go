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
	}}
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
