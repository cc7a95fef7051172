package console

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/task"
)

// The outcome of an action is in its row, and words find rows.
func TestAuditHasOneRowForAnAction(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "one"}, task.Spec{ID: "two"})
	b.act("tasks/stop", url.Values{"id": {"one", "two"}, "reason": {"withdrawn"}})
	b.act("pause", url.Values{"queue": {task.DefaultQueue}, "reason": {"the partner is away"}})
	rows := func(path string) (all []string) {
		_, text, _ := strings.Cut(b.page(path), "<tbody>")
		text, _, _ = strings.Cut(text, "</tbody>")
		for row := range strings.SplitSeq(text, "</tr>") {
			if row = strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(row, " "))), " "); row != "" {
				all = append(all, row)
			}
		}
		return all
	}
	all := rows("audit")
	if len(all) != 2 || !strings.HasSuffix(all[0], "pause default the partner is away done") || !strings.HasSuffix(all[1], "tasks/stop one two 2 / 2 withdrawn done") {
		t.Errorf("%q", all)
	}
	if found := rows("audit?words=ANN+withdrawn"); len(found) != 1 || !strings.Contains(found[0], "tasks/stop") {
		t.Errorf("%q", found)
	}
	if found := rows("audit?words=bob"); len(found) != 1 || found[0] != "–" {
		t.Errorf("%q", found)
	}
}

// A form that is sent after the session has ended gets the login, which leads back to the page.
func TestFormAfterTheEndOfASessionGetsTheLogin(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.withUsers()
	b.enqueue(task.Spec{ID: "a"})
	back := "/admin" + b.path("task?id=a")
	for _, form := range []url.Values{{"id": {"a"}, "back": {back}}, {"id": {"a"}}} {
		r := b.form(b.path("tasks/stop"), form)
		r.Header.Set("Referer", b.url+b.path("task?id=a"))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		text := string(body)
		if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(html.UnescapeString(text), `name="next" value="`+back+`"`) || !strings.Contains(text, "Your session has ended") {
			t.Errorf("%d\n%s", resp.StatusCode, text)
		}
	}
	if b.get("a").State != task.Waiting {
		t.Error("the task was stopped")
	}
}

// A user whose role does not allow an action sees which one does.
func TestPagesSayWhichRoleAnActionNeeds(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"})
	b.act("tasks/stop", url.Values{"id": {"a"}})
	for role, want := range map[access.Role]string{access.Viewer: "needs the role operator", access.Operator: "Deleting needs the role admin", access.Admin: ""} {
		b.as(role)
		for _, path := range []string{"task?id=a", "tasks?state=stopped"} {
			text := b.page(path)
			if has := strings.Contains(text, "needs the role"); has != (want != "") || !strings.Contains(text, want) {
				t.Errorf("%s as %s lacks %q", path, role, want)
			}
		}
	}
}
