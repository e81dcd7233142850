// Package scanner makes business events of what people scan. Readers send codes over TCP, serial lines, as keyboards or over MQTT; a flow of states,
// written as configuration, says which code is expected, what it fills, and when an event is whole. A reader hears good only after the journal
// has the event.
package scanner

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/mapping"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Config is the plugin's section of agent.yaml; sample.yaml has a sentence on every key.
type Config struct {
	Inputs   []Input             `yaml:"inputs"`
	Flows    []Flow              `yaml:"flows"`
	Feedback map[string]Feedback `yaml:"feedback"`
	Controls Controls            `yaml:"controls"`
	// Restart says what becomes of half done work when the plugin ends: keep or drop.
	Restart string `yaml:"restart"`
	// AnswerWithin is how long the journal may take before the reader is told to wait.
	AnswerWithin time.Duration `yaml:"answer_within"`
}

// Input is a reader, or a place where several call in. One of TCP, Serial, Wedge and MQTT is there.
type Input struct {
	// ID is a part of every event's key: it is never changed.
	ID     string  `yaml:"id"`
	TCP    *TCP    `yaml:"tcp"`
	Serial *Serial `yaml:"serial"`
	Wedge  *Wedge  `yaml:"wedge"`
	MQTT   *MQTT   `yaml:"mqtt"`
	Frame  Frame   `yaml:"frame"`
	// Codes is aim (readers send symbology identifiers, where one is missing the code is text), gs1 (they send none, codes are GS1's) or text.
	Codes string `yaml:"codes"`
	// Labels says what becomes of codes that break GS1's rules for what stands together.
	Labels   Labels `yaml:"labels"`
	Flow     string `yaml:"flow"`
	Feedback string `yaml:"feedback"`
}

// TCP is a reader that is called (connect) or that calls (listen).
type TCP struct {
	Connect string `yaml:"connect"`
	Listen  string `yaml:"listen"`
	// TellApart is address (a reader keeps its work when it calls again) or connection.
	TellApart string `yaml:"tell_apart"`
	// Most is how many may be connected at once.
	Most int `yaml:"most"`
}

// Serial is a reader on a serial line.
type Serial struct {
	Port     string `yaml:"port"`
	Baud     int    `yaml:"baud"`
	DataBits int    `yaml:"data_bits"`
	Parity   string `yaml:"parity"`
	StopBits string `yaml:"stop_bits"`
}

// Wedge is a reader that types as a keyboard does.
type Wedge struct {
	Device string `yaml:"device"`
	Layout string `yaml:"layout"`
}

// MQTT is a broker on which readers publish.
type MQTT struct {
	URL string `yaml:"url"`
	// Topic has one + in the place of the reader's name, or none where there is one reader.
	Topic string `yaml:"topic"`
	// Answer is where feedback goes, with + for the reader's name; empty: nowhere.
	Answer string `yaml:"answer"`
	// Field names the value of a JSON message that is the code, with points between levels; empty: the message is the code.
	Field        string `yaml:"field"`
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"`
	CA           string `yaml:"ca"`
	ClientID     string `yaml:"client_id"`
}

// Frame says where a scan begins and ends in a stream of bytes.
type Frame struct {
	Type    string `yaml:"type"`
	Begin   string `yaml:"begin"`
	End     string `yaml:"end"`
	Longest int    `yaml:"longest"`
}

func (f Frame) begin() byte { return oneByte(f.Begin, 0x02) }
func (f Frame) end() byte   { return oneByte(f.End, 0x03) }

func oneByte(s string, otherwise byte) byte {
	if len(s) == 1 {
		return s[0]
	}
	return otherwise
}

// Feedback are the bytes that a reader gets, by what has happened. {text} is the reason or remark, {prompt} what is expected next.
type Feedback struct {
	Good   string `yaml:"good"`   // a scan is taken, the event is not whole yet
	Stored string `yaml:"stored"` // the journal has the event
	Bad    string `yaml:"bad"`    // a scan is refused
	Double string `yaml:"double"` // the same code within double_scan: counted once
	Wait   string `yaml:"wait"`   // the journal has not answered yet
	Lost   string `yaml:"lost"`   // half done work was dropped
}

// Controls are scans that are no goods: patterns of whole codes.
type Controls struct {
	Cancel string `yaml:"cancel"`
	Undo   string `yaml:"undo"`
	// Badge has one group, which is the operator's number.
	Badge string `yaml:"badge"`
	// BadgeRequired: nothing is taken before a badge.
	BadgeRequired bool   `yaml:"badge_required"`
	Leave         string `yaml:"leave"`
}

// Flow is the way of one sort of work through its states.
type Flow struct {
	Name string `yaml:"name"`
	// Start is the first state.
	Start string `yaml:"start"`
	// Timeout drops work that nobody goes on with.
	Timeout time.Duration `yaml:"timeout"`
	// DoubleScan: the same code within this time is one scan; 0: each counts.
	DoubleScan time.Duration           `yaml:"double_scan"`
	States     map[string]State        `yaml:"states"`
	Events     map[string]mapping.Spec `yaml:"events"`
}

// State is what a reader waits for.
type State struct {
	Prompt string       `yaml:"prompt"`
	On     []Transition `yaml:"on"`
}

// Transition is one sort of code that a state takes. Of the conditions that are written all must hold; the first transition that fits is taken.
type Transition struct {
	AI        string         `yaml:"ai"`
	Pattern   string         `yaml:"pattern"`
	Symbology mapping.Fields `yaml:"symbology"`
	When      string         `yaml:"when"`
	// Take fills values from the scan: code, ai.10, date.17, number.310, group.1.
	Take map[string]string `yaml:"take"`
	// Set fills values with what stands here.
	Set map[string]string `yaml:"set"`
	// Line closes a line of the event: the values so far are kept as one, those named in Clear are emptied for the next.
	Line  bool           `yaml:"line"`
	Clear mapping.Fields `yaml:"clear"`
	// Emit names the event that is whole now; Keep the values that the next begins with.
	Emit string         `yaml:"emit"`
	Keep mapping.Fields `yaml:"keep"`
	Next string         `yaml:"next"`
	// Repeat: the same code at once again is another scan.
	Repeat bool `yaml:"repeat"`
	// Refuse makes of this sort of code a refusal with these words.
	Refuse string `yaml:"refuse"`
}

const (
	restartKeep, restartDrop = "keep", "drop"

	codesAIM, codesGS1, codesText = "aim", "gs1", "text"

	labelIgnore, labelWarn, labelRefuse = "ignore", "warn", "refuse"

	byAddress, byConnection = "address", "connection"
)

// plainFeedback is used where nothing is configured: a line of text, with a bell where something is wrong.
var plainFeedback = Feedback{Good: "OK {prompt}\r\n", Stored: "STORED {text} {prompt}\r\n", Bad: "\a{text}\r\n", Wait: "\aWAIT {text}\r\n", Lost: "\a{text}\r\n"}

// setup is a Config that has been checked.
type setup struct {
	Config
	flows    map[string]*flow
	controls controls
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
	s := &setup{Config: Config{Restart: restartKeep, AnswerWithin: 5 * time.Second}, flows: map[string]*flow{}}
	l := &loader{raw: raw, faults: plugins.Decode(raw, &s.Config)}
	if s.Restart != restartKeep && s.Restart != restartDrop {
		l.fault("restart", "%q is not known; use keep or drop", s.Restart)
	}
	l.between("answer_within", s.AnswerWithin, 100*time.Millisecond, time.Minute)
	s.controls = l.loadControls(s.Controls)
	for i, f := range s.Flows {
		path := fmt.Sprintf("flows[%d]", i)
		if f.Name == "" || s.flows[f.Name] != nil {
			l.fault(path+".name", "name %q is empty or used twice; it becomes a part of every key and must never change", f.Name)
			continue
		}
		s.flows[f.Name] = l.loadFlow(path, f)
	}
	l.checkInputs(s)
	if len(l.faults) > 0 {
		return nil, l.faults
	}
	return s, nil
}

func (l *loader) between(path string, is, low, high time.Duration) {
	if is < low || is > high {
		l.fault(path, "%s is not between %s and %s", is, low, high)
	}
}

func (l *loader) checkInputs(s *setup) {
	if len(s.Inputs) == 0 {
		l.fault("inputs", "nothing is read; describe at least one reader")
	}
	ids := map[string]bool{}
	for i := range s.Inputs {
		in, path := &s.Inputs[i], fmt.Sprintf("inputs[%d]", i)
		if !plainID.MatchString(in.ID) || ids[in.ID] {
			l.fault(path+".id", "id %q: give each reader one of its own of letters, digits, - and _; it becomes a part of every key and must never change", in.ID)
		}
		ids[in.ID] = true
		l.checkInput(path, in, s)
	}
}

var plainID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,60}$`)

func (l *loader) checkInput(path string, in *Input, s *setup) {
	ways := 0
	for _, there := range []bool{in.TCP != nil, in.Serial != nil, in.Wedge != nil, in.MQTT != nil} {
		if there {
			ways++
		}
	}
	if ways != 1 {
		l.fault(path, "%d ways to reach the reader are given; write one of tcp, serial, wedge and mqtt", ways)
	}
	if in.Codes == "" {
		in.Codes = codesAIM
	}
	if !slices.Contains([]string{codesAIM, codesGS1, codesText}, in.Codes) {
		l.fault(path+".codes", "%q is not known; use aim, gs1 or text", in.Codes)
	}
	for _, rule := range []struct {
		key string
		is  *string
	}{{"forbidden", &in.Labels.Forbidden}, {"missing", &in.Labels.Missing}} {
		if *rule.is == "" {
			*rule.is = labelWarn
		}
		if !slices.Contains([]string{labelIgnore, labelWarn, labelRefuse}, *rule.is) {
			l.fault(path+".labels."+rule.key, "%q is not known; use ignore, warn or refuse", *rule.is)
		}
	}
	if in.Flow == "" && len(s.Flows) == 1 {
		in.Flow = s.Flows[0].Name
	}
	if _, known := s.flows[in.Flow]; !known {
		l.fault(path+".flow", "there is no flow %q; name one of those under flows", in.Flow)
	}
	if _, known := s.Feedback[in.Feedback]; !known && in.Feedback != "" {
		l.fault(path+".feedback", "there is no feedback %q", in.Feedback)
	}
	l.checkFrame(path+".frame", &in.Frame)
	l.checkTCP(path+".tcp", in.TCP)
	l.checkSerial(path+".serial", in.Serial)
	l.checkMQTT(path+".mqtt", in.MQTT)
	if w := in.Wedge; w != nil {
		if w.Layout == "" {
			w.Layout = "us"
		}
		if layouts[w.Layout] == nil {
			l.fault(path+".wedge.layout", "%q is not known; use us or de, as the reader is set up", w.Layout)
		}
		if w.Device == "" {
			l.fault(path+".wedge.device", "no device: name one below /dev/input/by-id")
		}
		if wrong := wedgeHere(); wrong != "" {
			l.fault(path+".wedge", "%s", wrong)
		}
	}
}

func (l *loader) checkFrame(path string, f *Frame) {
	if f.Type == "" {
		f.Type = frameLines
	}
	if f.Longest == 0 {
		f.Longest = 4096
	}
	if !slices.Contains([]string{frameLines, frameSTX, frameLength}, f.Type) {
		l.fault(path+".type", "%q is not known; use lines, stx_etx or length", f.Type)
	}
	if f.Longest < 1 || f.Longest > 65_535 {
		l.fault(path+".longest", "%d is not between 1 and 65535 bytes", f.Longest)
	}
	for _, mark := range []struct{ key, is string }{{"begin", f.Begin}, {"end", f.End}} {
		if len(mark.is) > 1 || mark.is != "" && f.Type != frameSTX {
			l.fault(path+"."+mark.key, "give one character, and only with type: stx_etx")
		}
	}
}

func (l *loader) checkTCP(path string, t *TCP) {
	if t == nil {
		return
	}
	if t.TellApart == "" {
		t.TellApart = byAddress
	}
	if t.Most == 0 {
		t.Most = 64
	}
	address := t.Connect + t.Listen
	if (t.Connect == "") == (t.Listen == "") {
		l.fault(path, "write connect (the reader is called) or listen (the reader calls), one of the two")
	} else if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		l.fault(path, "%q is no address; write host:port, as in 192.0.2.7:4001 or :4001", address)
	}
	if t.TellApart != byAddress && t.TellApart != byConnection {
		l.fault(path+".tell_apart", "%q is not known; use address or connection", t.TellApart)
	}
	if t.Most < 1 || t.Most > 1000 {
		l.fault(path+".most", "%d is not between 1 and 1000", t.Most)
	}
}

func (l *loader) checkSerial(path string, s *Serial) {
	if s == nil {
		return
	}
	if s.Baud == 0 {
		s.Baud = 9600
	}
	if s.DataBits == 0 {
		s.DataBits = 8
	}
	if s.Port == "" {
		l.fault(path+".port", "no port: write /dev/serial/by-id/... or COM3")
	}
	if s.Baud < 300 || s.Baud > 4_000_000 || s.DataBits < 5 || s.DataBits > 8 {
		l.fault(path, "%d baud with %d data bits cannot be", s.Baud, s.DataBits)
	}
	if _, ok := parities[s.Parity]; !ok {
		l.fault(path+".parity", "%q is not known; use none, odd, even, mark or space", s.Parity)
	}
	if _, ok := stops[s.StopBits]; !ok {
		l.fault(path+".stop_bits", "%q is not known; use 1, 1.5 or 2", s.StopBits)
	}
}

func (l *loader) checkMQTT(path string, m *MQTT) {
	if m == nil {
		return
	}
	at, err := url.Parse(m.URL)
	if err != nil || at.Host == "" || !slices.Contains([]string{"mqtt", "mqtts"}, at.Scheme) {
		l.fault(path+".url", "%q is no broker's address; write mqtt://host:1883 or mqtts://host:8883", m.URL)
	}
	for _, topic := range []struct{ key, is string }{{"topic", m.Topic}, {"answer", m.Answer}} {
		if strings.Count(topic.is, "+") > 1 || strings.Contains(topic.is, "#") {
			l.fault(path+"."+topic.key, "%q: one + stands for the reader's name, and no # is taken", topic.is)
		}
	}
	if m.Topic == "" {
		l.fault(path+".topic", "no topic: write for example scanners/+/scan")
	}
	if !strings.Contains(m.Topic, "+") && strings.Contains(m.Answer, "+") {
		l.fault(path+".answer", "the topic has no + and names no reader")
	}
	for _, file := range []struct{ key, is string }{{"password_file", m.PasswordFile}, {"ca", m.CA}} {
		if file.is != "" && !filepath.IsAbs(file.is) {
			l.fault(path+"."+file.key, "%s is not a whole path", file.is)
		}
	}
}
