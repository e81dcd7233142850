package ownership

import (
	"slices"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Answer is who owns something, and by which rule.
type Answer struct {
	// About is what was asked for: a field, a change of status, a kind of fact, or an object.
	About string
	// Owners are those who may state it, the record first.
	Owners []Role
	// By is what the rule names: "field", "transition" or "kind".
	By string
	// Key is where the rule stands in ownership.yaml.
	Key string
}

// Owner is the record.
func (a Answer) Owner() Role {
	if len(a.Owners) == 0 {
		return ""
	}
	return a.Owners[0]
}

// Known tells whether there is such a field, change of status, kind of fact or object.
func Known(about string) bool {
	if _, ok := event.ParseKind(about); ok || strings.Contains(about, ">") {
		return ok || transitionOf(about) != nil
	}
	object, field, one := strings.Cut(about, ".")
	return slices.Contains(Objects(), object) && (!one || slices.ContainsFunc(Fields(object), func(name string) bool { return name == field || strings.HasPrefix(name, field+".") }))
}

// All are everything that can be asked about: kinds of facts, changes of status, and fields with their objects, sorted.
func All() []string {
	var all []string
	for _, kind := range event.Kinds() {
		all = append(all, event.KindName(kind))
	}
	for i := range transitions {
		all = append(all, transitions[i].Name())
	}
	for _, object := range Objects() {
		for _, field := range Fields(object) {
			all = append(all, object+"."+field)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Matches tells whether a pattern of ownership.yaml names a field or a change of status, by the name that All has for it.
func Matches(pattern, about string) bool {
	if t := transitionOf(about); t != nil {
		return namesTransition(pattern, t)
	}
	object, field, _ := strings.Cut(about, ".")
	return slices.Contains(Fields(object), field) && namesField(pattern, about)
}

func transitionOf(name string) *Transition {
	at := slices.IndexFunc(transitions, func(t Transition) bool { return t.Name() == name })
	if at < 0 {
		return nil
	}
	return &transitions[at]
}

// About says who owns a field, a change of status, a kind of fact or an object: by the rule that names it, or else by that of the facts that
// tell of it. ok is false where no rule does.
func (r *Registry) About(about string) (a Answer, ok bool) {
	if kind, is := event.ParseKind(about); is {
		return r.answer(about, "kind", r.kinds[kind])
	}
	if t := transitionOf(about); t != nil {
		if at := r.transition(t); at >= 0 {
			return r.answer(about, "transition", at)
		}
		return r.answer(about, "kind", r.kinds[t.kinds[0]])
	}
	object, field, _ := strings.Cut(about, ".")
	if !Known(about) {
		return Answer{About: about}, false
	}
	if at := r.field(object + "." + field); at >= 0 {
		return r.answer(about, "field", at)
	}
	for _, kind := range kindsOf(object) {
		if at := r.kinds[kind]; at >= 0 {
			return r.answer(about, "kind", at)
		}
	}
	return Answer{About: about}, false
}

func (r *Registry) answer(about, by string, at int) (Answer, bool) {
	if at < 0 {
		return Answer{About: about}, false
	}
	return Answer{About: about, By: by, Owners: r.rules[at].Owners, Key: r.rules[at].Key}, true
}

// Writing is what one role may state in facts of one kind.
type Writing struct {
	// tell: by the rule of the kind; changes are those of its changes of status that have rules of their own.
	tell    bool
	changes []ruledChange
	// Foreign are the fields of which others are the record, by name, where the fact itself may be stated; Own those that the role may state
	// where it may not state the fact.
	Foreign, Own map[string]bool
}

type ruledChange struct {
	of   *Transition
	rule int
	may  bool
}

func (r *Registry) write(kind docklinev1.EventKind, role Role) *Writing {
	w := &Writing{tell: r.Allows(kind, role), Foreign: make(map[string]bool), Own: make(map[string]bool)}
	for i := range transitions {
		if t := &transitions[i]; slices.Contains(t.kinds, kind) {
			if at := r.transition(t); at >= 0 {
				w.changes = append(w.changes, ruledChange{t, at, slices.Contains(r.rules[at].Owners, role)})
			}
		}
	}
	object := ObjectOf(kind)
	for _, field := range schema[object] {
		switch at := r.field(object + "." + field); {
		case at < 0:
		case slices.Contains(r.rules[at].Owners, role):
			w.Own[field] = true
		default:
			w.Foreign[field] = true
		}
	}
	return w
}

// Writing is what a role may state in facts of a kind.
func (r *Registry) Writing(kind docklinev1.EventKind, role Role) *Writing {
	if w := r.writing[of{kind, role}]; w != nil {
		return w
	}
	return &Writing{tell: true}
}

// May tells whether a role may state a fact of a kind with a word (Word), apart from its fields: where rules name the changes of status that
// it makes, by those, else by that of its kind. denied is what it may not, where it may not.
func (r *Registry) May(kind docklinev1.EventKind, role Role, word string) (ok bool, denied Answer) {
	w := r.Writing(kind, role)
	ruled := false
	for _, c := range w.changes {
		if !c.of.makes(kind, word) {
			continue
		}
		if !c.may {
			denied, _ = r.answer(c.of.Name(), "transition", c.rule)
			return false, denied
		}
		ruled = true
	}
	if ruled || w.tell {
		return true, Answer{}
	}
	about := event.KindName(kind)
	for i := range transitions { // the change of status says better than the kind what was claimed
		if t := &transitions[i]; t.makes(kind, word) {
			about = t.Name()
			break
		}
	}
	denied, _ = r.About(about)
	return false, denied
}
