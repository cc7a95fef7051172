package worker

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

func TestNewReturnsAllConfigErrorsWithoutCallingTheStore(t *testing.T) {
	bad := Config{
		Queues:       map[string]task.QueueConfig{"a b": {}, "q": {Workers: -1, Limit: -2, MaxLen: -2}, "r": {Workers: MaxWorkers + 1}},
		Policies:     map[string]task.Policy{"k": {Timeout: -1, SoftTimeout: -1, ProgressTimeout: -1, LargeResult: "drop", MaxAttempts: -1, MaxLost: -1, Backoff: task.Backoff{Base: 1}}, "soft": {Timeout: time.Second, SoftTimeout: time.Second}, "slow": {SoftTimeout: task.DefaultTimeout}},
		Limit:        -2,
		Groups:       task.Groups{DefaultLimit: -2, Limits: map[string]int{"g": -2, "{": 1}},
		Lease:        time.Millisecond,
		DrainTimeout: -1,
		StopGrace:    task.Forever,
		MaxStuck:     -1,
		MaxEvents:    -1,
		EventAge:     -1,
		ArchiveWait:  -2,
		Middleware:   []task.Middleware{nil},
	}
	store := newFakeStore()
	_, err := New(store, bad)
	wantFields(t, err, "queues.a b", "queues.q.workers", "queues.q.limit", "queues.q.max_len", "queues.r.workers",
		"policies.k.timeout", "policies.k.soft_timeout", "policies.k.progress_timeout", "policies.k.large_result", "policies.k.max_attempts", "policies.k.max_lost", "policies.k.backoff",
		"policies.soft.soft_timeout", "policies.slow.soft_timeout", "limit", "groups.default_limit", "groups.limits.g", "groups.limits.{",
		"lease", "drain_timeout", "stop_grace", "max_stuck", "max_events", "event_age", "archive_wait", "middleware")
	if len(store.calls) != 0 {
		t.Error("the store was called")
	}
	_, err = New(nil, Config{})
	wantFields(t, err, "store", "queues")
}

func TestNoLimitIsALimit(t *testing.T) {
	wantFields(t, Config{
		Queues: map[string]task.QueueConfig{"q": {Limit: task.NoLimit, MaxLen: task.NoLimit}},
		Limit:  task.NoLimit, Groups: task.Groups{DefaultLimit: task.NoLimit, Limits: map[string]int{"g": task.NoLimit}},
	}.Check())
}

func TestConfigDurationsAreBounded(t *testing.T) {
	const ms, hour = time.Millisecond, time.Hour
	q := map[string]task.QueueConfig{"q": {}}
	for _, c := range []Config{
		{Lease: 100 * ms, DrainTimeout: ms, StopGrace: ms, EventAge: ms, ArchiveWait: time.Minute},
		{Lease: hour, DrainTimeout: 24 * hour, StopGrace: hour, EventAge: task.MaxDuration, ArchiveWait: task.MaxDuration},
	} {
		c.Queues = q
		wantFields(t, c.Check())
	}
	for _, c := range []Config{
		{Lease: 100*ms - 1, DrainTimeout: ms - 1, StopGrace: ms - 1, EventAge: ms - 1, ArchiveWait: time.Minute - 1},
		{Lease: hour + 1, DrainTimeout: 24*hour + 1, StopGrace: hour + 1, EventAge: task.MaxDuration + 1, ArchiveWait: task.MaxDuration + 1},
	} {
		c.Queues = q
		wantFields(t, c.Check(), "lease", "drain_timeout", "stop_grace", "event_age", "archive_wait")
	}
}

func TestZeroConfigHasTheDocumentedDefaults(t *testing.T) {
	if err := (Config{Queues: map[string]task.QueueConfig{"q": {}}, Policies: map[string]task.Policy{
		"day":  {Timeout: task.Forever, SoftTimeout: 24 * time.Hour},
		"hour": {SoftTimeout: task.DefaultTimeout - 1},
	}}).Check(); err != nil {
		t.Error(err)
	}
	for workers, stuck := range map[int]int{1: 1, 2: 1, 9: 4} {
		got := Config{Queues: map[string]task.QueueConfig{"q": {Workers: workers}}}.withDefaults()
		if got.Lease != 30*time.Second || got.DrainTimeout != 30*time.Second || got.StopGrace != 10*time.Second || got.Logger == nil {
			t.Errorf("defaults: %+v", got)
		}
		if got.MaxStuck != stuck {
			t.Errorf("%d workers: %d may be stuck, want %d", workers, got.MaxStuck, stuck)
		}
	}
	if got := (Config{Queues: map[string]task.QueueConfig{"q": {}}}).withDefaults(); got.Queues["q"].Workers < 1 {
		t.Errorf("a queue without a number of workers has %d", got.Queues["q"].Workers)
	}
}

// wantFields checks which fields an error refuses, in any order.
func wantFields(t *testing.T, err error, want ...string) {
	t.Helper()
	var got []string
	var walk func(error)
	walk = func(err error) {
		var field *task.FieldError
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				walk(e)
			}
		} else if errors.As(err, &field) {
			got = append(got, field.Field)
		} else if err != nil {
			t.Errorf("not a FieldError: %v", err)
		}
	}
	walk(err)
	slices.Sort(got)
	want = slices.Clone(want)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("refused fields (-want +got):\n%s\n%v", diff, err)
	}
}
