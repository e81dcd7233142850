package manyagents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Order is what a process that runs sites is told, one JSON object a line; each is answered with one Report.
type Order struct {
	// Do is run, cut, mend, capture, trickle, look or end.
	Do string `json:"do"`
	// N is how many sites are to run, or how many events each is to capture, PerCall of them in one call.
	N       int `json:"n,omitempty"`
	PerCall int `json:"per_call,omitempty"`
	// Within is how long a trickle takes.
	Within time.Duration `json:"within,omitempty"`
	// Since asks a look for the links since then.
	Since time.Time `json:"since,omitzero"`
}

// Report answers an Order.
type Report struct {
	Stats
	// At are the moments of the links that a look asked for.
	At []time.Time `json:"at,omitempty"`
	// Files are the open descriptors of the process, 0 where the system does not say.
	Files int    `json:"files"`
	Err   string `json:"err,omitempty"`
}

// Serve does what orders say until they end.
func (a *Agents) Serve(ctx context.Context, orders io.Reader, reports io.Writer) error {
	in, out := json.NewDecoder(orders), json.NewEncoder(reports)
	for {
		var o Order
		if err := in.Decode(&o); errors.Is(err, io.EOF) || err == nil && o.Do == "end" {
			return nil
		} else if err != nil {
			return err
		}
		r := Report{}
		if err := a.do(ctx, o); err != nil {
			r.Err = err.Error()
		}
		r.Stats, r.Files = a.Stats(), openFiles()
		if !o.Since.IsZero() {
			r.At = a.Links(o.Since)
		}
		if err := out.Encode(r); err != nil {
			return err
		}
	}
}

func (a *Agents) do(ctx context.Context, o Order) error {
	switch o.Do {
	case "run":
		a.Run(o.N)
	case "cut", "mend":
		a.Cut(o.Do == "cut")
	case "capture":
		return a.Capture(ctx, o.N, o.PerCall)
	case "trickle":
		return a.Trickle(ctx, o.Within)
	case "look":
		return a.ctx.Err() // a site that has ended has ended all
	default:
		return fmt.Errorf("order %q: run, cut, mend, capture, trickle, look or end", o.Do)
	}
	return nil
}

func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries) - 1 // but for the one that reads them
}
