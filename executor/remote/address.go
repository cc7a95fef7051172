package remote

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/ltsworker/ltsworker/executor/template"
)

// address is a URL whose path may have templates.
type address struct {
	base     string // scheme and host
	segments []template.Template
	query    string // with its ?
}

// parseAddress parses a URL.
func parseAddress(text string) (address, error) {
	if text == "" {
		return address{}, errors.New("is missing: give a URL such as https://cutter.example/cut")
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return address{}, checkURL("")
	}
	parts, query := splitPath(rest)
	a := address{base: scheme + "://" + parts[0], query: query}
	if strings.Contains(a.base+query, "{{") {
		return address{}, errors.New("may have templates only as segments of its path: neither the scheme, the host nor the query may depend on a task")
	}
	for _, part := range parts[1:] {
		t, err := template.Parse(part)
		if err != nil {
			return address{}, err
		}
		a.segments = append(a.segments, t)
	}
	return a, checkURL(a.text())
}

// splitPath splits the part of a URL behind its scheme into the host, the segments of the
// path and the query. A slash or a question mark in a template does not count.
func splitPath(s string) (parts []string, query string) {
	start, inside, quoted := 0, false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case inside && quoted && c == '\\':
			i++
		case inside && c == '"':
			quoted = !quoted
		case inside && !quoted && strings.HasPrefix(s[i:], "}}"):
			inside = false
			i++
		case inside:
		case strings.HasPrefix(s[i:], "{{{{"):
			i += 3
		case strings.HasPrefix(s[i:], "{{"):
			inside = true
			i++
		case c == '/':
			parts, start = append(parts, s[start:i]), i+1
		case c == '?':
			return append(parts, s[start:i]), s[i:]
		}
	}
	return append(parts, s[start:]), ""
}

// constant reports whether the URL has no template.
func (a address) constant() bool {
	for _, t := range a.segments {
		if _, ok := t.Constant(); !ok {
			return false
		}
	}
	return true
}

// text returns the URL with its constant parts only.
func (a address) text() string {
	var b strings.Builder
	b.WriteString(a.base)
	for _, t := range a.segments {
		constant, _ := t.Constant()
		b.WriteString("/" + constant)
	}
	return b.String() + a.query
}

func (a address) host() string {
	_, host, _ := strings.Cut(a.base, "://")
	return host
}

// fill returns the URL of a task.
func (a address) fill(v *template.Values) (string, error) {
	var b strings.Builder
	b.WriteString(a.base)
	for _, t := range a.segments {
		segment, err := t.PathSegment(v)
		if err != nil {
			return "", fmt.Errorf("url: %w", err)
		}
		b.WriteString("/" + segment)
	}
	b.WriteString(a.query)
	if _, err := url.Parse(b.String()); err != nil {
		return "", errors.New("url: cannot be made of the values of the task")
	}
	return b.String(), nil
}
