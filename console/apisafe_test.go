package console

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

// A definition that was read without its secrets cannot replace the one with them.
func TestAPIKeepsTheSecretsOfTriggers(t *testing.T) {
	t.Parallel()
	hide, err := RedactKeys("password", "auth")
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, func(o *Options) { o.Redact = hide })
	secret := `{"password":"x1x","n":1}`
	def := trigger.Definition{Name: "a", Every: time.Hour, Task: task.Spec{Kind: "k", Payload: []byte(secret), Headers: map[string]string{"auth": "x1x", "t": "u"}, ShardParams: []string{secret},
		Then: &task.Spec{Kind: "n", Payload: []byte(secret)}}}
	template := trigger.Definition{Name: "b", Every: time.Hour, PayloadTemplate: `{"at":{{planned_ms}},"password":"x1x"}`, Task: task.Spec{Kind: "k"}}
	for _, d := range []trigger.Definition{def, template} {
		if err := b.c.sites[b.name].pool.Triggers().Set(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	read := must[apiTriggerRecord](b, http.MethodGet, b.at("/triggers/a"), nil)
	escaped := strings.ReplaceAll(string(read.Definition), masked, `\u2022\u2022\u2022`)
	edited := strings.ReplaceAll(string(read.Definition), `"n":1`, `"n":2`)
	for _, body := range []string{string(read.Definition), escaped, edited} {
		p := b.problem(http.MethodPut, b.at("/triggers/a"), json.RawMessage(body), http.StatusUnprocessableEntity)
		var fields []string
		for _, e := range p.Errors {
			fields = append(fields, e.Field)
		}
		if got := strings.Join(fields, " "); got != "task.payload task.headers.auth task.shard_params[0] task.then.payload" {
			t.Errorf("%s: wrong are %q", body, got)
		}
	}
	if got := b.trigger("a").Task; string(got.Payload) != secret || got.Headers["auth"] != "x1x" || got.ShardParams[0] != secret {
		t.Errorf("the secrets are %+v", got)
	}
	read = must[apiTriggerRecord](b, http.MethodGet, b.at("/triggers/b"), nil)
	if p := b.problem(http.MethodPut, b.at("/triggers/b"), read.Definition, http.StatusUnprocessableEntity); p.Field != "payload_template" {
		t.Errorf("%+v", p)
	}
	whole := strings.ReplaceAll(string(read.Definition), masked, "new")
	if got := b.api(http.MethodPut, b.at("/triggers/b"), json.RawMessage(whole)); got.status != http.StatusOK || !strings.Contains(b.trigger("b").PayloadTemplate, "new") {
		t.Errorf("with another secret: %d %s", got.status, got.body)
	}
}

// A trigger of a config file stays as it is, and with If-Match also one that has changed.
func TestAPIDoesNotReplaceOwnedAndChangedTriggers(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	def := trigger.Definition{Name: "a", Every: time.Hour, Task: task.Spec{Kind: "k"}}
	if _, err := b.c.sites[b.name].pool.Triggers().Apply(t.Context(), "workers", []trigger.Definition{def}); err != nil {
		t.Fatal(err)
	}
	body := map[string]any{"every_ms": 7_200_000, "task": map[string]any{"kind": "k"}}
	b.problem(http.MethodPut, b.at("/triggers/a"), body, http.StatusConflict)
	if got := b.trigger("a"); got.Origin != "workers" || got.Every != time.Hour {
		t.Errorf("%+v", got)
	}
	put := func(name, tag string, want int) string {
		t.Helper()
		got := b.api(http.MethodPut, b.at("/triggers/"+name), body, "If-Match", tag)
		if got.status != want {
			t.Errorf("%s with %s: %d %s", name, tag, got.status, got.body)
		}
		return got.header.Get("ETag")
	}
	put("new", "*", http.StatusPreconditionFailed)
	tag := b.api(http.MethodPut, b.at("/triggers/new"), body).header.Get("ETag")
	body["every_ms"] = 3_600_000
	put("new", `"2001-01-01T00:00:00.000Z"`, http.StatusPreconditionFailed)
	if tag = put("new", tag, http.StatusOK); tag != b.api(http.MethodGet, b.at("/triggers/new"), nil).header.Get("ETag") {
		t.Errorf("the tag is %s", tag)
	}
	put("new", "*", http.StatusOK)
}

// null is no value: it neither replaces payloads nor removes settings.
func TestAPITakesNullForNoValue(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a", Queue: "q", Payload: []byte(`{"n":1}`)})
	null := map[string]any{"ids": []string{"a"}, "payload": nil}
	b.problem(http.MethodPost, b.at("/tasks/change"), null, http.StatusUnprocessableEntity)
	must[changed](b, http.MethodPost, b.at("/tasks/stop"), map[string]any{"ids": []string{"a"}})
	must[changed](b, http.MethodPost, b.at("/tasks/retry"), null)
	if got := b.get("a"); string(got.Payload) != `{"n":1}` || got.State != task.Waiting {
		t.Errorf("%+v", got)
	}
	must[any](b, http.MethodPut, b.at("/rates/queue/q"), map[string]any{"rate": "10/s"})
	must[any](b, http.MethodPut, b.at("/limits/group/g"), map[string]any{"limit": 3})
	for path, field := range map[string]string{"/rates/queue/q": "rate", "/limits/group/g": "limit"} {
		if p := b.problem(http.MethodPut, b.at(path), map[string]any{field: nil}, http.StatusUnprocessableEntity); p.Field != field {
			t.Errorf("%s: %+v", path, p)
		}
	}
	if r := must[record.Rate](b, http.MethodGet, b.at("/rates/queue/q"), nil); !strings.HasPrefix(r.Rate, "10/s") {
		t.Errorf("%+v", r)
	}
	if l := must[record.Limit](b, http.MethodGet, b.at("/limits/group/g"), nil); l.Limit != 3 {
		t.Errorf("%+v", l)
	}
}

// A list of ids beyond the bound is refused, also if the ids are the same.
func TestAPIRefusesTooManyIDs(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"})
	ids := slices.Repeat([]string{"a"}, mostChosen+1)
	if p := b.problem(http.MethodPost, b.at("/tasks/stop"), map[string]any{"ids": ids}, http.StatusUnprocessableEntity); p.Field != "ids" {
		t.Errorf("%+v", p)
	}
	if done := must[changed](b, http.MethodPost, b.at("/tasks/stop"), map[string]any{"ids": ids[1:]}); done.Tasks != 1 || done.Chosen != 1 {
		t.Errorf("%+v", done)
	}
}

// Lists that have no pages end at the limit, and say how many tasks they leave out.
func TestAPICutsListsWithoutPages(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "p", Shards: 3})
	b.spread("p")
	if got := must[apiTaskList](b, http.MethodGet, b.at("/tasks?q=parent:p&limit=2"), nil); len(got.Tasks) != 2 || got.More != 1 {
		t.Errorf("%+v", got)
	}
}

// Programs that poll settings share the reads of the pages.
func TestAPISettingsShareThePicture(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	s := b.c.sites[b.name]
	p, err := s.picture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	shown := *p
	shown.Stats.Paused = true // which no read of the pool returns
	s.show(&shown)
	if all := must[apiPauseList](b, http.MethodGet, b.at("/pauses"), nil).Pauses; !all[0].Paused {
		t.Errorf("%+v", all)
	}
	must[apiAgingList](b, http.MethodGet, b.at("/aging"), nil)
	if all := must[apiPoolList](b, http.MethodGet, "/pools", nil).Pools; len(all) != 1 || all[0].Counts == nil {
		t.Errorf("%+v", all)
	}
}

// show makes a picture the one of all viewers.
func (s *site) show(p *picture) {
	later := time.Now().Add(time.Hour) // it is not read again
	s.pictures.mu.Lock()
	defer s.pictures.mu.Unlock()
	s.pictures.last = &reading[*picture]{begun: later, ended: later, value: p}
}
