package wmssql

import (
	"context"
	"fmt"
	"strings"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// tryRows is how many rows of each stream are shown.
const tryRows = 50

// Try implements plugins.Trier: it reads the first rows of each stream and says what they would be. Nothing is captured, and the database is not
// changed. A sample is SQL: a query that is read in place of the table of the stream that the file is named for (picks.sql).
func (p *Plugin) Try(request *docklinev1.TryRequest) (*docklinev1.TryResponse, error) {
	s, faults := load(request.GetConfig())
	if len(faults) > 0 {
		return nil, plugins.FaultsError(request.GetConfig(), faults)
	}
	if err := s.sample(request); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkWithin)
	defer cancel()
	if faults := checkWithDatabase(ctx, s, request.GetConfig(), p.Log); len(faults) > 0 {
		return nil, plugins.FaultsError(request.GetConfig(), faults)
	}
	c := &capture{setup: s, now: p.Now, log: p.Log}
	defer c.reopen()
	out := &docklinev1.TryResponse{}
	for _, st := range s.streams {
		if err := c.try(ctx, &state{stream: st}, out); err != nil {
			return nil, fmt.Errorf("stream %s: %w", st.Name, err)
		}
	}
	return out, nil
}

// sample puts a query into the place of a stream's table.
func (s *setup) sample(request *docklinev1.TryRequest) error {
	query := strings.TrimSpace(string(request.GetSample()))
	if query == "" {
		return nil
	}
	name := strings.TrimSuffix(request.GetFileName(), ".sql")
	for _, st := range s.streams {
		if st.Name == name || len(s.streams) == 1 {
			st.Table, st.Query, st.Outbox = "", query, nil
			s.streams = []*stream{st}
			return nil
		}
	}
	return fmt.Errorf("%s holds a query, but no stream is named %s; name the file for a stream, or try without a sample to read the tables as they are configured", request.GetFileName(), name)
}

func (c *capture) try(ctx context.Context, st *state, out *docklinev1.TryResponse) error {
	if err := c.prepare(ctx, st); err != nil {
		return err
	}
	text, args := st.table.page(nil, tryRows)
	rows, _, err := c.query(ctx, st, text, args, true)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, r := range rows {
		whole := []row{r}
		if key, ok := st.binding.Key(r.cells); st.Group && ok {
			if seen[key] {
				continue
			}
			seen[key] = true
			text, args := st.table.group(keyCells(st.table, r))
			if whole, _, err = c.query(ctx, st, text, args, false); err != nil {
				return err
			}
		}
		told := st.read(st.table, st.binding, whole)
		switch letter := told.event.GetDeadLetter(); {
		case letter != nil:
			out.Faults = append(out.Faults, letter)
		case told.event != nil:
			out.Events = append(out.Events, told.event)
		}
	}
	return nil
}
