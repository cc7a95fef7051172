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
)

// problem makes a request that has to fail and returns the answer.
func (b *browser) problem(method, path string, body any, status int) apiProblem {
	b.t.Helper()
	got := b.api(method, path, body)
	var p apiProblem
	if err := json.Unmarshal(got.body, &p); err != nil || got.status != status || p.Status != status || got.header.Get("Content-Type") != "application/problem+json" {
		b.t.Errorf("%s %s: %d %s, want %d; %v", method, path, got.status, got.body, status, err)
	}
	return p
}

func TestAPIChangesTasksAndRecordsIt(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	entry := map[string]any{"kind": "k", "id": "a/1", "payload": map[string]int{"n": 1}, "delay_ms": 3_600_000}
	if got := b.api(http.MethodPost, b.at("/tasks"), entry, reasonHeader, "first"); got.status != http.StatusCreated || !strings.HasSuffix(got.header.Get("Location"), b.at("/tasks/a%2F1")) {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	if got := b.api(http.MethodPost, b.at("/tasks"), entry); got.status != http.StatusOK || !strings.Contains(string(got.body), `"duplicate":true`) {
		t.Errorf("the same again: %d %s", got.status, got.body)
	}
	receipts := must[apiReceipts](b, http.MethodPost, b.at("/tasks/batch"), map[string]any{"tasks": []any{map[string]any{"kind": "k", "id": "b"}, map[string]any{"kind": "k", "id": "c"}}})
	if len(receipts.Receipts) != 2 || receipts.Receipts[1].ID != "c" || receipts.Receipts[1].State != task.Waiting {
		t.Errorf("%+v", receipts)
	}
	if n := must[changed](b, http.MethodPost, b.at("/tasks/run"), map[string]any{"ids": []string{"a/1"}}); n.Tasks != 1 {
		t.Errorf("%+v", n)
	}
	must[changed](b, http.MethodPost, b.at("/tasks/change"), map[string]any{"ids": []string{"a/1"}, "priority": 5, "payload": map[string]int{"n": 2}})
	if got := must[apiTaskRecord](b, http.MethodGet, b.at("/tasks/a%2F1"), nil); string(got.Payload) != `{"n":2}` || got.Priority != 5 || got.WaitsForCode != "no_replica" {
		t.Errorf("%+v", got)
	}
	must[changed](b, http.MethodPost, b.at("/tasks/stop"), map[string]any{"ids": []string{"a/1", "b"}, "reason": "too old"})
	p := b.problem(http.MethodPost, b.at("/tasks/stop"), map[string]any{"ids": []string{"absent", "c"}}, http.StatusConflict)
	if p.Tasks == nil || *p.Tasks != 1 || *p.Chosen != 2 || !strings.Contains(p.Detail, "absent") {
		t.Errorf("%+v", p)
	}
	must[changed](b, http.MethodPost, b.at("/tasks/retry"), map[string]any{"ids": []string{"b"}, "payload_text": "plain"})
	if got := b.get("b"); got.State != task.Waiting || string(got.Payload) != "plain" {
		t.Errorf("%+v", got)
	}
	must[changed](b, http.MethodPost, b.at("/tasks/delete"), map[string]any{"ids": []string{"c"}})
	if tasks, err := b.store.Get(t.Context(), "c"); err != nil || tasks[0] != nil {
		t.Errorf("deleted: %v, %v", tasks, err)
	}
	b.problem(http.MethodGet, b.at("/tasks/absent"), nil, http.StatusNotFound)

	entries := must[apiAuditList](b, http.MethodGet, b.at("/audit?limit=1000"), nil).Entries
	slices.Reverse(entries)
	var actions []string
	for _, e := range entries {
		if e.Of == "" {
			actions = append(actions, e.Action)
		}
	}
	want := []string{"enqueue", "enqueue", "enqueue", "tasks/run", "tasks/change", "tasks/stop", "tasks/stop", "tasks/change", "tasks/delete"}
	if !slices.Equal(actions, want) || len(entries) != 2*len(want) {
		t.Errorf("%d entries of %v, want %v", len(entries), actions, want)
	}
	if e := entries[0]; e.Reason != "first" || e.User != "ann" || e.Target != "k a/1" {
		t.Errorf("%+v", e)
	}
	if e, outcome := entries[10], entries[11]; e.Reason != "too old" || e.Target != "a/1 b" || outcome.Of != e.ID || outcome.Done != 2 {
		t.Errorf("%+v\n%+v", e, outcome)
	}
}

// A list has a query, a cursor and what the page has, and no payloads.
func TestAPIListsTasksByPages(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		b.enqueue(task.Spec{ID: id, Payload: []byte(`{"customer":7}`)})
	}
	b.enqueue(task.Spec{ID: "other", Kind: "x", Unique: "u"}, task.Spec{ID: "held", Hold: true})
	var ids []string
	path, pages := b.at("/tasks?q=kind:k&state=waiting&limit=2"), 0
	for after := ""; ; pages++ {
		page := must[apiTaskList](b, http.MethodGet, path+after, nil)
		for _, one := range page.Tasks {
			if ids = append(ids, one.ID); one.Payload != nil {
				t.Errorf("the list has the payload of %s", one.ID)
			}
		}
		if page.Next == "" {
			break
		}
		after = "&after=" + page.Next
	}
	slices.Sort(ids)
	if !slices.Equal(ids, []string{"a", "b", "c", "d", "e"}) || pages < 2 {
		t.Errorf("%d pages have %v", pages, ids)
	}
	for query, want := range map[string]string{"q=other": "other", "q=unique:u": "other", "q=hold:true": "held", "q=payload:customer+kind:x+state:waiting": "", "q=state:running": ""} {
		page := must[apiTaskList](b, http.MethodGet, b.at("/tasks?"+query), nil)
		if len(page.Tasks) > 0 != (want != "") || want != "" && page.Tasks[0].ID != want {
			t.Errorf("%s: %+v", query, page)
		}
	}
	if p := b.problem(http.MethodGet, b.at("/tasks"), nil, http.StatusBadRequest); p.Field != "state" {
		t.Errorf("%+v", p)
	}
}

func TestAPISetsLimitsRatesPausesAndAging(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a", Queue: "q"})
	put := func(path string, body any) { t.Helper(); must[any](b, http.MethodPut, b.at(path), body) }
	put("/limits/queue/q", map[string]any{"limit": 7, "reason": "why"})
	put("/limits/pool", map[string]any{"limit": 9})
	put("/limits/groups", map[string]any{"limit": 2})
	put("/limits/group/acme", map[string]any{"limit": 3})
	if l := must[record.Limit](b, http.MethodGet, b.at("/limits/group/acme"), nil); l.Limit != 3 || !l.Own {
		t.Errorf("%+v", l)
	}
	put("/limits/group/acme", map[string]any{"limit": "default"})
	if l := must[record.Limit](b, http.MethodGet, b.at("/limits/group/acme"), nil); l.Limit != 2 || l.Own {
		t.Errorf("%+v", l)
	}
	put("/limits/pool", map[string]any{"limit": "none"})
	if all := must[apiLimitList](b, http.MethodGet, b.at("/limits"), nil).Limits; len(all) < 3 || all[0].Limit != 0 || all[1].Limit != 7 {
		t.Errorf("%+v", all)
	}
	put("/rates/queue/q", map[string]any{"rate": "10/s burst 5"})
	put("/rates/groups", map[string]any{"rate": "5/m burst 1"})
	if r := must[record.Rate](b, http.MethodGet, b.at("/rates/queue/q"), nil); r.Rate != "10/s burst 5" {
		t.Errorf("%+v", r)
	}
	if all := must[apiRateList](b, http.MethodGet, b.at("/rates"), nil).Rates; len(all) != 2 {
		t.Errorf("%+v", all)
	}
	must[record.Rate](b, http.MethodGet, b.at("/rates/groups"), nil)
	put("/pauses/queue/q", map[string]any{"paused": true})
	put("/pauses/pool", map[string]any{"paused": true})
	if all := must[apiPauseList](b, http.MethodGet, b.at("/pauses"), nil).Pauses; len(all) != 2 || !all[0].Paused || !all[1].Paused {
		t.Errorf("%+v", all)
	}
	put("/pauses/pool", map[string]any{"paused": false})
	b.problem(http.MethodPut, b.at("/aging/q"), map[string]any{"aging_ms": 30000}, http.StatusConflict)
	must[changed](b, http.MethodPost, b.at("/tasks/stop"), map[string]any{"ids": []string{"a"}})
	put("/aging/q", map[string]any{"aging_ms": 30000})
	if all := must[apiAgingList](b, http.MethodGet, b.at("/aging"), nil).Aging; !slices.Contains(all, record.Aging{Queue: "q", AgingMS: 30000}) {
		t.Errorf("%+v", all)
	}
	put("/aging/q", map[string]any{"aging_ms": 0})
	p := must[apiPoolRecord](b, http.MethodGet, b.at(""), nil)
	if p.Role != "admin" || p.GroupLimit != 2 || p.GroupRate != "5/m burst 1" || p.Paused {
		t.Errorf("%+v", p)
	}
	queues := must[apiQueueList](b, http.MethodGet, b.at("/queues"), nil).Queues
	if i := slices.IndexFunc(queues, func(l record.QueueLoad) bool { return l.Name == "q" }); i < 0 || queues[i].Limit != 7 || !queues[i].Paused {
		t.Errorf("%+v", queues)
	}
	groups := must[apiGroupList](b, http.MethodGet, b.at("/groups?name=acme&name=other"), nil)
	if len(groups.Groups) != 2 || groups.Groups[0].Limit != 2 || groups.Groups[0].OwnLimit {
		t.Errorf("%+v", groups)
	}
	if pools := must[apiPoolList](b, http.MethodGet, "/pools", nil).Pools; len(pools) != 1 || pools[0].Role != "admin" || pools[0].Pool.Pool != b.name {
		t.Errorf("%+v", pools)
	}
}

func TestAPISetsTriggers(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	def := map[string]any{"cron": "0 3 * * *", "zone": "Asia/Shanghai", "task": map[string]any{"kind": "cleanup", "payload": map[string]int{"n": 1}}}
	for _, want := range []int{http.StatusCreated, http.StatusOK} {
		if got := b.api(http.MethodPut, b.at("/triggers/night"), def); got.status != want {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	got := must[apiTriggerRecord](b, http.MethodGet, b.at("/triggers/night"), nil)
	if got.State != "planned" || !strings.Contains(string(got.Definition), `"name":"night"`) || got.Redacted {
		t.Errorf("%+v", got)
	}
	if got := b.api(http.MethodPut, b.at("/triggers/night"), got.Definition); got.status != http.StatusOK {
		t.Errorf("its own definition: %d %s", got.status, got.body)
	}
	if times := must[apiTimes](b, http.MethodGet, b.at("/triggers/night/next?count=3"), nil).Planned; len(times) != 3 || !strings.HasSuffix(times[0], "T19:00:00.000Z") {
		t.Errorf("%v", times)
	}
	receipt := must[record.Receipt](b, http.MethodPost, b.at("/triggers/night/run"), map[string]any{"reason": "test"})
	if b.get(receipt.ID).Kind != "cleanup" {
		t.Errorf("%+v", receipt)
	}
	must[apiFirings](b, http.MethodGet, b.at("/triggers/night/history"), nil)
	must[any](b, http.MethodPost, b.at("/triggers/night/pause"), nil)
	if got := must[apiTriggerList](b, http.MethodGet, b.at("/triggers"), nil).Triggers; len(got) != 1 || got[0].State != "paused" {
		t.Errorf("%+v", got)
	}
	must[any](b, http.MethodPost, b.at("/triggers/night/resume"), nil)
	if p := b.problem(http.MethodPut, b.at("/triggers/night"), map[string]any{"cronn": "@daily", "task": map[string]any{"kind": "k"}}, http.StatusUnprocessableEntity); p.Field != "cronn" || !strings.Contains(p.Detail, "cron?") {
		t.Errorf("%+v", p)
	}
	if p := b.problem(http.MethodPut, b.at("/triggers/night"), map[string]any{"cron": "nonsense", "task": map[string]any{}}, http.StatusUnprocessableEntity); len(p.Errors) < 2 {
		t.Errorf("%+v", p)
	}
	must[any](b, http.MethodDelete, b.at("/triggers/night"), nil)
	b.problem(http.MethodDelete, b.at("/triggers/night"), nil, http.StatusNotFound)
}

func TestAPIShowsReplicasEventsAndFindings(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	if _, err := b.store.Join(t.Context(), task.Registration{Replica: "r/1", Lease: time.Hour, Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 9}}}); err != nil {
		t.Fatal(err)
	}
	b.enqueue(task.Spec{ID: "a"}, task.Spec{ID: "b"})
	if _, err := b.store.Exchange(t.Context(), task.Exchange{Replica: "r/1", Claims: []task.Claim{{Queue: task.DefaultQueue, N: 1}}}); err != nil {
		t.Fatal(err)
	}
	must[apiProgressRecord](b, http.MethodGet, b.at("/tasks/a/progress"), nil)
	if log := must[apiLogList](b, http.MethodGet, b.at("/tasks/a/log"), nil).Attempts; len(log) != 1 || log[0].State != task.Running {
		t.Errorf("%+v", log)
	}
	if replicas := must[apiReplicaList](b, http.MethodGet, b.at("/replicas"), nil).Replicas; len(replicas) != 1 || replicas[0].Slots != 9 {
		t.Errorf("%+v", replicas)
	}
	must[any](b, http.MethodPost, b.at("/replicas/r%2F1/drain"), nil)
	b.problem(http.MethodPost, b.at("/replicas/none/drain"), nil, http.StatusNotFound)

	newest := must[apiEventList](b, http.MethodGet, b.at("/events?limit=1"), nil)
	older := must[apiEventList](b, http.MethodGet, b.at("/events?after="+newest.Next), nil)
	if len(newest.Events) == 0 || len(older.Events) == 0 || older.Events[0].Cursor >= newest.Events[0].Cursor {
		t.Errorf("%+v\n%+v", newest, older)
	}
	all := must[apiEventList](b, http.MethodGet, b.at("/events?since=0"), nil)
	if len(all.Events) != 3 || all.Events[0].State != task.Waiting || all.Next != newest.Events[0].Cursor {
		t.Errorf("%+v", all)
	}
	b.enqueue(task.Spec{ID: "c"})
	if more := must[apiEventList](b, http.MethodGet, b.at("/events?since="+all.Next), nil); len(more.Events) != 1 || more.Events[0].ID != "c" {
		t.Errorf("%+v", more)
	}
	if found := must[apiFindingList](b, http.MethodGet, b.at("/findings"), nil).Findings; len(found) == 0 {
		t.Error("the doctor finds nothing")
	}
}

func TestAPIAnswersRejectedEntries(t *testing.T) {
	t.Parallel()
	hide, err := RedactKeys("password")
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, func(o *Options) { o.Redact = hide })
	b.reject(`{"kind":"k","bad":1,"then":{"kind":"k","payload":{"password":"x1x"}},"payload":{"password":"x1x"}}`, `{"kind":`)
	list := must[apiRejectedList](b, http.MethodGet, b.at("/rejected"), nil).Rejected
	b.reject(`{"kind":"k","backoff":"x1x","payload":"` + strings.Repeat("y", 30_000) + `"}`)
	if got := must[apiRejectedList](b, http.MethodGet, b.at("/rejected?limit=1"), nil).Rejected[0]; strings.Contains(got.Reason, "x1x") || !strings.Contains(got.Reason, masked) {
		t.Errorf("the reason shows what the entry does not: %+v", got)
	}
	if len(list) != 2 || list[0].EntryText != "(8 bytes)" || strings.Contains(string(list[1].Entry), "x1x") || strings.Count(string(list[1].Entry), masked) != 2 {
		t.Errorf("%+v", list)
	}
	if one := must[apiRejectedList](b, http.MethodGet, b.at("/rejected?limit=1"), nil); len(one.Rejected) != 1 || !one.More {
		t.Errorf("%+v", one)
	}
	must[any](b, http.MethodPost, b.at("/rejected/"+list[0].ID+"/put-back"), map[string]any{"reason": "try again"})
	must[any](b, http.MethodDelete, b.at("/rejected/"+list[1].ID), nil)
	b.problem(http.MethodPost, b.at("/rejected/"+list[0].ID+"/put-back"), nil, http.StatusNotFound)
}

// The API hides what the pages hide.
func TestAPIRedacts(t *testing.T) {
	t.Parallel()
	hide, err := RedactKeys("password", "auth")
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, func(o *Options) { o.Redact = hide })
	secret := []byte(`{"password":"x1x"}`)
	b.enqueue(task.Spec{ID: "a", Payload: secret, Headers: map[string]string{"auth": "x1x"}},
		task.Spec{ID: "p", Payload: secret, ShardParams: []string{string(secret)}})
	def := map[string]any{"every_ms": 3_600_000, "payload_template": `{"password":"x1x"}`, "task": map[string]any{"kind": "k", "headers": map[string]string{"auth": "x1x"},
		"then": map[string]any{"kind": "k", "payload": map[string]string{"password": "x1x"}}}}
	if got := b.api(http.MethodPut, b.at("/triggers/t"), def); got.status != http.StatusCreated || strings.Contains(string(got.body), "x1x") || !strings.Contains(string(got.body), `"redacted":true`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	for _, path := range []string{"/tasks/a", "/tasks/p", "/tasks?q=parent:p", "/triggers", "/triggers/t", "/tasks?q=state:waiting+payload:password", "/events"} {
		if got := b.api(http.MethodGet, b.at(path), nil); got.status != http.StatusOK || strings.Contains(string(got.body), "x1x") {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := must[apiTaskList](b, http.MethodGet, b.at("/tasks?q=state:waiting+payload:x1x"), nil).Tasks; len(got) != 0 {
		t.Errorf("a search finds what is hidden: %+v", got)
	}
	for _, path := range []string{"/tasks/change", "/tasks/retry"} { // what was read must not be stored
		got := b.api(http.MethodPost, b.at(path), map[string]any{"ids": []string{"a"}, "payload": map[string]any{"password": "•••", "n": 2}})
		if got.status != http.StatusUnprocessableEntity || !strings.Contains(string(got.body), `"field":"payload"`) || string(b.get("a").Payload) != string(secret) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	p, err := b.c.sites[b.name].picture(t.Context())
	if err != nil || p.Triggers[0].Task.Headers["auth"] != "x1x" {
		t.Errorf("the picture was changed: %+v, %v", p.Triggers[0].Task, err)
	}
}

func TestAPIRefusesWrongRequests(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"})
	for _, x := range []struct {
		method, path, body string
		status             int
		field, want        string
	}{
		{"POST", "/tasks/stop", `{"ids":["a"],"reson":"x"}`, 422, "reson", "did you mean reason?"},
		{"POST", "/tasks/stop", `{"ids":"a"}`, 422, "ids", "must be a list of texts"},
		{"POST", "/tasks/stop", `{}`, 422, "ids", "must name at least one task"},
		{"POST", "/tasks/stop", `{"ids":`, 400, "", "not valid JSON"},
		{"POST", "/tasks/stop", `["a"]`, 400, "", "must be a JSON object"},
		{"POST", "/tasks/retry", `{"ids":["a"],"priority":900}`, 422, "priority", "-128 to 127"},
		{"POST", "/tasks/change", `{"ids":["a"]}`, 422, "priority", "is missing"},
		{"POST", "/tasks/change", `{"ids":["a"],"payload":1,"payload_text":"x"}`, 422, "payload_text", "cannot both be set"},
		{"POST", "/tasks", `{"kind":"k","queu":"q"}`, 422, "queu", "did you mean queue?"},
		{"POST", "/tasks", `7`, 422, "", "must be a JSON object"},
		{"POST", "/tasks", ``, 422, "", "must be a JSON object"},
		{"POST", "/tasks/batch", `{"tasks":[{"kind":"k"},{"kind":"{"},{"knd":"k"}]}`, 422, "tasks[1].kind", "tasks[2].knd"},
		{"POST", "/tasks/batch", `{"tasks":[]}`, 422, "tasks", "from 1 to 1000"},
		{"PUT", "/limits/queue/q", `{"limit":0}`, 422, "limit", "number from 1 on"},
		{"PUT", "/limits/pool", `{"limit":"default"}`, 422, "limit", "only a group"},
		{"PUT", "/limits/pol", `{"limit":1}`, 422, "scope", "did you mean pool?"},
		{"PUT", "/limits/queue", `{"limit":1}`, 422, "name", "must not be empty"},
		{"PUT", "/limits/pool/x", `{"limit":1}`, 422, "name", "not for the scope pool"},
		{"PUT", "/rates/pool", `{"rate":"1/s"}`, 422, "scope", "must be one of"},
		{"PUT", "/rates/queue/q", `{"rate":"fast"}`, 422, "rate", "100/s"},
		{"PUT", "/pauses/queue/q", `{}`, 422, "paused", "is missing"},
		{"PUT", "/aging/q", `{"aging_ms":-1}`, 422, "aging_ms", "milliseconds"},
		{"GET", "/limits/queue/none", "", 404, "", "no queue none"},
		{"GET", "/tasks?stat=failed", "", 400, "stat", "did you mean state?"},
		{"GET", "/tasks?q=stat:failed", "", 400, "stat", "did you mean state?"},
		{"GET", "/tasks?state=fail", "", 400, "state", "failed"},
		{"GET", "/tasks?state=failed&limit=501", "", 400, "limit", "from 1 to 500"},
		{"GET", "/events?after=x", "", 400, "after", "cursor"},
		{"GET", "/events?after=1-0&since=1-0", "", 400, "since", "both"},
		{"GET", "/audit?refused=yes", "", 400, "refused", "true or false"},
	} {
		var body any
		if x.method != "GET" {
			body = x.body
		}
		if p := b.problem(x.method, b.at(x.path), body, x.status); p.Field != x.field || !strings.Contains(p.Detail, x.want) {
			t.Errorf("%s %s %s: %+v, want %s in %s", x.method, x.path, x.body, p, x.want, x.field)
		}
	}
	if got := b.api(http.MethodPost, b.at("/tasks/stop"), `{"ids":["a"]}`, "Content-Type", "text/plain"); got.status != http.StatusUnsupportedMediaType {
		t.Errorf("%d %s", got.status, got.body)
	}
	b.problem(http.MethodPost, b.at("/tasks/stop"), `{"reason":"`+strings.Repeat("x", mostBody)+`"}`, http.StatusRequestEntityTooLarge)
	if got := b.get("a"); got.State != task.Waiting {
		t.Errorf("the task is %s", got.State)
	}
	for path, want := range map[string]int{"/api/v1/nothing": 404, "/api/v1/pools/x/y/z": 404} {
		if status, text := b.do(http.MethodGet, path, nil); status != want || !strings.Contains(text, `"title":"Not Found"`) {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if status, text := b.do(http.MethodPatch, "/api/v1/pools", nil); status != http.StatusMethodNotAllowed || !strings.Contains(text, `"status":405`) {
		t.Errorf("%d %s", status, text)
	}
}
