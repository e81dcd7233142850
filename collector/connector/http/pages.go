package http

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types/ref"
)

// pagesSource says how a list that comes in several answers is read whole. The request's expressions have the variable page: where it begins.
type pagesSource struct {
	// Style is number (page counts from First), offset (page counts records), or next (page is what Next gave, "" at first).
	Style string `yaml:"style"`
	// First is the first number; absent is 1 with number, 0 with offset.
	First *int64 `yaml:"first"`
	// Size is how many records the request asks for in one answer: fewer are the last page. For number and offset.
	Size int64 `yaml:"size"`
	// Next is a CEL string over body, headers and page: the page after this one, "" after the last. link(headers, "next") reads the address that
	// a Link header names; such an address is asked as it is.
	Next string `yaml:"next"`
	// Most is how many pages are read at most; absent is 1000.
	Most int `yaml:"most"`
}

const (
	pageNumber = "number"
	pageOffset = "offset"
	pageNext   = "next"

	usualMostPages = 1000
)

type pages struct {
	style       string
	first, size int64
	next        *expression
	most        int
}

func (c *compiler) pages(key string, s *pagesSource) *pages {
	if s == nil {
		return nil
	}
	p := &pages{style: s.Style, size: s.Size, most: s.Most, next: c.expression(key+".next", s.Next, cel.StringType, bodyVars.with(variables{"page": cel.StringType}))}
	if p.most == 0 {
		p.most = usualMostPages
	}
	if p.most < 0 {
		c.fault(key+".most", "must not be negative")
	}
	if p.style == pageNumber {
		p.first = 1
	}
	if s.First != nil {
		p.first = *s.First
	}
	switch p.style {
	case pageNumber, pageOffset:
		if s.Size <= 0 {
			c.fault(key+".size", "is missing: an answer with fewer records than that is the last page")
		}
		if s.Next != "" {
			c.fault(key+".next", "is for style next; with %s the next page is counted", p.style)
		}
	case pageNext:
		if s.Next == "" {
			c.fault(key+".next", "is missing: it says where the next page begins")
		}
		if s.Size != 0 || s.First != nil {
			c.fault(key, "first and size are for the styles number and offset")
		}
	default:
		c.fault(key+".style", "%q is no style; write number, offset or next", s.Style)
	}
	return p
}

// start is the first page.
func (p *pages) start() string {
	if p.style == pageNext {
		return ""
	}
	return strconv.FormatInt(p.first, 10)
}

// after is the page after one that had so many records, and whether there is one.
func (p *pages) after(ctx context.Context, page string, records int, v values) (string, bool, error) {
	if p.style == pageNext {
		next, err := p.next.string(ctx, v)
		return next, next != "", err
	}
	if int64(records) < p.size {
		return "", false, nil
	}
	at, err := strconv.ParseInt(page, 10, 64)
	if err != nil {
		return "", false, err
	}
	if p.style == pageNumber {
		return strconv.FormatInt(at+1, 10), true, nil
	}
	return strconv.FormatInt(at+int64(records), 10), true, nil
}

// readPages reads all pages of a list, one after the other, and hands over the records of each. A request without pages is one page. It returns
// the last answer.
func (c *Connector) readPages(ctx context.Context, r *request, items *expression, v values, traceparent string, take func(v values, items []ref.Val) error, also ...int) (*answer, error) {
	page := ""
	if r.pages != nil {
		page = r.pages.start()
	}
	var seen []string
	for {
		v = v.with(values{"page": page})
		got, err := c.do(ctx, r, v, traceparent, also...)
		if err != nil || got.status/100 != 2 {
			return got, err
		}
		read := v.with(got.read())
		records, err := items.list(ctx, read)
		if err != nil {
			return nil, err
		}
		if err := take(read, records); err != nil || r.pages == nil {
			return got, err
		}
		next, more, err := r.pages.after(ctx, page, len(records), read)
		if err != nil || !more {
			return got, err
		}
		mark := c.mark(r, got, page)
		if slices.Contains(seen, mark) || slices.Contains(seen, "page "+next) || next == page {
			return nil, technical("pages_in_a_circle", fmt.Sprintf("%s: page %q leads back to one that was read already, after %d pages", items.where, next, len(seen)/2+1),
				"correct pages in the definition: the system does not heed the page that it is asked for, or names the same one again", nil)
		}
		if seen = append(seen, mark, "page "+page); len(seen)/2 >= r.pages.most {
			return nil, technical("too_many_pages", fmt.Sprintf("%s: there is more after %d pages", items.where, r.pages.most),
				"ask for less in the request of the definition, or raise pages.most", nil)
		}
		page = next
	}
}

// mark tells a page from others by what it says: with a counted page the same answer twice is a system that does not heed it.
func (c *Connector) mark(r *request, got *answer, page string) string {
	if r.pages.style == pageNext {
		return "asked " + page
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(got.text)))
}
