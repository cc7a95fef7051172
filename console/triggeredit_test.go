package console

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"testing"
)

// Of several users who create or change a trigger at the same time, in different ways, one succeeds.
func TestOneOfSeveralEditorsOfATriggerSucceeds(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	every := func(i int) string { return fmt.Sprintf("%dh", i+1) }
	send := func(form url.Values) func(int) int {
		return func(i int) int {
			mine := maps.Clone(form)
			mine.Set("every", every(i))
			status, _ := b.do(http.MethodPost, b.path("triggers/set"), mine)
			return status
		}
	}
	oneSucceeds(t, http.StatusSeeOther, http.StatusBadRequest, send(url.Values{"name": {"t"}, "schedule": {"every"}, "task.kind": {"k"}}))
	form := sendable(t, b.page("triggers/edit?name=t"))
	form.Set("task.queue", "other")
	oneSucceeds(t, http.StatusSeeOther, http.StatusConflict, send(form))
	path := b.at("/triggers/t")
	tag := b.api(http.MethodGet, path, nil).header.Get("ETag")
	oneSucceeds(t, http.StatusOK, http.StatusPreconditionFailed, func(i int) int {
		return b.api(http.MethodPut, path, map[string]any{"every_ms": (i + 1) * 60_000, "task": map[string]any{"kind": "other"}}, "If-Match", tag).status
	})
}
