package scanner

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// tellEvery is how often it is looked whether there is news for a person; seenEvery how often at most a reader's last sign of life is news.
	tellEvery, seenEvery = time.Second, 5 * time.Second
	// shownFor is how long a person is told of what is over by itself.
	shownFor = 15 * time.Minute
	// noisy bytes within a minute that belong to no scan are more than a line's ordinary disturbance.
	noisy = 500
	// noisyScans within a minute that are refused are no person's doing.
	noisyScans = 120
)

// reports is what a person should know. Its methods may be called from any goroutine.
type reports struct {
	mu      sync.Mutex
	inputs  map[string]*inputReport
	drops   map[string]mark // by reader
	slows   map[string]mark
	waiting map[string]bool
	untaken map[string]int    // scans that came too late for this life, by reader
	unkept  map[string]string // why the work of a reader cannot be written down
}

type mark struct {
	at   time.Time
	text string
}

type inputReport struct {
	fault   string
	address string
	garbage window
	refused window
	crowdAt time.Time
	labels  int // codes that break GS1's rules, since shownFor without one
	label   mark
}

// window counts over the present and the last minute.
type window struct {
	minute    time.Time
	now, last int
}

func (w *window) add(at time.Time, n int) {
	minute := at.Truncate(time.Minute)
	switch {
	case minute.Sub(w.minute) > time.Minute:
		w.last, w.now = 0, 0
	case minute.After(w.minute):
		w.last, w.now = w.now, 0
	}
	w.minute = minute
	w.now += n
}

func (w *window) count(at time.Time) int {
	w.add(at, 0)
	return max(w.last, w.now)
}

func (r *reports) init() {
	r.inputs, r.drops, r.slows, r.waiting = map[string]*inputReport{}, map[string]mark{}, map[string]mark{}, map[string]bool{}
	r.untaken, r.unkept = map[string]int{}, map[string]string{}
}

func (r *reports) of(id string) *inputReport {
	if r.inputs[id] == nil {
		r.inputs[id] = &inputReport{fault: "it was not reached yet"}
	}
	return r.inputs[id]
}

func (r *reports) reached(id string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(id).fault = ""
	if err != nil {
		r.of(id).fault = err.Error()
	}
}

func (r *reports) listens(id, address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(id).address = address
}

// scanned counts what came of a scan.
func (r *reports) scanned(id string, res result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if res == bad {
		r.of(id).refused.add(time.Now(), 1)
	}
}

func (r *reports) garbage(now time.Time, id string, n int) {
	if n == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(id).garbage.add(now, n)
}

func (r *reports) crowded(now time.Time, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(id).crowdAt = now
}

// label takes note of a code that was taken although it breaks GS1's rules.
func (r *reports) label(now time.Time, id, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in := r.of(id)
	if now.Sub(in.label.at) > shownFor {
		in.labels = 0
	}
	in.labels++
	in.label = mark{now, text}
}

func (r *reports) slow(now time.Time, device string) { r.note(r.slows, device, mark{at: now}) }

func (r *reports) dropped(now time.Time, device, text string) {
	r.note(r.drops, device, mark{now, text})
}

// note keeps the newest of a reader, and of no more readers than a person can look at.
func (r *reports) note(in map[string]mark, device string, m mark) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if in[device] = m; len(in) > 100 {
		oldest := device
		for id, other := range in {
			if other.at.Before(in[oldest].at) {
				oldest = id
			}
		}
		delete(in, oldest)
	}
}

func (r *reports) waits(device string, is bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if delete(r.waiting, device); is {
		r.waiting[device] = true
	}
}

// wrote takes note of whether a reader's work could be written down.
func (r *reports) wrote(device string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if delete(r.unkept, device); err != nil {
		r.unkept[device] = err.Error()
	}
}

func (r *reports) notTaken(device string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.untaken[device]++
}

// tellUntaken logs whose scans came too late; each of them was refused aloud where the reader could hear.
func (r *reports) tellUntaken(log *slog.Logger) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(r.untaken)) {
		log.Warn("scans were not taken, because the agent was stopping; they must be scanned again", "device", id, "scans", r.untaken[id])
	}
}

// tell says what is new until ctx ends.
func (h *hub) tell(ctx context.Context) error {
	var told struct {
		devices    []*docklinev1.DeviceHealth
		conditions []*docklinev1.Condition
	}
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		devices, conditions := h.deviceHealth(), h.conditions()
		if !slices.EqualFunc(devices, told.devices, func(a, b *docklinev1.DeviceHealth) bool { return proto.Equal(a, b) }) {
			if err := h.out.Devices(devices...); err != nil {
				return err
			}
			told.devices = devices
		}
		if !slices.EqualFunc(conditions, told.conditions, func(a, b *docklinev1.Condition) bool { return proto.Equal(a, b) }) {
			if err := h.out.Report(conditions...); err != nil {
				return err
			}
			told.conditions = conditions
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// deviceHealth is every input, and every reader that has called one.
func (h *hub) deviceHealth() []*docklinev1.DeviceHealth {
	h.mu.Lock()
	readers := slices.Collect(maps.Values(h.devices))
	h.mu.Unlock()
	h.reports.mu.Lock()
	defer h.reports.mu.Unlock()
	seen := map[string]time.Time{}
	var all []*docklinev1.DeviceHealth
	for _, d := range readers {
		last := d.lastScan().Truncate(seenEvery)
		if last.After(seen[d.input.ID]) {
			seen[d.input.ID] = last
		}
		if d.id != d.input.ID && len(all) < 200 { // a person's list, not a census
			all = append(all, &docklinev1.DeviceHealth{Id: d.id, Kind: "scanner", Reachable: true, LastSeenAt: timestamppb.New(last)})
		}
	}
	for _, in := range h.setup.Inputs {
		r := h.reports.of(in.ID)
		one := &docklinev1.DeviceHealth{Id: in.ID, Kind: "scanner", Reachable: r.fault == "", Text: r.address}
		if r.fault != "" {
			one.Text = fmt.Sprintf("%s does not answer (%s). Is it switched on, plugged in and within reach? It is tried again all the time.", in.where(), r.fault)
		}
		if last := seen[in.ID]; !last.IsZero() {
			one.LastSeenAt = timestamppb.New(last)
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *docklinev1.DeviceHealth) int {
		if a.GetId() < b.GetId() {
			return -1
		}
		return 1
	})
	return all
}

// where is the way to a reader, in words.
func (in *Input) where() string {
	switch {
	case in.TCP != nil && in.TCP.Connect != "":
		return "The reader at " + in.TCP.Connect
	case in.TCP != nil:
		return "The address " + in.TCP.Listen + " on which readers call"
	case in.Serial != nil:
		return "The serial port " + in.Serial.Port
	case in.Wedge != nil:
		return "The keyboard reader " + in.Wedge.Device
	}
	return "The broker " + in.MQTT.URL
}

func (h *hub) conditions() (all []*docklinev1.Condition) {
	now := h.now()
	add := func(code, title, text string) {
		all = append(all, &docklinev1.Condition{Code: code, Title: title, Severity: docklinev1.Severity_SEVERITY_WARNING, Text: text})
	}
	r := &h.reports
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, in := range h.setup.Inputs {
		one := r.of(in.ID)
		if one.garbage.count(now) > noisy || one.refused.count(now) > noisyScans {
			add("scanner_garbage", "Reader sends what is no scan", in.ID+" sends bytes or codes without end that are no scans. Look at its cable, speed and frame, and whether it reads the same label by itself.")
		}
		if now.Sub(one.crowdAt) < shownFor {
			add("scanner_crowded", "Too many readers call", fmt.Sprintf("More than %d readers called %s at once; those beyond were not let in. Raise tcp.most, or see what keeps calling.", in.TCP.Most, in.ID))
		}
	}
	for _, in := range h.setup.Inputs {
		if one := r.of(in.ID); one.labels > 0 && now.Sub(one.label.at) < shownFor {
			add("scan_label", "Labels break GS1's rules", fmt.Sprintf("%s: %d scans were taken from labels that should not be as they are. The last: %s Tell who prints them; labels.forbidden and labels.missing say what becomes of such scans.",
				in.ID, one.labels, one.label.text))
		}
	}
	if len(r.waiting) > 0 {
		add("scan_not_stored", "Scans wait for the journal", fmt.Sprintf("%s was told to wait: the agent's journal does not answer. See what the agent says of its journal.", names(r.waiting)))
	}
	if is := recent(r.slows, now); len(is) > 0 {
		add("scanner_deaf", "Reader does not read its feedback", fmt.Sprintf("%s took no feedback and was cut off. Is the reader set up to receive?", names(is)))
	}
	if is := recent(r.drops, now); len(is) > 0 {
		texts := ""
		for _, id := range slices.Sorted(maps.Keys(is)) {
			texts += fmt.Sprintf("%s: %s ", id, is[id].text)
		}
		add("scan_dropped", "Half done work was dropped", shorten(texts, 500)+"Nothing of it is stored; who scanned it was told if the reader could be reached.")
	}
	for _, id := range slices.Sorted(maps.Keys(r.unkept))[:min(1, len(r.unkept))] {
		add("scan_state", "Half done work cannot be written down", fmt.Sprintf("%s: %s. Until that is put right a restart loses what is half done.", names(r.unkept), r.unkept[id]))
	}
	return all
}

func recent(in map[string]mark, now time.Time) map[string]mark {
	for id, m := range in {
		if now.Sub(m.at) > shownFor {
			delete(in, id)
		}
	}
	return in
}

func names[T any](in map[string]T) string {
	all := slices.Sorted(maps.Keys(in))
	text := ""
	for i, id := range all[:min(5, len(all))] {
		if i > 0 {
			text += ", "
		}
		text += id
	}
	if n := len(all) - 5; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}
