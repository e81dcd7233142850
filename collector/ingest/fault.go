package ingest

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// Codes of the exceptions that ingest opens.
const (
	CodeUnknownSite       = "unknown_site"
	CodeUnreadableMessage = "unreadable_message"
	CodeForeignIdentity   = "foreign_identity"
	CodeRefusedEnvelope   = "refused_envelope"
	CodeForkedJournal     = "forked_journal"
	CodeTwoHosts          = "two_hosts"
	CodeDatabaseRestored  = "database_restored"
	CodeManyJournals      = "many_journals"
)

const technical = docklinev1.FaultClass_FAULT_CLASS_TECHNICAL

func (b *batch) fault(t wire.Topic, origin string, e Exception) {
	e.Class, e.Site = technical, t.Site
	if e.Severity == docklinev1.Severity_SEVERITY_UNSPECIFIED {
		e.Severity = docklinev1.Severity_SEVERITY_ERROR
	}
	b.faults[originKey{t.Tenant, origin}] = e
}

func unknownOrigin(s siteKey) string { return "ingest/unknown/" + s.site }

func refusedOrigin(s siteKey) string { return "ingest/refused/" + s.site }

// unknownSite: the certificate was good, so the site was known once, or on another database.
func (b *batch) unknownSite(t wire.Topic) {
	if t.Name != wire.Status {
		b.refuse(t.Tenant, t.Site, &docklinev1.Refusal{Reason: docklinev1.RefusalReason_REFUSAL_REASON_WRONG_SITE,
			Text: fmt.Sprintf("site %s/%s is not known here", t.Tenant, t.Site)})
	}
	b.fault(t, unknownOrigin(siteKey{t.Tenant, t.Site}), Exception{Code: CodeUnknownSite, Subject: t.Tenant + "/" + t.Site,
		Title: "A site that is not known: " + t.Tenant + "/" + t.Site,
		Text: fmt.Sprintf("An agent that calls itself site %s of tenant %s sends events, but there is no such site. Nothing is taken; the agent keeps what it has. "+
			"Add the site (dockline-collector site add), or stop that agent.", t.Site, t.Tenant)})
}

// garbage: bytes that are no message of ours.
func (b *batch) garbage(t wire.Topic, payload []byte, why string) {
	b.refuse(t.Tenant, t.Site, &docklinev1.Refusal{Reason: docklinev1.RefusalReason_REFUSAL_REASON_UNREADABLE,
		Text: fmt.Sprintf("%d bytes on %s cannot be read", len(payload), t.Name)})
	name := t.Name
	if name != wire.Hello && name != wire.Events && name != wire.Status {
		name = "other" // who sends chooses it: one case for all
	}
	b.fault(t, "ingest/unreadable/"+t.Site+"/"+name, Exception{Code: CodeUnreadableMessage, Subject: wire.Topic{Tenant: t.Tenant, Site: t.Site, Name: name}.String(),
		Title: fmt.Sprintf("Site %s sends what cannot be read", t.Site),
		Text: fmt.Sprintf("%d bytes on topic %s are no message of this protocol (%s; they begin with %s). They were refused and nothing of them was kept. "+
			"See what else uses the certificate of site %s, and which version its agent has.", len(payload), t, why, begin(payload), t.Site)})
}

func begin(payload []byte) string {
	if len(payload) == 0 {
		return "nothing"
	}
	return hex.EncodeToString(payload[:min(len(payload), 24)])
}

// otherSite: a message on the topic of one site that says it is of another. The topic is held to the certificate by the broker.
func (b *batch) otherSite(t wire.Topic, tenant, site, what string) {
	b.refuse(t.Tenant, t.Site, &docklinev1.Refusal{Reason: docklinev1.RefusalReason_REFUSAL_REASON_WRONG_SITE,
		Text: fmt.Sprintf("the %s says %.64q/%.64q, its topic is of %s/%s", what, tenant, site, t.Tenant, t.Site)})
	b.fault(t, "ingest/identity/"+t.Site, Exception{Code: CodeForeignIdentity, Subject: t.Tenant + "/" + t.Site,
		Title: fmt.Sprintf("Site %s claims to be another one", t.Site),
		Text: fmt.Sprintf("A message (%s) that came with the identity of site %s/%s says that it is of %.64q/%.64q. It was refused. Compare tenant and id in that agent's "+
			"agent.yaml with its certificate; if they are right, somebody else uses the certificate: replace it.", what, t.Tenant, t.Site, tenant, site)})
}

// lie: an envelope whose header does not fit its content. The agent still has the good copy and sends it again.
func (b *batch) lie(t wire.Topic, refusal *docklinev1.Refusal) {
	b.refuse(t.Tenant, t.Site, refusal)
	b.fault(t, refusedOrigin(siteKey{t.Tenant, t.Site}), Exception{Code: CodeRefusedEnvelope, Subject: t.Tenant + "/" + t.Site,
		Severity: docklinev1.Severity_SEVERITY_WARNING,
		Title:    fmt.Sprintf("Envelopes of site %s are refused", t.Site),
		Text: fmt.Sprintf("%s. The agent keeps the events and sends them again; this closes with the next good envelope. If it stays, look at the line and at the agent's disk.",
			refusal.GetText())})
}

// tellAgain is after how long a fault that goes on is reported again.
const tellAgain = time.Minute

// reportFaults opens the cases of this batch, each origin once a minute at most, and closes those of sites whose envelopes are
// good again. What it did is kept in memory by remember, after the commit.
func (i *Ingest) reportFaults(ctx context.Context, tx *db.Tx, b *batch) error {
	for key, e := range b.faults {
		if i.c.Now().Sub(i.told[key.tenant+" "+key.origin]) < tellAgain {
			continue
		}
		if err := i.report(ctx, tx, key.tenant, key.origin, []Exception{e}); err != nil {
			return err
		}
	}
	for s := range b.good {
		if _, bad := b.faults[originKey{s.tenant, refusedOrigin(s)}]; bad || i.settled[s] {
			continue
		}
		if err := i.report(ctx, tx, s.tenant, refusedOrigin(s), nil); err != nil {
			return err
		}
	}
	return nil
}

func (i *Ingest) remember(b *batch) {
	for _, s := range b.agreed {
		i.agreed[s] = i.incarnation
	}
	for s := range b.good {
		i.settled[s] = true
		delete(i.told, s.tenant+" "+refusedOrigin(s))
	}
	for key, e := range b.faults {
		name := key.tenant + " " + key.origin
		if i.c.Now().Sub(i.told[name]) >= tellAgain {
			i.told[name] = i.c.Now()
		}
		if e.Code == CodeRefusedEnvelope {
			i.settled[siteKey{key.tenant, e.Site}] = false
		}
		i.c.Slog.Warn(e.Title, "site", e.Site, "code", e.Code)
	}
}
