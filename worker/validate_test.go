package worker

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestASpecIsRefusedWithAllItsProblemsAtOnce(t *testing.T) {
	long := strings.Repeat("h", MaxHeaderLen+1)
	many := make(map[string]string)
	for i := range MaxHeaders + 1 {
		many[strings.Repeat("k", i+1)] = ""
	}
	negative, huge := -time.Second, Forever-1
	for name, c := range map[string]struct {
		spec   Spec
		fields []string
	}{
		"fine":                   {Spec{Kind: "k"}, nil},
		"fine at most":           {Spec{Kind: "k", Payload: make([]byte, MaxPayload), MaxAttempts: MaxMaxAttempts, Timeout: Forever, Priority: math.MinInt8, Retain: new(time.Duration)}, nil},
		"bad names":              {Spec{ID: "a b", Kind: "{k}", Queue: "q\n", Group: "g\x00"}, []string{"id", "kind", "queue", "group"}},
		"unique key":             {Spec{Kind: "k", Unique: strings.Repeat("?", MaxUnique)}, nil},
		"long unique key":        {Spec{Kind: "k", Unique: strings.Repeat("u", MaxUnique+1)}, []string{"unique"}},
		"unique key not UTF-8":   {Spec{Kind: "k", Unique: "a\xff"}, []string{"unique"}},
		"names of other scripts": {Spec{ID: "任务-1", Kind: "भेजना", Queue: "คิวที่๑", Group: "عميل"}, nil},
		"reply":                  {Spec{Kind: "k", ID: "a", Reply: true}, nil},
		"reply without an id":    {Spec{Kind: "k", Reply: true}, []string{"reply"}},
		"no kind":                {Spec{}, []string{"kind"}},
		"negative": {Spec{Kind: "k", Delay: negative, Timeout: negative, TTL: negative, Deadline: negative, MaxAttempts: -1, Retain: &negative, Backoff: Backoff{Base: negative}},
			[]string{"delay", "timeout", "ttl", "deadline", "max_attempts", "backoff", "retain"}},
		"huge": {Spec{Kind: "k", Delay: huge, Timeout: huge, TTL: Forever, Deadline: huge, MaxAttempts: math.MaxInt, Retain: &huge, Backoff: Backoff{Base: huge, Max: huge}, Payload: make([]byte, MaxPayload+1)},
			[]string{"payload", "delay", "timeout", "ttl", "deadline", "max_attempts", "backoff", "retain"}},
		"below a millisecond": {Spec{Kind: "k", Timeout: 1, TTL: 1, Deadline: 1}, []string{"timeout", "ttl", "deadline"}},
		"two times":           {Spec{Kind: "k", Delay: 1, RunAt: time.Now()}, []string{"delay"}},
		"before 1970":         {Spec{Kind: "k", RunAt: time.Unix(-5, 0)}, []string{"run_at"}},
		"far off":             {Spec{Kind: "k", RunAt: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, []string{"run_at"}},
		"headers":             {Spec{Kind: "k", Headers: many}, []string{"headers"}},
		"long header":         {Spec{Kind: "k", Headers: map[string]string{"h": long}}, []string{"headers"}},
		"header not in UTF-8": {Spec{Kind: "k", Headers: map[string]string{"h": "\xff"}}, []string{"headers"}},
		"name not in UTF-8":   {Spec{Kind: "k", Headers: map[string]string{"\xff": "h"}}, []string{"headers"}},
		"UTF-8":               {Spec{Kind: "k", Headers: map[string]string{"é": "\uFFFD"}}, nil},
	} {
		t.Run(name, func(t *testing.T) { wantFields(t, c.spec.Check(), c.fields...) })
	}
}

func TestAConfigIsRefusedWithAllItsProblemsAtOnceBeforeTheStoreIsTouched(t *testing.T) {
	bad := Config{
		Queues:       map[string]QueueConfig{"a b": {}, "q": {Workers: -1, Limit: -1, MaxLen: -1}, "r": {Workers: MaxWorkers + 1}},
		Policies:     map[string]Policy{"k": {Timeout: -1, SoftTimeout: -1, MaxAttempts: -1, MaxLost: -1, Backoff: Backoff{Base: 1}}, "soft": {Timeout: time.Second, SoftTimeout: time.Second}, "slow": {SoftTimeout: DefaultTimeout}},
		Limits:       Limits{Pool: -1, DefaultGroup: -1, Groups: map[string]int{"g": -1, "{": 1}},
		Lease:        time.Millisecond,
		DrainTimeout: -1,
		StopGrace:    Forever,
		MaxStuck:     -1,
		MaxEvents:    -1,
		EventAge:     -1,
		Middleware:   []Middleware{nil},
	}
	store := newFakeStore()
	_, err := New(store, bad)
	wantFields(t, err, "queues.a b", "queues.q.workers", "queues.q.limit", "queues.q.max_len", "queues.r.workers",
		"policies.k.timeout", "policies.k.soft_timeout", "policies.k.max_attempts", "policies.k.max_lost", "policies.k.backoff",
		"policies.soft.soft_timeout", "policies.slow.soft_timeout", "limits.pool", "limits.default_group", "limits.groups.g", "limits.groups.{",
		"lease", "drain_timeout", "stop_grace", "max_stuck", "max_events", "event_age", "middleware")
	if len(store.calls) != 0 {
		t.Error("the store was called")
	}
	_, err = New(nil, Config{})
	wantFields(t, err, "store", "queues")
}

func TestTimesOfAConfigAreHeldToTheirBounds(t *testing.T) {
	const ms, hour = time.Millisecond, time.Hour
	q := map[string]QueueConfig{"q": {}}
	for _, c := range []Config{
		{Lease: 100 * ms, DrainTimeout: ms, StopGrace: ms, EventAge: ms},
		{Lease: hour, DrainTimeout: 24 * hour, StopGrace: hour, EventAge: MaxDuration},
	} {
		c.Queues = q
		wantFields(t, c.Check())
	}
	for _, c := range []Config{
		{Lease: 100*ms - 1, DrainTimeout: ms - 1, StopGrace: ms - 1, EventAge: ms - 1},
		{Lease: hour + 1, DrainTimeout: 24*hour + 1, StopGrace: hour + 1, EventAge: MaxDuration + 1},
	} {
		c.Queues = q
		wantFields(t, c.Check(), "lease", "drain_timeout", "stop_grace", "event_age")
	}
}

func TestAZeroConfigMeansTheDocumentedDefaults(t *testing.T) {
	if err := (Config{Queues: map[string]QueueConfig{"q": {}}, Policies: map[string]Policy{
		"day":  {Timeout: Forever, SoftTimeout: 24 * time.Hour},
		"hour": {SoftTimeout: DefaultTimeout - 1},
	}}).Check(); err != nil {
		t.Error(err)
	}
	for workers, stuck := range map[int]int{1: 1, 2: 1, 9: 4} {
		got := Config{Queues: map[string]QueueConfig{"q": {Workers: workers}}}.withDefaults()
		if got.Lease != 30*time.Second || got.DrainTimeout != 30*time.Second || got.StopGrace != 10*time.Second || got.Logger == nil {
			t.Errorf("defaults: %+v", got)
		}
		if got.MaxStuck != stuck {
			t.Errorf("%d workers: %d may be stuck, want %d", workers, got.MaxStuck, stuck)
		}
	}
	if got := (Config{Queues: map[string]QueueConfig{"q": {}}}).withDefaults(); got.Queues["q"].Workers < 1 {
		t.Errorf("a queue without a number of workers has %d", got.Queues["q"].Workers)
	}
}

// wantFields checks which fields an error refuses, in any order.
func wantFields(t *testing.T, err error, want ...string) {
	t.Helper()
	var got []string
	var walk func(error)
	walk = func(err error) {
		var field *FieldError
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
