// Package wmsfile connects a warehouse system that speaks files: it reads what the system drops into its outbound folder, and
// writes orders, cancellations and count requests into its inbound folder.
package wmsfile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/mapping"
	"github.com/dockline/dockline/plugins/wms-file/delimited"
	"github.com/dockline/dockline/plugins/wms-file/structured"
	"github.com/dockline/dockline/plugins/work"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Config is the plugin's section of agent.yaml; sample.yaml has a sentence on every key.
type Config struct {
	Outbound string        `yaml:"outbound"`
	Inbound  string        `yaml:"inbound"`
	Archive  string        `yaml:"archive"`
	Errors   string        `yaml:"errors"`
	Poll     time.Duration `yaml:"poll"`
	Settle   time.Duration `yaml:"settle"`
	Complete Complete      `yaml:"complete"`
	// MustHold is a file that outbound and inbound must have, "" for none: what lacks it is the empty folder under a share that is not mounted.
	MustHold string   `yaml:"must_hold"`
	MaxMB    int      `yaml:"max_mb"`
	Defaults Defaults `yaml:"defaults"`
	Files    []File   `yaml:"files"`
	Commands Commands `yaml:"commands"`
	X12      Exchange `yaml:"x12"`
	// SFTP is nil where the folders are on this machine.
	SFTP *SFTP `yaml:"sftp"`
}

// Complete says when a file is.
type Complete struct {
	// By is stable (size and time have not changed for Stable), rename (the WMS writes under another name and renames)
	// or marker (a file with the same name and Marker behind it lies beside it).
	By     string        `yaml:"by"`
	Stable time.Duration `yaml:"stable"`
	Marker string        `yaml:"marker"`
	// Ignore are patterns of names that are never taken.
	Ignore []string `yaml:"ignore"`
}

// Defaults stand for what a file or command does not say itself.
type Defaults struct {
	delimited.Format `yaml:",inline"`
	Number           mapping.Number `yaml:"number"`
	Date             mapping.Dates  `yaml:"date"`
	Zone             string         `yaml:"zone"`
}

// File is one sort of file that the WMS writes.
type File struct {
	// Name is a part of every event's key: it is never changed.
	Name    string `yaml:"name"`
	Pattern string `yaml:"pattern"`

	// Form is csv (the default, for all delimited text), json, jsonl, xml or x12.
	Form string `yaml:"form"`

	delimited.Format `yaml:",inline"`
	mapping.Spec     `yaml:",inline"`

	// Records says where the records of JSON and XML are.
	Records structured.Format `yaml:",inline"`

	// Sets are the transaction sets that are read of files in X12; none stands for all that are built in.
	Sets []SetMapping `yaml:"sets"`

	// Header names the columns of files that have no header line.
	Header    []string `yaml:"header"`
	SkipLines int      `yaml:"skip_lines"`
	// Trailer begins the line that closes a complete file.
	Trailer      string `yaml:"trailer"`
	FinalNewline bool   `yaml:"require_final_newline"`
	MovesStock   *bool  `yaml:"moves_stock"`
}

// The forms of files; formCSV is all delimited text.
const (
	formCSV       = "csv"
	formJSON      = "json"
	formJSONLines = "jsonl"
	formXML       = "xml"
	formX12       = "x12"
)

// isRecords says that a form has records rather than lines of cells.
func isRecords(form string) bool {
	return form == formJSON || form == formJSONLines || form == formXML
}

const (
	byStable = "stable"
	byRename = "rename"
	byMarker = "marker"
)

func defaultConfig() Config {
	return Config{
		Poll: time.Second, Settle: 15 * time.Minute, MaxMB: 64,
		X12:      Exchange{Version: "004010", AckFile: "997-{control}.edi", Within: 4 * time.Hour, Item: "VN", Bin: "main"},
		Complete: Complete{By: byStable, Stable: 2 * time.Second, Marker: ".done", Ignore: []string{"*.tmp", "*.part", "*.filepart", "~*", ".*"}},
	}
}

// setup is a Config that has been checked, ready for use.
type setup struct {
	Config
	streams []*stream
	sheets  map[work.Kind]*sheet
}

// loader gathers faults with their lines.
type loader struct {
	raw    []byte
	faults []*docklinev1.ConfigFault
}

func (l *loader) fault(path, format string, args ...any) {
	l.faults = append(l.faults, plugins.Fault(l.raw, path, format, args...))
}

// load reads a config section and returns every fault at once; with one, there is no setup.
func load(raw []byte) (*setup, []*docklinev1.ConfigFault) {
	c := defaultConfig()
	l := &loader{raw: raw, faults: plugins.Decode(raw, &c)}
	s := &setup{Config: c, sheets: map[work.Kind]*sheet{}}
	join := filepath.Join
	if s.SFTP != nil {
		join = path.Join
	}
	if s.Archive == "" && s.Outbound != "" {
		s.Archive = join(s.Outbound, "archive")
	}
	if s.Errors == "" && s.Outbound != "" {
		s.Errors = join(s.Outbound, "error")
	}
	l.checkFolders(s)
	l.checkComplete(s)
	l.checkExchange(s)
	l.checkSFTP(s)
	l.loadStreams(s)
	l.loadSheets(s)
	if len(l.faults) > 0 {
		return nil, l.faults
	}
	return s, nil
}

func (l *loader) checkFolders(s *setup) {
	if len(s.Files) > 0 && s.Outbound == "" {
		l.fault("outbound", "the folder into which the WMS writes is missing; write outbound: /path/to/folder")
	}
	if !s.Commands.empty() && s.Inbound == "" {
		l.fault("inbound", "the folder from which the WMS reads is missing; write inbound: /path/to/folder")
	}
	if len(s.Files) == 0 && s.Commands.empty() {
		l.fault("files", "nothing is to be read or written; describe at least one sort of file under files or commands")
	}
	paths := []string{"outbound", "inbound", "archive", "errors"}
	folders := []string{s.Outbound, s.Inbound, s.Archive, s.Errors}
	for i, folder := range folders {
		if folder == "" {
			continue
		}
		if s.SFTP == nil && !filepath.IsAbs(folder) {
			l.fault(paths[i], "folder %s is relative to nothing that lasts: a service starts elsewhere; write the whole path", folder)
		}
		for j := range i {
			if folders[j] != "" && filepath.Clean(folders[j]) == filepath.Clean(folder) {
				l.fault(paths[i], "%s and %s are the same folder; files would be read that were written or put away", paths[j], paths[i])
			}
		}
	}
	if s.Poll < 50*time.Millisecond || s.Poll > time.Hour {
		l.fault("poll", "poll is %s; choose from 50ms to 1h", s.Poll)
	}
	if s.Settle < 0 || s.Settle > 7*24*time.Hour {
		l.fault("settle", "settle is %s; choose from 0s to 168h", s.Settle)
	}
	if s.MaxMB < 1 || s.MaxMB > 65536 {
		l.fault("max_mb", "max_mb is %d; choose from 1 to 65536", s.MaxMB)
	}
}

func (l *loader) checkComplete(s *setup) {
	c := s.Complete
	if strings.ContainsAny(s.MustHold, `/\`) {
		l.fault("must_hold", "%q must be the name of a file in outbound and inbound, without a path; write for example must_hold: .dockline", s.MustHold)
	}
	if !slices.Contains([]string{byStable, byRename, byMarker}, c.By) {
		l.fault("complete.by", "%q is not known; use stable, rename or marker", c.By)
	}
	if c.By == byStable && (c.Stable < 0 || c.Stable > time.Hour) {
		l.fault("complete.stable", "stable is %s; choose from 0s to 1h", c.Stable)
	}
	if c.By == byMarker && c.Marker == "" {
		l.fault("complete.marker", "the marker has no ending; write marker: .done")
	}
	for i, pattern := range c.Ignore {
		if _, err := filepath.Match(pattern, "x"); err != nil {
			l.fault(fmt.Sprintf("complete.ignore[%d]", i), "%q is no pattern; * stands for any text, ? for one character", pattern)
		}
	}
}

func (l *loader) loadStreams(s *setup) {
	names := map[string]bool{}
	for i, f := range s.Files {
		path := fmt.Sprintf("files[%d]", i)
		switch {
		case f.Name == "":
			l.fault(path+".name", "the file has no name; it becomes a part of every key and must never change")
		case names[f.Name]:
			l.fault(path+".name", "name %s is used twice", f.Name)
		}
		names[f.Name] = true
		if _, err := filepath.Match(f.Pattern, "x"); err != nil || f.Pattern == "" || strings.ContainsAny(f.Pattern, `/\`) {
			l.fault(path+".pattern", "%q is no pattern for names in the outbound folder; write for example PICK*.csv", f.Pattern)
		}
		if f.SkipLines < 0 {
			l.fault(path+".skip_lines", "skip_lines is below 0")
		}
		f.Format = withDefaults(f.Format, s.Defaults.Format)
		for key, text := range f.Format.Faults() {
			l.fault(path+"."+key, "%s", text)
		}
		f.Spec = specWithDefaults(f.Spec, s.Defaults)
		if f.Deleted != "" {
			l.fault(path+".deleted", "a file's rows cannot take back what was told; map a revision column, or a kind that takes back (shipment.voided)")
		}
		switch f.Form {
		case "", formCSV:
			if f.Records != (structured.Format{}) {
				l.fault(path+".record", "record and lines are paths within JSON and XML; write form: json, jsonl or xml")
			}
		case formJSON, formJSONLines, formXML:
			if f.Trailer != "" || f.SkipLines > 0 || f.FinalNewline {
				l.fault(path+".trailer", "trailer, skip_lines and require_final_newline are of delimited text; leave them out")
			}
		case formX12:
			st := newStream(s, f, nil)
			st.sets = l.loadSets(path, s, f)
			st.movesStock = f.MovesStock == nil || *f.MovesStock
			s.streams = append(s.streams, st)
			continue
		default:
			l.fault(path+".form", "form %q is not known; use csv, json, jsonl, xml or x12", f.Form)
		}
		if len(f.Sets) > 0 {
			l.fault(path+".sets", "sets are those of X12; write form: x12")
		}
		compiled, faults := mapping.Compile(f.Name, f.Spec)
		for _, fault := range faults {
			l.fault(path+"."+fault.Path, "%s", fault.Text)
		}
		if compiled == nil {
			continue
		}
		if st := newStream(s, f, compiled); isRecords(f.Form) {
			st.records = true
			st.columns = namedColumns(f.Spec)
			for _, name := range f.Header {
				if !slices.Contains(st.columns, name) {
					st.columns = append(st.columns, name)
				}
			}
			st.bound, _ = compiled.Bind(st.columns) // all that it names is there
			s.streams = append(s.streams, st)
			continue
		}
		if len(f.Header) > 0 {
			if _, missing := compiled.Bind(f.Header); len(missing) > 0 {
				l.fault(path+".header", "%s", missing[0].Text)
			}
		}
		s.streams = append(s.streams, newStream(s, f, compiled))
	}
}

func withDefaults(f, d delimited.Format) delimited.Format {
	if f.Encoding == "" {
		f.Encoding = d.Encoding
	}
	if f.Delimiter == "" {
		f.Delimiter = d.Delimiter
	}
	if f.Quote == "" {
		f.Quote = d.Quote
	}
	f.Multiline = f.Multiline || d.Multiline
	return f
}

func specWithDefaults(s mapping.Spec, d Defaults) mapping.Spec {
	if s.Number == (mapping.Number{}) {
		s.Number = d.Number
	}
	if len(s.Date) == 0 {
		s.Date = d.Date
	}
	if s.Zone == "" {
		s.Zone = d.Zone
	}
	return s
}

// digestOf tells one configuration of a sort of file from another: what was read under another is read again.
func digestOf(f File) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", flatten(reflect.ValueOf(f))))
	return hex.EncodeToString(sum[:8])
}

// flatten gives a value in which pointers are what they point to, so that printing it always gives the same.
func flatten(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return flatten(v.Elem())
	case reflect.Struct:
		m := map[string]any{}
		for i := range v.NumField() {
			m[v.Type().Field(i).Name] = flatten(v.Field(i))
		}
		return m
	case reflect.Map:
		m := map[string]any{}
		for _, k := range v.MapKeys() {
			m[k.String()] = flatten(v.MapIndex(k))
		}
		return m
	case reflect.Slice:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = flatten(v.Index(i))
		}
		return out
	}
	return v.Interface()
}
