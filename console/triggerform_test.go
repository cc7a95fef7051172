package console

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
	"github.com/ltsworker/ltsworker/trigger/calendar"
)

// sendable returns the fields of the form on a page with their values, as a browser sends them.
func sendable(t *testing.T, page string) url.Values {
	t.Helper()
	page = page[strings.Index(page, `class="edit"`):]
	v := url.Values{}
	for _, m := range regexp.MustCompile(`<input [^>]*name="([^"]+)"[^>]*>`).FindAllStringSubmatch(page, -1) {
		value := regexp.MustCompile(` value="([^"]*)"`).FindStringSubmatch(m[0])
		if value != nil && (!strings.Contains(m[0], `type="checkbox"`) || strings.Contains(m[0], " checked")) {
			v.Set(m[1], html.UnescapeString(value[1]))
		}
	}
	for _, m := range regexp.MustCompile(`(?s)<textarea [^>]*name="([^"]+)"[^>]*>\n(.*?)</textarea>`).FindAllStringSubmatch(page, -1) {
		v.Set(m[1], strings.ReplaceAll(html.UnescapeString(m[2]), "\n", "\r\n"))
	}
	for _, m := range regexp.MustCompile(`(?s)<select [^>]*name="([^"]+)".*?</select>`).FindAllStringSubmatch(page, -1) {
		v.Set(m[1], "")
		if chosen := regexp.MustCompile(`value="([^"]*)" selected`).FindStringSubmatch(m[0]); chosen != nil {
			v.Set(m[1], chosen[1])
		}
	}
	return v
}

func (b *browser) trigger(name string) *pool.TriggerInfo {
	b.t.Helper()
	t, err := b.c.sites[b.name].pool.Triggers().Get(b.t.Context(), name)
	if err != nil {
		b.t.Fatal(err)
	}
	return t
}

func withCalendars(o *Options) { o.Calendars = calendar.Builtin() }

// full has a value in each field that a trigger with a cron expression may have.
func full(name string) trigger.Definition {
	retain := 36 * time.Hour
	return trigger.Definition{
		Name: name, Cron: "0 3 * * *", Zone: "Asia/Shanghai", Calendar: "cn-workdays", Start: time.UnixMilli(1_900_000_000_123),
		End: time.UnixMilli(4_000_000_000_000), Jitter: 90 * time.Second, Misfire: trigger.MisfireAll, MisfireMax: 7, CatchUp: 48 * time.Hour, Grace: 1500 * time.Millisecond,
		Overlap: trigger.OverlapQueue, Paused: true, Task: task.Spec{
			Kind: "k", Queue: "q", Payload: []byte("{\"a\":1}\r\n"), Priority: -3, Group: "g", Labels: []string{"gpu", "zone=eu"}, Unique: "u",
			Headers: map[string]string{"h": "v=w", "two": "x\ny"}, Delay: time.Minute, Timeout: task.Forever, TTL: time.Hour, Deadline: 25 * time.Hour, MaxAttempts: 9,
			Backoff: task.Backoff{Base: time.Second, Fixed: true}, ShardParams: []string{"eu", "us"}, FailFast: true, Retain: &retain,
			Then: &task.Spec{Kind: "next", Payload: []byte("no JSON"), Headers: map[string]string{"n": "1"}},
		},
	}
}

// The form of a trigger has all its fields: sent without a change, it changes nothing.
func TestFormsOfTriggersHaveAllFields(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, withCalendars)
	daily := full("daily")
	daily.Cron, daily.Calendar, daily.ExceptCalendar = "", "", "cn-workdays"
	daily.Daily = &trigger.Daily{From: "09:00", To: "17:30", Every: 10 * time.Minute, Days: []time.Weekday{time.Friday, time.Sunday}}
	every := trigger.Definition{Name: "every", Every: 2500 * time.Millisecond, PayloadTemplate: "{{planned}}\n", Task: task.Spec{Kind: "k", Broadcast: true, Hold: true}}
	after := trigger.Definition{Name: "after", After: time.Hour, Task: task.Spec{Kind: "k", FailOnLimit: true, Retain: new(time.Duration(0))}}
	at := trigger.Definition{Name: "at", At: time.UnixMilli(4_000_000_000_000), Task: task.Spec{Kind: "k", Shards: 12}}
	for _, def := range []trigger.Definition{full("cron"), daily, every, after, at} {
		if err := b.c.sites[b.name].pool.Triggers().Set(t.Context(), def); err != nil {
			t.Fatal(err)
		}
		want := b.trigger(def.Name)
		form := sendable(t, b.page("triggers/edit?name="+def.Name))
		b.act("triggers/set", form)
		if diff := cmp.Diff(want.Trigger, b.trigger(def.Name).Trigger); diff != "" {
			t.Errorf("%s (-before +after)\n%s", def.Name, diff)
		}
		form = sendable(t, b.page("triggers/edit?name="+def.Name))
		form.Set("task.priority", "77")
		b.act("triggers/set", form)
		if got := b.trigger(def.Name); got.Task.Priority != 77 {
			t.Errorf("%s: the priority is %d", def.Name, got.Task.Priority)
		}
	}
}

// A trigger that is made in the console is in the audit before and after, and fires.
func TestTriggersAreMadeInTheConsole(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	form := sendable(t, b.page("triggers/edit"))
	form.Set("name", "night")
	form.Set("cron", "0 3 * * *")
	form.Set("zone", "Asia/Shanghai")
	form.Set("task.kind", "clean")
	form.Set("reason", "ticket 7")
	status, preview := b.do(http.MethodPost, b.path("triggers/preview"), form)
	if status != http.StatusOK || strings.Count(preview, "03:00:00 CST") != nextTimes {
		t.Errorf("%d\n%s", status, preview)
	}
	b.act("triggers/set", form)
	if got := b.trigger("night"); got.Task.Kind != "clean" || got.Next.IsZero() {
		t.Errorf("%+v", got)
	}
	entries := b.audit(false)
	if len(entries) != 2 || entries[1].Action != "triggers/set" || !strings.HasPrefix(entries[1].Target, "night: 0 3 * * * Asia/Shanghai, clean") || entries[1].Reason != "ticket 7" || entries[0].Of != entries[1].ID {
		t.Errorf("%+v", entries)
	}
	if page := b.page("trigger?name=night"); strings.Count(page, "03:00</li>") < 5 {
		t.Error("the calendar of the trigger has too few days")
	}
	if page := b.page("calendar?zone=UTC"); strings.Count(page, "night</a> 19:00</li>") < 5 {
		t.Error("the calendar of the pool has too few days")
	}
	for _, path := range []string{"calendar?month=2001-01", "calendar?month=x", "calendar?zone=Local", "calendar?zone=No/Where"} {
		if status, _ := b.do(http.MethodGet, b.path("")+path, nil); status != http.StatusBadRequest {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// Each mistake is at its field, and nothing is written.
func TestMistakesInTriggersAreAtTheirFields(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	form := url.Values{"name": {"bad name"}, "schedule": {"cron"}, "cron": {"0 99 * * *"}, "zone": {"Europe/Berlim"}, "jitter": {"soon"}, "misfire_max": {"9"},
		"task.kind": {""}, "task.priority": {"900"}, "task.headers": {"no pair"}, "task.then": {`{"kimd":"x"}`}, "task.shards": {"-1"}, "start": {"tomorrow"}}
	for _, path := range []string{"triggers/preview", "triggers/set"} {
		status, page := b.do(http.MethodPost, b.path("")+path, form)
		if want := map[string]int{"triggers/preview": 200, "triggers/set": 400}[path]; status != want {
			t.Errorf("%s: %d", path, status)
		}
		for _, field := range []string{"name", "cron", "zone", "jitter", "misfire_max", "task-kind", "task-priority", "task-headers", "task-then", "task-shards", "start"} {
			if !strings.Contains(page, `id="f-`+field+`-error"`) {
				t.Errorf("%s: no mistake at %s", path, field)
			}
		}
		if !strings.Contains(page, "did you mean Europe/Berlin?") || !strings.Contains(page, `value="0 99 * * *"`) {
			t.Errorf("%s: the page lacks the suggestion or what was sent", path)
		}
	}
	b.act("triggers/set", url.Values{"name": {"a"}, "schedule": {"every"}, "every": {"1h"}, "task.kind": {"k"}})
	status, page := b.do(http.MethodPost, b.path("triggers/set"), url.Values{"name": {"a"}, "schedule": {"every"}, "every": {"2h"}, "task.kind": {"k"}})
	if status != http.StatusBadRequest || !strings.Contains(page, "is that of another trigger") {
		t.Errorf("a second trigger with the name: %d", status)
	}
	if entries := b.audit(false); len(entries) != 2 {
		t.Errorf("%d entries", len(entries))
	}
}

// A trigger of a config file, and one that has changed since the form was opened, stay as they are.
func TestOwnedAndChangedTriggersAreNotReplaced(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	triggers := b.c.sites[b.name].pool.Triggers()
	def := trigger.Definition{Name: "a", Every: time.Hour, Task: task.Spec{Kind: "k"}}
	if _, err := triggers.Apply(t.Context(), "workers", []trigger.Definition{def}); err != nil {
		t.Fatal(err)
	}
	page := b.page("triggers/edit?name=a")
	if !strings.Contains(page, "workers") || strings.Contains(page, "Save") || strings.Contains(b.page("trigger?name=a"), "triggers/edit") {
		t.Error("the page offers to change a trigger of a config file")
	}
	if status, _ := b.do(http.MethodPost, b.path("triggers/set"), sendable(t, page)); status != http.StatusConflict {
		t.Errorf("a trigger of a config file: %d", status)
	}
	if err := triggers.Set(t.Context(), def); err != nil {
		t.Fatal(err)
	}
	form := sendable(t, b.page("triggers/edit?name=a"))
	for now := b.trigger("a").SetAt; !b.trigger("a").SetAt.After(now); { // the clock of Redis goes on
		def.Every += time.Hour
		if err := triggers.Set(t.Context(), def); err != nil {
			t.Fatal(err)
		}
	}
	if status, _ := b.do(http.MethodPost, b.path("triggers/set"), form); status != http.StatusConflict {
		t.Errorf("a changed trigger: %d", status)
	}
}

// Secrets in the task of a trigger are not shown, and stay when the form is sent back.
func TestSecretsOfTriggersAreKept(t *testing.T) {
	t.Parallel()
	hide, err := RedactKeys("password", "auth")
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, func(o *Options) { o.Redact = hide })
	secret := `{"password":"x1x","n":1}`
	defs := []trigger.Definition{
		{Name: "a", Every: time.Hour, Task: task.Spec{Kind: "k", Payload: []byte(secret), Headers: map[string]string{"auth": "x1x", "t": "u"}, ShardParams: []string{secret}, Then: &task.Spec{Kind: "n", Payload: []byte(secret)}}},
		{Name: "b", Every: time.Hour, PayloadTemplate: `{"at":{{planned_ms}},"password":"x1x"}`, Task: task.Spec{Kind: "k"}},
	}
	for _, def := range defs {
		if err := b.c.sites[b.name].pool.Triggers().Set(t.Context(), def); err != nil {
			t.Fatal(err)
		}
		want := b.trigger(def.Name).Task
		page := b.page("triggers/edit?name=" + def.Name)
		if strings.Contains(page, "x1x") {
			t.Errorf("%s: the form shows the secret", def.Name)
		}
		form := sendable(t, page)
		form.Set("every", "2h")
		if _, preview := b.do(http.MethodPost, b.path("triggers/preview"), form); strings.Contains(preview, "x1x") {
			t.Errorf("%s: the preview shows the secret", def.Name)
		}
		b.act("triggers/set", form)
		got := b.trigger(def.Name)
		if diff := cmp.Diff(want, got.Task); diff != "" || got.PayloadTemplate != def.PayloadTemplate || got.Every != 2*time.Hour {
			t.Errorf("%s: %s %s", def.Name, diff, got.PayloadTemplate)
		}
		form = sendable(t, b.page("triggers/edit?name="+def.Name))
		form.Set("task.kind", "other") // another kind may hide nothing
		if status, page := b.do(http.MethodPost, b.path("triggers/set"), form); status != http.StatusBadRequest || !strings.Contains(page, "has •••") {
			t.Errorf("%s: a mask is stored with another kind: %d\n%s", def.Name, status, page)
		}
		for _, field := range []string{"task.payload", "task.headers", "task.shard_params", "task.then", "payload_template"} {
			form.Del(field)
		}
		b.act("triggers/set", form)
		if got := b.trigger(def.Name); strings.Contains(string(got.Task.Payload)+got.PayloadTemplate, "x1x") {
			t.Errorf("%s: the secret went to another kind", def.Name)
		}
	}
}
