package console

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

func TestRedactKeysMasksNestedValues(t *testing.T) {
	t.Parallel()
	hide, err := RedactKeys("password", "*secret*")
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		`{"a":1,"Password":"x"}`:                     `{"Password":"•••","a":1}`,
		`[{"my_secret":{"b":1}}]`:                    `[{"my_secret":"•••"}]`,
		`{"password":1} {"password":2}`:              `{"password":"•••"} {"password":"•••"}`,
		"{\"a\": 1}\n{\"password\":2}\n":             "{\"a\": 1}\n{\"password\":\"•••\"}\n",
		`{"body":"{\"password\":\"x\"}"}`:            `{"body":"{\"password\":\"•••\"}"}`,
		`["[{\"password\":\"x\"}]"]`:                 `["[{\"password\":\"•••\"}]"]`,
		`"{\"a\":\"{\\\"password\\\":\\\"x\\\"}\"}"`: `"{\"a\":\"{\\\"password\\\":\\\"•••\\\"}\"}"`,
		`{"n": 12345678901234567890, "s":"<&"}`:      `{"n": 12345678901234567890, "s":"<&"}`,
		`{"s":"[not JSON"}`:                          `{"s":"[not JSON"}`,
		"password: x":                                "password: x",
		"":                                           "",
	} {
		if got := string(hide("k", "payload", []byte(in))); got != want {
			t.Errorf("%s is shown as %s, want %s", in, got, want)
		}
	}
	for _, key := range []string{"result", "progress", "shard_param"} {
		if got := string(hide("k", key, []byte(`{"password":1}`))); got != `{"password":"•••"}` {
			t.Errorf("a %s is shown as %s", key, got)
		}
	}
	deep := `{"password":"x1x"}`
	for range deepest + 2 {
		deep = string(encoded(map[string]string{"a": deep}))
	}
	if got := string(hide("k", "payload", []byte(deep))); strings.Contains(got, "x1x") {
		t.Errorf("a deep value is shown: %s", got)
	}
}

// entries returns what the page of rejected entries shows of each, newest first.
func (b *browser) entries() (shown []string) {
	b.t.Helper()
	for _, m := range regexp.MustCompile(`(?s)<pre>(.*?)</pre>`).FindAllStringSubmatch(b.page("rejected"), -1) {
		shown = append(shown, html.UnescapeString(m[1]))
	}
	return shown
}

func (b *browser) reject(entries ...string) {
	b.t.Helper()
	for _, e := range entries {
		if err := b.rdb.RPush(b.t.Context(), "lts:{"+b.name+"}:inbox", e).Err(); err != nil {
			b.t.Fatal(err)
		}
	}
	if _, err := b.store.AdmitInbox(b.t.Context(), nil); err != nil {
		b.t.Fatal(err)
	}
}

func TestRejectedEntriesAreRedacted(t *testing.T) {
	t.Parallel()
	hide, err := RedactKeys("password", "auth")
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, func(o *Options) { o.Redact = hide })
	b.reject(`{"kind":"k","shards":["{\"password\":\"x1x\"}"],"task":{"shards":7,"payload":{"password":"x1x"}}}`, `{"kind":"k","bad":1,"payload":{"password":"x1x"},"headers":{"auth":"x1x","trace":"t"},"payload":{"a":2}}`,
		`{"kind":"k","bad":1,"payload":"text","headers":["x1x"]}`,
		`{"kind":"k","payload":{"password":"x1x"}`,
		`{"kind":"k","payload":{"password":"x1x"}} {}`,
		`{"kind":"k","paylod":{"a":[{"password":"x1x"}]},"Password":"x1x","auth":7,"other":{"b": 2}}`,
		`x1x`,
		`{"kind":"k","bad":1,"payload":"`+strings.Repeat("x1x", 10_000)+`"}`)
	want := []string{"(30033 bytes)", "(3 bytes)", `{"kind":"k","paylod":{"a":[{"password":"•••"}]},"Password":"•••","auth":"•••","other":{"b": 2}}`, "(44 bytes)", "(40 bytes)",
		`{"kind":"k","bad":1,"payload":"text","headers":"•••"}`,
		`{"kind":"k","bad":1,"payload":{"password":"•••"},"headers":{"auth":"•••","trace":"t"},"payload":{"a":2}}`,
		`{"kind":"k","shards":["{\"password\":\"•••\"}"],"task":{"shards":7,"payload":{"password":"•••"}}}`}
	if got := b.entries(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %s\nwant %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	plain := newBrowser(t, nil)
	plain.reject("x1x")
	if got := plain.entries(); len(got) != 1 || got[0] != "x1x" {
		t.Errorf("without a hook the page shows %q", got)
	}
}

// What a template makes is redacted. One that makes no JSON is not shown.
func TestTemplatesAreRedacted(t *testing.T) {
	t.Parallel()
	hide, err := RedactKeys("password")
	if err != nil {
		t.Fatal(err)
	}
	q := &request{c: &Console{opts: Options{Redact: hide}}}
	for template, want := range map[string]string{
		"": "",
		`{"at":{{planned_ms}},"day":"{{planned_date}}"}`:     `{"at":{{planned_ms}},"day":"{{planned_date}}"}`,
		`{"at_us":{{planned_ms}}000,"password":"x1x"}`:       `{"at_us":1000,"password":"•••"}`,
		`{"at":"{{planned}}","password":"{{trigger}}x1x"}`:   `{"at":"1","password":"•••"}`,
		`{"at":0{{planned_ms}},"password":"x1x"}`:            masked,
		`{"at":{{planned_ms}},"password":"x1x"} {{trigger}}`: masked,
		`x1x`: masked,
	} {
		if got := q.hideTemplate("k", template); got != want {
			t.Errorf("%s is shown as %s", template, got)
		}
	}
	if got := (&request{c: &Console{}}).hideTemplate("k", "x1x"); got != "x1x" {
		t.Errorf("without a hook a template is shown as %s", got)
	}
}

// A hook may change the bytes that it gets.
func TestHooksGetACopy(t *testing.T) {
	t.Parallel()
	q := &request{c: &Console{opts: Options{Redact: func(_, _ string, value []byte) []byte {
		for i := range value {
			value[i] = '*'
		}
		return value
	}}}}
	value := []byte("secret")
	if got := q.hide("k", "payload", value); string(got) != "******" || string(value) != "secret" {
		t.Errorf("shown as %s, the value is %s", got, value)
	}
}

// A store that has read entries of many events reads too few of those with one. The page still
// leads to the next one.
func TestEventsContinueAfterEntriesOfManyEvents(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	for i := range 3 * rows {
		b.enqueue(task.Spec{ID: fmt.Sprint("one", i)})
	}
	var specs []task.Spec
	for i := range 100 {
		specs = append(specs, task.Spec{ID: fmt.Sprint("bulk", i)})
	}
	b.enqueue(specs...)
	next := regexp.MustCompile(`rel="next" href="[^"]*?/(events\?[^"]*)"`)
	page, seen := b.page("events"), 0
	for pages := 0; ; pages++ {
		seen += strings.Count(page, `">one`)
		m := next.FindStringSubmatch(page)
		if m == nil || pages > 500 {
			break
		}
		page = b.page(html.UnescapeString(m[1]))
	}
	if seen != 3*rows {
		t.Errorf("the pages have %d of the %d events", seen, 3*rows)
	}
}

// In a changed value the masked parts are restored from the same place only.
func TestMasksAreRestoredFromTheirPlaceOnly(t *testing.T) {
	t.Parallel()
	const shown, stored = `{"a":{"pw":"•••","n":1},"l":[{"u":"x","pw":"•••"},{"u":"y","pw":"•••"}]}`, `{"a":{"pw":"1","n":1},"l":[{"u":"x","pw":"2"},{"u":"y","pw":"3"}]}`
	for sent, want := range map[string]string{
		`{"a":{"pw":"•••","n":2},"l":[{"u":"x","pw":"•••"},{"u":"y","pw":"•••"}]}`: `{"a":{"n":2,"pw":"1"},"l":[{"pw":"2","u":"x"},{"pw":"3","u":"y"}]}`,
		`{"a":{"pw":"new","n":1},"l":[{"u":"y","pw":"•••"},{"u":"x","pw":"•••"}]}`: `{"a":{"n":1,"pw":"new"},"l":[{"pw":"•••","u":"y"},{"pw":"•••","u":"x"}]}`,
		`{"b":{"pw":"•••"}}`: `{"b":{"pw":"•••"}}`,
		`{"n":1}`:            `{"n":1}`,
	} {
		if got := unmask(sent, shown, stored); got != want {
			t.Errorf("%s becomes %s", sent, got)
		}
	}
	for sent, want := range map[string]string{"t=2\r\nauth=•••": "t=2\nauth=1", "other=•••": "other=•••"} {
		if got := unmask(sent, "auth=•••\nt=1", "auth=1\nt=1"); got != want {
			t.Errorf("%q becomes %q", sent, got)
		}
	}
	if got := unmask("p=•••\nq", "p=•••\np=•••", "p=1\np=2"); got != "p=•••\nq" {
		t.Errorf("a line that is shown twice becomes %q", got)
	}
}
