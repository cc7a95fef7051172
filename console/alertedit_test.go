package console

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ltsworker/ltsworker/alert"
)

// oneSucceeds acts several times at once. It fails unless one answer has the status done and the others refused.
func oneSucceeds(t *testing.T, done, refused int, act func(i int) (status int)) {
	t.Helper()
	var all sync.WaitGroup
	var succeeded atomic.Int32
	for i := range 8 {
		all.Go(func() {
			switch status := act(i); status {
			case done:
				succeeded.Add(1)
			case refused:
			default:
				t.Errorf("status %d", status)
			}
		})
	}
	all.Wait()
	if n := succeeded.Load(); n != 1 {
		t.Errorf("%d succeeded", n)
	}
}

// Of several users who save or create a rule at the same time, one succeeds.
func TestOneOfSeveralEditorsOfAnAlertRuleSucceeds(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	send := func(path string, form url.Values) func(int) int {
		return func(int) int { status, _ := b.do(http.MethodPost, b.path(path), form); return status }
	}
	oneSucceeds(t, http.StatusSeeOther, http.StatusBadRequest, send("alerts/set", url.Values{"name": {"r"}, "when": {"waiting"}}))
	oneSucceeds(t, http.StatusSeeOther, http.StatusConflict, send("alerts/set", sendable(t, b.page("alerts/edit?name=r"))))
	path := b.at("/alerts/rules/r")
	tag := b.api(http.MethodGet, path, nil).header.Get("ETag")
	oneSucceeds(t, http.StatusOK, http.StatusPreconditionFailed, func(int) int {
		return b.api(http.MethodPut, path, map[string]any{"when": "lost"}, "If-Match", tag).status
	})

	if got := b.api(http.MethodDelete, path, nil, "If-Match", tag); got.status != http.StatusPreconditionFailed {
		t.Errorf("removed with an old tag: %d", got.status)
	}
	if status := send("alerts/remove", url.Values{"name": {"r"}, "set_at": {"1"}})(0); status != http.StatusConflict || b.stored("r") == nil {
		t.Errorf("removed with an old form: %d", status)
	}
	tag = b.api(http.MethodGet, path, nil).header.Get("ETag")
	if got := b.api(http.MethodDelete, path, nil, "If-Match", tag); got.status >= 300 {
		t.Errorf("removed with the tag: %d", got.status)
	}
}

// A stored rule that this version cannot read is shown with its problem, and cannot be saved as another.
func TestAnUnreadableAlertRuleIsNotSaved(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	if err := alert.SetRule(t.Context(), b.store, alert.Rule{Name: "later", When: alert.Waiting}, ""); err != nil {
		t.Fatal(err)
	}
	form := sendable(t, b.page("alerts/edit?name=later"))
	const text = `{"rule":{"when":"waiting","colour":"red"}}`
	if err := b.rdb.HSet(t.Context(), "lts:{"+b.store.Pool()+"}:definitions:alerts", "later", text).Err(); err != nil {
		t.Fatal(err)
	}
	page := b.page("alerts/edit?name=later")
	if !strings.Contains(page, "The form cannot show this rule") || !strings.Contains(page, "colour") || strings.Contains(page, `action="`+b.path("alerts/set")+`"`) {
		t.Errorf("the page is\n%s", page)
	}
	form.Set("set_at", setAtText(b.stored("later")))
	if status, _ := b.do(http.MethodPost, b.path("alerts/set"), form); status != http.StatusConflict {
		t.Errorf("saved: %d", status)
	}
	if r := b.stored("later"); r == nil || r.Err == nil {
		t.Errorf("%+v", r)
	}
	b.act("alerts/remove", url.Values{"name": {"later"}, "set_at": form["set_at"]})
	if b.stored("later") != nil {
		t.Error("the rule is not removed")
	}
}
