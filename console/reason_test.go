package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/task"
)

// Each action on one task may have a reason, which is in its audit entry: on the page of the task and in the API.
func TestActionsOnOneTaskTakeAReason(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	act := func(path string, form url.Values) {
		t.Helper()
		page := b.page("task?id=a")
		action := `action="/admin` + b.path(path) + `"`
		for _, form := range strings.Split(page, "<form")[1:] {
			form, _, _ = strings.Cut(form, "</form>")
			if strings.Contains(form, action) && strings.Contains(form, `name="reason"`) {
				action = ""
			}
		}
		if action != "" {
			t.Errorf("the page has no form for %s with a reason", path)
		}
		form.Set("id", "a")
		form.Set("reason", "why "+path)
		b.act(path, form)
	}
	b.enqueue(task.Spec{ID: "a", Delay: time.Hour})
	act("tasks/change", url.Values{"priority": {"7"}})
	if got := b.get("a"); got.Priority != 7 || got.State != task.Scheduled {
		t.Errorf("changed: %+v", got)
	}
	act("tasks/run", url.Values{})
	act("tasks/change", url.Values{"priority": {"-7"}})
	act("tasks/stop", url.Values{})
	act("tasks/retry", url.Values{})
	if got := b.get("a"); got.Priority != -7 || got.State != task.Waiting {
		t.Errorf("retried: %+v", got)
	}
	act("tasks/stop", url.Values{})
	act("tasks/delete", url.Values{})

	ids := map[string]any{"ids": []string{"b"}, "reason": "by a program"}
	b.enqueue(task.Spec{ID: "b", Hold: true})
	must[changed](b, http.MethodPost, b.at("/tasks/run"), ids)
	must[changed](b, http.MethodPost, b.at("/tasks/change"), map[string]any{"ids": []string{"b"}, "reason": "by a program", "priority": 1})
	must[changed](b, http.MethodPost, b.at("/tasks/stop"), ids)
	must[changed](b, http.MethodPost, b.at("/tasks/retry"), ids)
	must[changed](b, http.MethodPost, b.at("/tasks/stop"), ids)
	must[changed](b, http.MethodPost, b.at("/tasks/delete"), ids)

	entries := b.audit(false)
	slices.Reverse(entries)
	var actions []string
	for _, e := range entries {
		if e.Of != "" {
			continue
		}
		actions = append(actions, e.Action)
		if want := map[string]string{"a": "why " + e.Action, "b": "by a program"}[e.Target]; e.Reason != want {
			t.Errorf("%s of %s has the reason %q, want %q", e.Action, e.Target, e.Reason, want)
		}
	}
	want := "change run change stop retry stop delete run change stop retry stop delete"
	if got := strings.ReplaceAll(strings.Join(actions, " "), "tasks/", ""); got != want {
		t.Errorf("the actions are %s, want %s", got, want)
	}
}

// A confirmation with a mistake shows the page again, with the reason that was entered and what is wrong.
func TestWrongConfirmationKeepsTheReason(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{Kind: "mail"}, task.Spec{Kind: "mail"})
	id := b.askBulk("stop", url.Values{"q": {"kind:mail"}, "state": {"waiting"}})
	b.bulkPage(id, "Type 2 to confirm")
	for lang, want := range map[string]string{"en": "The number must be 2.", "zh": "数字必须是 2。"} {
		b.lang = lang
		status, text := b.do(http.MethodPost, b.path("bulk/confirm"), url.Values{"id": {id}, "reason": {"too <old>"}, "count": {"3"}})
		if status != http.StatusBadRequest || !strings.Contains(text, want) || !strings.Contains(text, `value="too &lt;old&gt;"`) {
			t.Errorf("%s: %d\n%s", lang, status, text)
		}
		if strings.Contains(text, "hx-get") || !strings.Contains(text, `name="back" value="/admin`+b.path("bulk/job")+"?id="+id) {
			t.Errorf("the page reads itself again, or leads to a path without a page:\n%s", text)
		}
	}
}

// Errors, roles and durations are in the language of the user.
func TestChinesePagesSayInChineseWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.lang = "zh-CN,en"
	b.enqueue(task.Spec{ID: "a"})
	b.act("pause", url.Values{"queue": {task.DefaultQueue}})
	for _, x := range []struct {
		method, path string
		form         url.Values
		want         string
	}{
		{http.MethodGet, "tasks?q=stat:failed", nil, "stat 不是查询词，可用：state, id"},
		{http.MethodGet, "tasks?q=stat:failed", nil, "是否想写 state？"},
		{http.MethodGet, "tasks?q=age:5", nil, "age 必须是 &lt; 或 &gt;"},
		{http.MethodGet, "task?id=absent", nil, "没有任务 absent"},
		{http.MethodPost, "tasks/change", url.Values{"id": {"a"}, "priority": {"900"}}, "priority 必须是 -128 到 127 的数字"},
		{http.MethodPost, "tasks/retry", url.Values{"id": {"a"}}, "其余保持不变：任务尚未结束（retry task a"},
		{http.MethodPost, "rejected/put-back", url.Values{"id": {"1-1"}}, "条目不存在"},
	} {
		if status, text := b.do(x.method, b.path("")+x.path, x.form); status < 400 || !strings.Contains(text, x.want) {
			t.Errorf("%s: %d, it lacks %s\n%s", x.path, status, x.want, text)
		}
	}
	q := &request{lang: "zh"}
	for d, want := range map[time.Duration]string{350 * time.Millisecond: "350 毫秒", 4200 * time.Millisecond: "4.2 秒", 185 * time.Second: "3 分钟 5 秒", 76 * time.Hour: "3 天 4 小时"} {
		if got := q.Duration(d); got != want {
			t.Errorf("%s is shown as %s, want %s", d, got, want)
		}
	}
	b.as(access.Operator)
	if _, text := b.do(http.MethodPost, b.path("tasks/delete"), url.Values{"id": {"a"}}); !strings.Contains(text, "需要“管理员”角色") {
		t.Errorf("%s", text)
	}
}

// Each page of the navigation has a key of its own.
func TestDestinationsHaveKeysOfTheirOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, d := range destinations {
		if other := seen[d.Key]; other != "" || len(d.Key) != 1 {
			t.Errorf("the key %q leads to %s and %s", d.Key, other, d.Page)
		}
		seen[d.Key] = d.Page
		if !slices.ContainsFunc(routes, func(r route) bool {
			return r.method == http.MethodGet && (r.page == d.Page || d.Page == "overview" && r.page == "{$}")
		}) {
			t.Errorf("no route for %s", d.Page)
		}
	}
}
