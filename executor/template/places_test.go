package template

import (
	"bufio"
	"encoding/json"
	"net/textproto"
	"net/url"
	"path"
	"strings"
	"testing"
)

// jsonObject returns {"a":value} as JSON.
func jsonObject(t *testing.T, value string) string {
	t.Helper()
	b, err := json.Marshal(map[string]string{"a": value})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestValueStaysInItsPlace(t *testing.T) {
	header := func(p Template, v *Values) (string, error) { return p.Header(v) }
	segment := func(p Template, v *Values) (string, error) { return p.PathSegment(v) }
	body := func(p Template, v *Values) (string, error) {
		raw, err := p.JSON(v)
		return string(raw), err
	}
	for _, tt := range []struct {
		place             func(Template, *Values) (string, error)
		text, want, wrong string
	}{
		{header, "Bearer {{payload.url}}", "Bearer https://h/a b", ""},
		{header, "{{payload.lines}}", "", "payload.lines must not contain a line break"},
		{header, "{{payload.nul}}", "", "NUL"},
		{header, "{{payload.deep | json}}", `{"er":{"名":"z"}}`, ""},
		{segment, "{{payload.url}}", "https:%2F%2Fh%2Fa%20b", ""},
		{segment, "v1-{{payload.up}}", "v1-..", ""},
		{segment, "fixed", "fixed", ""},
		{segment, "{{payload.up}}", "", "must not be or contain the segment .. of a path"},
		{segment, "{{payload.dot}}", "", "the segment . of"},
		{segment, ".{{payload.dot}}", "", "the segment .. of"},
		{segment, "%2e{{payload.dot}}", "", "the segment .. of"},
		{segment, "{{payload.path}}", "", "the segment .. of"},
		{segment, "{{payload.empty}}", "", "must not be empty"},
		{segment, "{{payload.nul}}", "", "NUL"},
		{body, "{{payload.html}}", `"<a&b>"`, ""},
		{body, "{{payload.lines}}", `"a\r\nX-Admin: 1"`, ""},
		{body, "{{payload.nul}}", `"a\u0000b"`, ""},
		{body, "{{payload.n}}", `-1.50`, ""},
		{body, "n={{payload.n}}", `"n=-1.50"`, ""},
		{body, "{{payload.yes}}", `true`, ""},
		{body, "{{payload.list | json}}", `[{"id":"x"},2]`, ""},
		{body, "{{payload.list}}", "", "payload.list is a list"},
		{body, "{{payload.absent | default 720}}", `"720"`, ""},
		{body, "{{payload.absent | json | default 720}}", `720`, ""},
		{body, "{{payload.absent}}", "", "is missing"},
		{body, `say "hi"`, `"say \"hi\""`, ""},
		{body, "{{attempt}}", "7", ""},
	} {
		parsed, err := Parse(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tt.place(parsed, values(payload))
		if tt.wrong == "" && (err != nil || got != tt.want) || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
			t.Errorf("%s: got %q, %v; want %q or the error %q", tt.text, got, err, tt.want, tt.wrong)
		}
	}
}

func FuzzValueStaysInItsPlace(f *testing.F) {
	f.Add("Bearer ", "a\r\nX: y", "{}")
	f.Add("%2e", "../..", `{"b":1}`)
	f.Add("", "\x00\t\"}", `[".."]`)
	f.Fuzz(func(t *testing.T, prefix, value, whole string) {
		prefix = strings.ReplaceAll(prefix, "{{", "{{{{")
		for _, payload := range []string{jsonObject(t, value), whole} {
			for _, text := range []string{"{{payload.a}}", "{{payload | json}}"} {
				parsed, err := Parse(prefix + text)
				if err != nil {
					return // prefix ends with an odd brace, so the text is no template
				}
				checkHeader(t, parsed, payload)
				checkSegment(t, parsed, payload)
				checkField(t, parsed, payload)
			}
		}
	})
}

func checkHeader(t *testing.T, p Template, payload string) {
	if prefix, _ := p.Constant(); CheckHeader(prefix) != nil {
		return
	}
	got, err := p.Header(values(payload))
	if err != nil {
		return
	}
	r := textproto.NewReader(bufio.NewReader(strings.NewReader("A: " + got + "\r\nB: end\r\n\r\n")))
	h, err := r.ReadMIMEHeader()
	if err != nil || len(h) != 2 || h.Get("A") != textproto.TrimString(got) || h.Get("B") != "end" {
		t.Errorf("the value %q made the headers %q, %v", got, h, err)
	}
}

func checkSegment(t *testing.T, p Template, payload string) {
	prefix, _ := p.Constant()
	if u, err := url.Parse("http://h/" + prefix); err != nil || u.EscapedPath() != "/"+prefix || strings.ContainsAny(prefix, "/;,") {
		return // the config must hold an escaped prefix
	}
	got, err := p.PathSegment(values(payload))
	if err != nil {
		return
	}
	u, err := url.Parse("http://h/a/" + got + "/b")
	if err != nil {
		t.Fatalf("%q: %v", got, err)
	}
	if u.RawQuery != "" || u.Fragment != "" || u.Host != "h" || strings.Count(u.EscapedPath(), "/") != 3 ||
		path.Clean(u.EscapedPath()) != u.EscapedPath() {
		t.Errorf("%q is more than a segment: %+v", got, u)
	}
	// A server that decodes the slashes stays below /a/, too.
	if !strings.HasPrefix(path.Clean(u.Path), "/a/") {
		t.Errorf("%q leads to %s", got, path.Clean(u.Path))
	}
}

func checkField(t *testing.T, p Template, payload string) {
	got, err := p.JSON(values(payload))
	if err != nil {
		return
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal([]byte(`{"a":`+string(got)+`,"b":1}`), &body); err != nil || len(body) != 2 || string(body["b"]) != "1" {
		t.Errorf("the value %s made the body %q, %v", got, body, err)
	}
}
