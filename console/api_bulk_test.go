package console

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/console/bulk"
	"github.com/ltsworker/ltsworker/task"
)

// job waits until a bulk job is in a phase.
func (b *browser) job(id string, phase bulk.Phase) apiBulkJob {
	b.t.Helper()
	for late := time.Now().Add(patient); ; {
		j := must[apiBulkJob](b, http.MethodGet, b.at("/bulk/"+id), nil)
		if j.Phase == phase {
			return j
		}
		if j.Phase.Ended() || time.Now().After(late) {
			b.t.Fatalf("the job is not %s: %+v", phase, j)
		}
		time.Sleep(10 * time.Millisecond) // the job runs in the background
	}
}

// A program counts, confirms the count and waits for the end. Its token is in the audit stream.
func TestAPIActsOnAllTasksThatMatch(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	token := b.token(b.withUsers(), "ann", access.Token{Name: "ci"})
	for i := range 30 {
		b.enqueue(task.Spec{Kind: "mail", ID: fmt.Sprint("m", i)}, task.Spec{Kind: "other"})
	}
	b.authorization = token
	got := b.api(http.MethodPost, b.at("/bulk"), map[string]any{"verb": "stop", "query": "kind:mail", "state": "waiting"})
	jobs := must[apiBulkList](b, http.MethodGet, b.at("/bulk"), nil).Jobs
	if got.status != http.StatusAccepted || len(jobs) != 1 || got.header.Get("Location") != "/admin"+apiRoot+b.at("/bulk/"+jobs[0].ID) || jobs[0].Query != "kind:mail" {
		t.Fatalf("%d %v %s\n%+v", got.status, got.header, got.body, jobs)
	}
	id := jobs[0].ID
	if j := b.job(id, bulk.Counted); j.Counted != 30 || j.Total != 60 || j.Read != 60 || j.User != "ann" || j.Changed != 0 {
		t.Errorf("%+v", j)
	}
	confirm := b.at("/bulk/" + id + "/confirm")
	for field, body := range map[string]map[string]any{"count": {"reason": "x"}, "reason": {"count": 30}} {
		if p := b.problem(http.MethodPost, confirm, body, http.StatusUnprocessableEntity); p.Field != field {
			t.Errorf("%v: %+v", body, p)
		}
	}
	if p := b.problem(http.MethodPost, confirm, map[string]any{"count": 29, "reason": "x"}, http.StatusUnprocessableEntity); p.Field != "count" || !strings.Contains(p.Detail, "30") {
		t.Errorf("%+v", p)
	}
	if got, all := b.get("m0").State, b.audit(false); got != task.Waiting || len(all) != 1 || all[0].Action != "bulk/count" || all[0].Method != "token ci" {
		t.Errorf("before the confirmation m0 is %s, the audit stream has %v", got, all)
	}
	must[apiBulkJob](b, http.MethodPost, confirm, map[string]any{"count": 30, "reason": "withdrawn"})
	if j := b.job(id, bulk.Done); j.Changed != 30 || j.Handled != 30 || j.ConfirmedBy != "ann" || j.Reason != "withdrawn" || j.ConfirmedAt == "" || j.EndedAt == "" {
		t.Errorf("%+v", j)
	}
	if got := b.get("m29"); got.State != task.Stopped || got.StopWhy != "withdrawn" {
		t.Errorf("%+v", got)
	}
	if e := b.audit(false)[1]; e.Action != "bulk/stop" || e.Count != 30 || e.Method != "token ci" || e.Reason != "withdrawn" {
		t.Errorf("%+v", e)
	}
	b.problem(http.MethodPost, confirm, map[string]any{"count": 30, "reason": "x"}, http.StatusConflict)
	b.problem(http.MethodPost, b.at("/bulk/"+id+"/cancel"), nil, http.StatusConflict)
	b.problem(http.MethodGet, b.at("/bulk/absent"), nil, http.StatusNotFound)
}

// A job that was not confirmed can be cancelled. The state may be a word of the query, and a job
// with the verb change has a priority.
func TestAPICancelsBulkJobs(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"})
	j := must[apiBulkJob](b, http.MethodPost, b.at("/bulk"), map[string]any{"verb": "change", "query": "state:waiting", "priority": 0})
	if j.State != task.Waiting || j.Priority == nil || *j.Priority != 0 {
		t.Errorf("%+v", j)
	}
	b.job(j.ID, bulk.Counted)
	must[apiBulkJob](b, http.MethodPost, b.at("/bulk/"+j.ID+"/cancel"), map[string]any{})
	if j := b.job(j.ID, bulk.Cancelled); j.CancelledBy != "ann" || j.EndedAt == "" {
		t.Errorf("%+v", j)
	}
	if e := b.audit(false)[0]; e.Action != "bulk/cancel" || e.User != "ann" {
		t.Errorf("%+v", e)
	}
}

// An operator may neither ask for nor confirm a job that deletes tasks. Both refusals are recorded.
func TestAPINeedsAnAdminToDeleteAllTasksThatMatch(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"})
	must[changed](b, http.MethodPost, b.at("/tasks/stop"), map[string]any{"ids": []string{"a"}})
	ask := map[string]any{"verb": "delete", "state": "stopped"}
	j := must[apiBulkJob](b, http.MethodPost, b.at("/bulk"), ask)
	b.job(j.ID, bulk.Counted)
	yes := map[string]any{"count": 1, "reason": "x"}
	b.as(access.Operator)
	b.problem(http.MethodPost, b.at("/bulk"), ask, http.StatusForbidden)
	b.problem(http.MethodPost, b.at("/bulk/"+j.ID+"/confirm"), yes, http.StatusForbidden)
	if refused := b.audit(true); len(refused) != 2 || refused[1].Action != "api POST /bulk delete" || refused[0].Action != "api POST /bulk/{id}/confirm delete "+j.ID {
		t.Errorf("%+v", refused)
	}
	b.get("a")
	b.as(access.Admin)
	must[apiBulkJob](b, http.MethodPost, b.at("/bulk/"+j.ID+"/confirm"), yes)
	b.job(j.ID, bulk.Done)
	if tasks, err := b.store.Get(t.Context(), "a"); err != nil || tasks[0] != nil {
		t.Errorf("%v, %v", tasks, err)
	}
}

func TestAPIRefusesWrongBulkJobs(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	for _, x := range []struct{ body, field, want string }{
		{`{"verb":"stopp","state":"waiting"}`, "verb", "did you mean stop?"},
		{`{"verb":"stop"}`, "state", "must be one of"},
		{`{"verb":"stop","state":"wating"}`, "state", "did you mean waiting?"},
		{`{"verb":"stop","state":"failed"}`, "state", "must allow stop"},
		{`{"verb":"stop","state":"waiting","query":"id:a"}`, "query", "single tasks"},
		{`{"verb":"stop","state":"waiting","query":"stat:failed"}`, "stat", "did you mean state?"},
		{`{"verb":"stop","state":"waiting","query":"state:running"}`, "state", "running"},
		{`{"verb":"change","state":"waiting"}`, "priority", "is missing"},
		{`{"verb":"change","state":"waiting","priority":128}`, "priority", "-128 to 127"},
		{`{"verb":"stop","state":"waiting","priority":1}`, "priority", "only for the verb change"},
		{`{"verb":"stop","state":"waiting","reason":"x"}`, "reason", "is unknown"},
	} {
		if p := b.problem(http.MethodPost, b.at("/bulk"), x.body, http.StatusUnprocessableEntity); p.Field != x.field || !strings.Contains(p.Detail, x.want) {
			t.Errorf("%s: %+v, want %s in %s", x.body, p, x.want, x.field)
		}
	}
	if jobs := must[apiBulkList](b, http.MethodGet, b.at("/bulk"), nil).Jobs; len(jobs) > 0 {
		t.Errorf("%+v", jobs)
	}
}
