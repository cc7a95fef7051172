package console

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

// Each word that the box offers is a query, and each name of a word is offered.
func TestOfferedWordsAreQueries(t *testing.T) {
	t.Parallel()
	offered := map[string]bool{}
	for _, word := range (&request{}).Words() {
		name, value, _ := strings.Cut(word, ":")
		offered[name] = true
		if value == "" {
			value = "x"
		}
		if _, err := parseQuery(name + ":" + value); err != nil {
			t.Errorf("%s: %v", word, err)
		}
	}
	for _, name := range queryNames {
		if !offered[name] {
			t.Errorf("%s: is not offered", name)
		}
	}
	for _, s := range task.States() {
		if !strings.Contains(strings.Join((&request{}).Words(), " "), "state:"+string(s)) {
			t.Errorf("state:%s is not offered", s)
		}
	}
}

// The script of the box completes the names that the pool has.
func TestNamesOfThePoolAreOffered(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a", Queue: "video"})
	status, text := b.do(http.MethodGet, b.path("words"), nil)
	if status != http.StatusOK || !strings.Contains(text, `"queue":["video"]`) {
		t.Errorf("%d %s", status, text)
	}
	if page := b.page(""); !strings.Contains(page, `data-words="/admin`+b.path("words")+`"`) {
		t.Errorf("the box does not name its words:\n%s", page)
	}
}

// An id with a colon is found like any other.
func TestIDsWithAColonAreFound(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "invoice:4711"}, task.Spec{ID: "order:4711"}, task.Spec{ID: "kinds:a"})
	for _, id := range []string{"invoice:4711", "order:4711", " kinds:a "} {
		if to := b.leadsTo("tasks?q=" + strings.ReplaceAll(id, " ", "+")); !strings.Contains(to, "/task?id="+strings.ReplaceAll(strings.TrimSpace(id), ":", "%3A")) {
			t.Errorf("%s leads to %q", id, to)
		}
	}
	if status, text := b.do(http.MethodGet, b.path("tasks?q=kinds:b"), nil); status != http.StatusBadRequest || !strings.Contains(text, "did you mean kind?") {
		t.Errorf("%d %s", status, text)
	}
}

// leadsTo returns where a page of the pool redirects to, "" for nowhere.
func (b *browser) leadsTo(path string) string {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url+b.path(path), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		b.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.Header.Get("Location")
}
