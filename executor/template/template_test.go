package template

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

const payload = `{"url":"https://h/a b","n":-1.50,"big":12345678901234567890,"yes":true,"none":null,"empty":"",
	"opt":"-rf","nul":"a\u0000b","lines":"a\r\nX-Admin: 1","list":[{"id":"x"},2],"deep":{"er":{"名":"z"}},
	"up":"..","dot":".","path":"a/../b","html":"<a&b>"}`

func values(payload string) *Values {
	return NewValues(&task.Task{
		Spec:    task.Spec{ID: "t-1", Kind: "video.cut", Queue: "slow", Payload: []byte(payload)},
		Attempt: 7, Fence: 4711,
	}, "media")
}

func TestTemplateFillsAWholeTextOrTheRestBehindAPrefix(t *testing.T) {
	long := `{"url":"` + strings.Repeat("x", maxValue+1) + `"}`
	for _, tt := range []struct{ text, payload, want, wrong string }{
		{"plain }} text", payload, "plain }} text", ""},
		{"{{{{.State}} of {{{{id}}", payload, "{{.State}} of {{id}}", ""},
		{"{{payload.url}}", payload, "https://h/a b", ""},
		{"--url={{ payload.url }}", payload, "", "cannot be read"}, // white space before the name
		{"--url={{payload.url }}", payload, "--url=https://h/a b", ""},
		{"{{{{{{payload.url}}", payload, "{{https://h/a b", ""},
		{"{{payload.n}}", payload, "-1.50", ""},
		{"{{payload.big}}", payload, "12345678901234567890", ""},
		{"{{payload.yes}}", payload, "true", ""},
		{"{{payload.empty | default x}}", payload, "", ""},
		{"{{payload.none | default 720}}", payload, "720", ""},
		{`{{payload.absent|default "a }} \"b\""}}`, payload, `a }} "b"`, ""},
		{`{{payload.absent | default ""}}`, payload, "", ""},
		{"{{payload.list.0.id}}", payload, "x", ""},
		{"{{payload.list.1}}", payload, "2", ""},
		{"{{payload.deep.er.名}}", payload, "z", ""},
		{"{{payload.deep | json}}", payload, `{"er":{"名":"z"}}`, ""},
		{`{{payload.absent | json | default "{}"}}`, payload, "{}", ""},
		{"{{payload.html | json}}", payload, `"<a&b>"`, ""},
		{"{{payload}}", "17", "17", ""},
		{"{{payload | json}}", ` { "a" : [ 1 ] } `, `{"a":[1]}`, ""},
		{"{{id}}/{{", payload, "", "must not have text behind the template {{id}}"},
		{"{{id}}", "", "t-1", ""},
		{"k={{kind}}", "", "k=video.cut", ""},
		{"{{queue}}", "", "slow", ""},
		{"{{pool}}", "", "media", ""},
		{"{{attempt}}", "", "7", ""},
		{"{{fence}}", "", "4711", ""},

		{"{{payload.absent}}", payload, "", "payload.absent is missing, and its template has no default"},
		{"{{payload.none}}", payload, "", "payload.none is missing"},
		{"{{payload.url.x}}", payload, "", "is missing"},
		{"{{payload.list.2}}", payload, "", "is missing"},
		{"{{payload.list.00}}", payload, "", "is missing"},
		{"{{payload.deep | default x}}", payload, "", "payload.deep is an object: only | json fills it in"},
		{"{{payload.list}}", payload, "", "payload.list is a list: only | json"},
		{"{{payload.nul}}", payload, "", "payload.nul contains a NUL byte"},
		{"{{payload.url}}", long, "", "is 65537 bytes long; the limit is 65536"},
		{"{{payload.url}}", "not JSON", "", "payload.url cannot be read: the payload is not JSON"},
		{"{{payload.url | default x}}", `{} {}`, "", "the payload is not JSON"},
		{"{{payload}}", "", "", "the payload is not JSON"},
	} {
		got, err := "", error(nil)
		parsed, err := Parse(tt.text)
		if err == nil {
			if got, err = parsed.Env(values(tt.payload)); err != nil && !task.DispositionOf(err).BadPayload {
				t.Errorf("%s: %v is not a bad payload", tt.text, err)
			}
		}
		switch {
		case tt.wrong == "" && (err != nil || got != tt.want):
			t.Errorf("%s: got %q, %v; want %q", tt.text, got, err, tt.want)
		case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
			t.Errorf("%s: got %q, %v; want the error %q", tt.text, got, err, tt.wrong)
		}
	}
}

func TestTemplateThatCannotBeReadIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"{{payload.url":                         "it has no }}",
		"{{payload.url | json":                  "it has no }}",
		"{{payload.url |":                       "it has no }}",
		"{{payload.url x}}":                     "after payload.url it must have }}, | default VALUE }} or | json }}",
		"{{.State}}":                            `".State" is no value of a task: there are payload, payload.FIELD, id, kind`,
		"{{}}":                                  `"" is no value of a task`,
		"{{payloads.url}}":                      `"payloads.url" is no value`,
		"{{id.x}}":                              `"id.x" is no value`,
		"{{payload.}}":                          "must name fields of letters, digits, _ and -",
		"{{payload.a[0]}}":                      "must name fields of letters, digits, _ and -",
		"{{payload.a..b}}":                      "must name fields",
		"{{payload.a | upper}}":                 "there is no | upper: there are | default VALUE and | json",
		"{{payload.a | json | json}}":           "it has | json twice",
		"{{payload.a | default x | default y}}": "it has | default twice",
		"{{payload.a | default }}":              "its default needs a value",
		"{{payload.a | default \"x}}":           "no closing quote",
		`{{payload.a | default "\x00"}}`:        "must not contain a NUL byte",
		"{{payload.a | default {} }}":           "must stand in double quotes",
		"{{payload.a | json | default x}}":      "must be JSON",
		"{{payload.a}} {{payload.b}}":           "must not have text behind the template {{payload.a}}",
		"{{payload.a}}.mp4":                     "fills the whole text, or the rest of it behind a fixed prefix",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestErrorsDoNotShowValues(t *testing.T) {
	v := values(`{"secret":"hush\u0000hush\n","list":["hush"]}`)
	for _, text := range []string{"{{payload.secret}}", "{{payload.list}}"} {
		parsed, err := Parse("hush" + text)
		if err != nil {
			t.Fatal(err)
		}
		_, err1 := parsed.Env(v)
		_, err2 := parsed.Header(v)
		for _, err := range []error{err1, err2} {
			if err == nil || strings.Contains(err.Error(), "hush") {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}
