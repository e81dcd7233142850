package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

var errDrill = errors.New("the drill server does not answer")

const drillTimeout = 5 * time.Second

// drill speaks to a server that can break things on purpose.
type drill struct {
	base   string
	client *http.Client
}

// toggle is one switch of a drill server: GET URL/switches lists them, POST URL/switches/NAME?on=true turns one.
type toggle struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	On    bool   `json:"on"`
}

func (d *drill) list(ctx context.Context) ([]toggle, error) {
	body, err := d.call(ctx, http.MethodGet, "/switches")
	if err != nil {
		return nil, err
	}
	var found []toggle
	if err := json.Unmarshal(body, &found); err != nil {
		return nil, fmt.Errorf("%w as agreed: %w", errDrill, err)
	}
	return found, nil
}

func (d *drill) call(ctx context.Context, method, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(d.base, "/")+path, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDrill, err)
	}
	w, err := d.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDrill, err)
	}
	defer w.Body.Close()
	body, err := io.ReadAll(io.LimitReader(w.Body, 1<<20))
	if err == nil && w.StatusCode >= 300 {
		err = errors.New(w.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDrill, err)
	}
	return body, nil
}

func (s *server) switches(q *request) (*content, error) {
	found, err := s.drill.list(q.Context())
	return &content{"drill", "Drill", found}, err
}

// turn turns a switch and shows the page again.
func (s *server) turn(w http.ResponseWriter, r *http.Request) {
	on := strconv.FormatBool(r.FormValue("on") == "true")
	if _, err := s.drill.call(r.Context(), http.MethodPost, "/switches/"+url.PathEscape(r.PathValue("name"))+"?on="+on); err != nil {
		s.Log.Warn("turn a switch of the drill", "err", err)
		s.page(func(*request) (*content, error) { return nil, err })(w, r)
		return
	}
	http.Redirect(w, r, "/drill", http.StatusSeeOther)
}
