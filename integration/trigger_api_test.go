package integration

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/trigger"
)

func getTrigger(t testing.TB, p *pool.Pool, name string) *pool.TriggerInfo {
	t.Helper()
	i, err := p.Triggers().Get(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestSameDefinitionChangesNothing(t *testing.T) {
	t.Parallel()
	c := newSite(t).client()
	def := pool.Trigger{Name: "t", Every: time.Hour, Jitter: time.Minute, Task: pool.Spec{Kind: "k", Payload: []byte(`{"a": 1}`)}}
	setTrigger(t, c, def)
	first := getTrigger(t, c, "t")
	setTrigger(t, c, def)
	if got := getTrigger(t, c, "t"); !got.SetAt.Equal(first.SetAt) || !got.Next.Equal(first.Next) || !got.Due.Equal(first.Due) {
		t.Errorf("got %+v, want %+v", got, first)
	}
	// Another task does not move the phase, another schedule does.
	def.Task.Priority = 1
	setTrigger(t, c, def)
	if got := getTrigger(t, c, "t"); got.Task.Priority != 1 || !got.Next.Equal(first.Next) || !got.Due.Equal(first.Due) {
		t.Errorf("got %+v", got)
	}
	def.Every = 2 * time.Hour
	setTrigger(t, c, def)
	if got := getTrigger(t, c, "t"); got.Next.Sub(first.Next) < 59*time.Minute {
		t.Errorf("got %+v", got)
	}
}

func TestPauseOfATriggerOutlivesANewDefinition(t *testing.T) {
	t.Parallel()
	c := newSite(t).client()
	ctx := context.Background()
	def := pool.Trigger{Name: "t", Every: time.Hour, Task: pool.Spec{Kind: "k"}}
	setTrigger(t, c, def)
	if err := c.Triggers().Pause(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	def.Task.Priority = 1
	setTrigger(t, c, def)
	if got := getTrigger(t, c, "t"); !got.Paused || !got.Next.IsZero() {
		t.Errorf("got %+v", got)
	}
	if times, err := c.Triggers().Next(ctx, "t", 3); err != nil || len(times) != 0 {
		t.Errorf("next %v, %v", times, err)
	}
	if err := c.Triggers().Resume(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	if times, err := c.Triggers().Next(ctx, "t", 3); err != nil || len(times) != 3 || times[2].Sub(times[0]) != 2*time.Hour {
		t.Errorf("next %v, %v", times, err)
	}
	// A pause that the definition has set ends with it.
	def.Paused = true
	setTrigger(t, c, def)
	if got := getTrigger(t, c, "t"); !got.Paused {
		t.Errorf("got %+v", got)
	}
	def.Paused = false
	setTrigger(t, c, def)
	if got := getTrigger(t, c, "t"); got.Paused || got.Next.IsZero() {
		t.Errorf("got %+v", got)
	}
}

func TestTriggerRunsBesidesItsSchedule(t *testing.T) {
	t.Parallel()
	c := newSite(t).client()
	ctx := context.Background()
	setTrigger(t, c, pool.Trigger{Name: "t", Cron: "0 3 * * *", Zone: "Asia/Shanghai", PayloadTemplate: "{{planned_ms}}", Task: pool.Spec{Kind: "k", Unique: "u"}})
	next := getTrigger(t, c, "t").Next
	r, err := c.Triggers().Run(ctx, "t")
	if err != nil || r.ID == "" || r.Duplicate {
		t.Fatal(r, err)
	}
	if again, err := c.Triggers().Run(ctx, "t"); err != nil || again.ID != r.ID || !again.Duplicate {
		t.Errorf("again: %+v, %v", again, err)
	}
	if got := get(t, c, r.ID); len(got.Payload) != 13 {
		t.Errorf("payload %q", got.Payload)
	}
	if got := getTrigger(t, c, "t"); !got.Next.Equal(next) {
		t.Errorf("the next planned time moved to %v", got.Next)
	}
	h, err := c.Triggers().History(ctx, "t")
	if err != nil || len(h) != 2 || h[0].Outcome != pool.TriggerDuplicate || h[1].Outcome != pool.TriggerEnqueued || h[1].Task != r.ID {
		t.Errorf("history %+v, %v", h, err)
	}
}

func TestUnknownOrWrongTriggersAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	ctx := context.Background()
	tr := c.Triggers()
	_, getErr := tr.Get(ctx, "none")
	_, runErr := tr.Run(ctx, "none")
	_, nextErr := tr.Next(ctx, "none", 1)
	for _, err := range []error{getErr, runErr, nextErr, tr.Pause(ctx, "none"), tr.Resume(ctx, "none"), tr.Remove(ctx, "none")} {
		if !errors.Is(err, pool.ErrNoTrigger) {
			t.Errorf("got %v", err)
		}
	}
	for want, def := range map[string]pool.Trigger{
		"at never fires":              {Name: "t", At: time.Now().Add(-time.Hour), Task: pool.Spec{Kind: "k"}},
		"cron never matches":          {Name: "t", Cron: "0 0 31 2 *", Task: pool.Spec{Kind: "k"}},
		"calendar names a calendar":   {Name: "t", Cron: "@daily", Calendar: "c", Task: pool.Spec{Kind: "k"}},
		"name must not contain":       {Name: "a b", Cron: "@daily", Task: pool.Spec{Kind: "k"}},
		"task.kind must not be empty": {Name: "t", Cron: "@daily"},
	} {
		var field *pool.FieldError
		if err := tr.Set(ctx, def); !errors.As(err, &field) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if list, err := tr.List(ctx); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	if times, err := tr.Preview(pool.Trigger{Name: "t", Cron: "30 6 * * *", Zone: "Europe/Berlin", Task: pool.Spec{Kind: "k"}}, 5); err != nil || len(times) != 5 || times[4].Hour() != 6 {
		t.Errorf("%v, %v", times, err)
	}
}

// A config file sets its triggers and removes those that it no longer names.
func TestApplyRemovesOnlyItsOwnTriggers(t *testing.T) {
	t.Parallel()
	c := newSite(t).client()
	ctx := context.Background()
	of := func(name string) pool.Trigger {
		return pool.Trigger{Name: name, Every: time.Hour, Task: pool.Spec{Kind: "k"}}
	}
	setTrigger(t, c, of("mine"))
	past := pool.Trigger{Name: "past", At: time.Now().Add(-time.Hour), Task: pool.Spec{Kind: "k"}}
	for _, step := range []struct {
		origin string
		defs   []pool.Trigger
		want   pool.Applied
		left   string
	}{
		{"file", []pool.Trigger{of("a"), of("b"), past}, pool.Applied{Set: 2}, "a b mine"},
		{"file", []pool.Trigger{of("a"), of("b")}, pool.Applied{}, "a b mine"},
		{"other", []pool.Trigger{of("c")}, pool.Applied{Set: 1}, "a b c mine"},
		{"file", []pool.Trigger{of("b")}, pool.Applied{Removed: 1}, "b c mine"},
		{"file", nil, pool.Applied{Removed: 1}, "c mine"},
	} {
		done, err := c.Triggers().Apply(ctx, step.origin, step.defs)
		if err != nil || done != step.want {
			t.Errorf("%+v: %+v, %v", step, done, err)
		}
		list, err := c.Triggers().List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, i := range list {
			names = append(names, i.Name)
		}
		if got := strings.Join(names, " "); got != step.left {
			t.Errorf("left %q, want %q", got, step.left)
		}
	}
	if _, err := c.Triggers().Apply(ctx, "file", []pool.Trigger{of("d"), {Name: "e", Cron: "x", Task: pool.Spec{Kind: "k"}}}); err == nil {
		t.Error("a wrong trigger was accepted")
	}
	if _, err := c.Triggers().Get(ctx, "d"); !errors.Is(err, pool.ErrNoTrigger) {
		t.Errorf("got %v: nothing is written if one is wrong", err)
	}
}

// A trigger is planned on days of its calendar.
func TestTriggerFollowsItsCalendar(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.pool(pool.Config{Calendars: map[string]pool.Calendar{"sundays": sundays{}}})
	setTrigger(t, c, pool.Trigger{Name: "t", Cron: "0 12 * * *", Calendar: "sundays", Task: pool.Spec{Kind: "k"}})
	times, err := c.Triggers().Next(t.Context(), "t", 5)
	if err != nil || len(times) != 5 || slices.ContainsFunc(times, func(at time.Time) bool { return at.Weekday() != time.Sunday }) {
		t.Errorf("%v, %v", times, err)
	}
	// Another program does not have the calendar.
	if got := getTrigger(t, s.client(), "t"); got.Err == nil || got.Cron == "" {
		t.Errorf("got %+v", got)
	}
}

type sundays struct{}

func (sundays) Has(day time.Time) bool { return day.Weekday() == time.Sunday }

// Another definition of a trigger whose only time has passed is refused like that of a new one.
func TestTriggerThatHasFiredForTheLastTimeIsNotSet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	def := pool.Trigger{Name: "once", At: time.Now().Add(time.Hour), Task: pool.Spec{Kind: "k"}}
	setTrigger(t, c, def)
	def.At = time.Now().Add(-time.Hour)
	text, err := trigger.Encode(&def)
	if err != nil {
		t.Fatal(err)
	}
	// It fires an hour later.
	if err := s.rdb.HSet(t.Context(), s.key("trigger:once"), "def", text, "planned", "", "due", "").Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.Triggers().Set(t.Context(), def); err != nil {
		t.Errorf("the same definition again: %v", err)
	}
	def.Task.Payload = []byte("2")
	if err := c.Triggers().Set(t.Context(), def); err == nil || !strings.Contains(err.Error(), "at never fires") {
		t.Errorf("a trigger that never fires again was set: %v", err)
	}
	def.At = time.Now().Add(time.Hour)
	setTrigger(t, c, def)
}

func TestTwoDefinitionsOfANameAreNotApplied(t *testing.T) {
	t.Parallel()
	c := newSite(t).client()
	of := func(every time.Duration) pool.Trigger {
		return pool.Trigger{Name: "b", Every: every, Task: pool.Spec{Kind: "k"}}
	}
	var field *pool.FieldError
	done, err := c.Triggers().Apply(t.Context(), "o", []pool.Trigger{of(time.Hour), of(2 * time.Hour)})
	if !errors.As(err, &field) || field.Field != "name" || done.Set > 0 {
		t.Errorf("%+v, %v", done, err)
	}
	if _, err := c.Triggers().Get(t.Context(), "b"); !errors.Is(err, pool.ErrNoTrigger) {
		t.Error(err)
	}
}
