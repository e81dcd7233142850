package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Client speaks to a sandbox as a person at its own screen does: it meets no faults.
type Client struct {
	URL string
	// Token is sent as a bearer token where it is set.
	Token string
}

// Do sends in as JSON, nil being no body, and decodes the answer into out, nil throwing it away. A refusal is a *Refusal.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, body)
	if err != nil {
		return err
	}
	req.Header.Set(OperatorHeader, "1")
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		var refused struct{ Error Refusal }
		if err := json.Unmarshal(answer, &refused); err != nil {
			return fmt.Errorf("%s %s: status %d", method, path, resp.StatusCode)
		}
		refused.Error.Status = resp.StatusCode
		return &refused.Error
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// All reads every page of a list: path without "after" and "limit".
func All[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	var all []T
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	for after := 0; ; {
		var page struct {
			Items []T
			Next  int
			More  bool
		}
		if err := c.Do(ctx, http.MethodGet, fmt.Sprintf("%s%safter=%d&limit=1000", path, separator, after), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if !page.More {
			return all, nil
		}
		after = page.Next
	}
}
