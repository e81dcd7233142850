package wmsfile

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// patience is how long a file may wait, or fail to be read or moved, before a person is told.
const patience = 10 * time.Minute

// reports is what a person should know about the folders.
type reports struct {
	folderText string
	waiting    []string
	unknown    []string
	refused    int // files in the error folder, when they were counted
	counted    time.Time
	// store is where the error folder is; shown is how a person calls the outbound folder, where that is not its path.
	store store
	shown string
	// inbox says why the inbound folder cannot be written to. One on a server is asked when something is delivered, not with every look: nil.
	inbox   func() error
	trouble map[string]trouble
	// rejected and late are orders that were sent in X12.
	rejected, late []string
	last           []*docklinev1.Condition
	since          map[string]time.Time
	// taken is when the last file was read to its end; devices are what was told last, at devicesAt.
	taken     time.Time
	devices   []*docklinev1.DeviceHealth
	devicesAt time.Time
}

// trouble is a file that cannot be read or moved.
type trouble struct {
	text  string
	since time.Time
}

func (r *reports) folder(path string, err error) {
	r.folderText = ""
	if err != nil {
		r.folderText = fmt.Sprintf("The folder %s cannot be read (%v). Make it available to the agent's service account; files are taken as soon as it is.", path, err)
	}
}

func (r *reports) unreadable(name string, err error, now time.Time) {
	r.keep(reading+name, name+" cannot be read", err, now)
}

func (r *reports) moved(name string, err error, now time.Time) {
	r.keep(moving+name, name+" was read, but cannot be put away", err, now)
}

// What a trouble is about, before the file's name.
const (
	reading = "read "
	moving  = "move "
)

// forgetGone drops the troubles of what is no longer in the folder: a person has seen to it.
func (r *reports) forgetGone(f *folder) {
	maps.DeleteFunc(r.trouble, func(key string, _ trouble) bool {
		_, name, _ := strings.Cut(key, " ")
		_, seen := f.seen[name]
		return !seen && f.odd[name] == nil
	})
}

func (r *reports) keep(key, what string, err error, now time.Time) {
	if err == nil {
		delete(r.trouble, key)
		return
	}
	if r.trouble == nil {
		r.trouble = map[string]trouble{}
	}
	since := now
	if old, ok := r.trouble[key]; ok {
		since = old.since
	}
	r.trouble[key] = trouble{fmt.Sprintf("%s (%v)", what, err), since}
}

func (r *reports) files(waiting, unknown []found, seen map[string]observed, changing map[string]time.Time, now time.Time) {
	r.waiting, r.unknown = nil, nil
	for _, f := range waiting {
		o, ok := seen[f.name]
		if at, ever := changing[f.name]; ever {
			o.since, ok = at, true // it never looks the same long enough
		}
		if ok && now.Sub(o.since) > patience {
			r.waiting = append(r.waiting, f.name)
		}
	}
	for _, f := range unknown {
		if now.Sub(f.mod) > patience {
			r.unknown = append(r.unknown, f.name)
		}
	}
}

// conditions are those in force, and whether they differ from those told last.
func (r *reports) conditions(s *setup, now time.Time) ([]*docklinev1.Condition, bool) {
	var out []*docklinev1.Condition
	if r.since == nil {
		r.since = map[string]time.Time{}
	}
	since := map[string]time.Time{}
	add := func(code, title string, severity docklinev1.Severity, text string) {
		if since[code] = r.since[code]; since[code].IsZero() {
			since[code] = now
		}
		out = append(out, &docklinev1.Condition{Code: code, Title: title, Severity: severity, Text: text, Since: timestamppb.New(since[code])})
	}
	if n := r.refusedFiles(s.Errors, now); n > 0 {
		add("files_refused", "Refused files", docklinev1.Severity_SEVERITY_WARNING,
			fmt.Sprintf("In %[2]s lie files that could not be taken whole: %[1]d. The text beside each says what is wrong and what to do; delete them once that is done.", n, s.Errors))
	}
	if len(r.waiting) > 0 {
		add("files_waiting", "Files that wait", docklinev1.Severity_SEVERITY_WARNING,
			fmt.Sprintf("%s: not complete for more than %s. See whether the WMS still writes, or its marker or rename is missing.", names(r.waiting), patience))
	}
	if len(r.unknown) > 0 {
		add("files_unknown", "Unknown files", docklinev1.Severity_SEVERITY_INFO,
			fmt.Sprintf("%s: fits no pattern of the configuration and is left where it is. Add a pattern, or take it away.", names(r.unknown)))
	}
	var stuck []string
	for _, t := range r.trouble {
		if now.Sub(t.since) >= time.Minute {
			stuck = append(stuck, t.text)
		}
	}
	if len(stuck) > 0 {
		add("files_stuck", "Files that are stuck", docklinev1.Severity_SEVERITY_ERROR,
			names(stuck)+". Close the program that holds them, or correct the rights; it is tried again all the time.")
	}
	if len(r.rejected) > 0 {
		add("x12_rejected", "Orders rejected by the partner", docklinev1.Severity_SEVERITY_ERROR,
			names(r.rejected)+". Correct what its acknowledgement names, in the system of record or in the configuration; a changed order is sent again by itself.")
	}
	if len(r.late) > 0 {
		add("x12_unacknowledged", "Orders without acknowledgement", docklinev1.Severity_SEVERITY_WARNING,
			fmt.Sprintf("%s: no acknowledgement (997) has come within %s. Ask the partner whether it has the file; where it sends none, set x12: {acknowledged_within: 0s}.", names(r.late), s.X12.Within))
	}
	r.since = since
	changed := !slices.EqualFunc(out, r.last, func(a, b *docklinev1.Condition) bool { return proto.Equal(a, b) })
	r.last = out
	return out, changed
}

// countEvery is how often the files in an error folder on a server are counted while none is added.
const countEvery = 30 * time.Second

// refusedFiles counts by their results. While the folder cannot be looked at, what was there is.
func (r *reports) refusedFiles(dir string, now time.Time) int {
	if r.store != (localStore{}) && now.Sub(r.counted) < countEvery {
		return r.refused
	}
	entries, err := r.store.names(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return r.refused
	}
	r.refused, r.counted = 0, now
	for _, e := range entries {
		if strings.HasSuffix(e, resultSuffix) {
			r.refused++
		}
	}
	return r.refused
}

func names(files []string) string {
	slices.Sort(files)
	if len(files) > 5 {
		return fmt.Sprintf("%s and %d more", strings.Join(files[:5], ", "), len(files)-5)
	}
	return strings.Join(files, ", ")
}
