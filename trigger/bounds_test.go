package trigger

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Planned times that do not fit into one call are fired by those that follow.
func TestFiringIsBounded(t *testing.T) {
	begin := time.UnixMilli(1_800_000_000_000)
	for name, tt := range map[string]struct {
		size  int
		late  time.Duration
		calls int
	}{
		"misfires of large tasks": {100 << 10, time.Hour, 50},
		"misfires of one size":    {1 << 20, time.Hour, 100},
		"misfires of small tasks": {10, time.Hour, 2},
		"late large tasks":        {100 << 10, 10 * time.Second, 6},
		"late small tasks":        {10, time.Minute, 2},
	} {
		t.Run(name, func(t *testing.T) {
			payload := []byte(`"` + strings.Repeat("x", tt.size-2) + `"`)
			d := &Definition{Name: "a", Every: time.Second, Misfire: MisfireAll, Task: task.Spec{Kind: "k", Payload: payload}}
			p, err := NewPlan(d, begin, nil)
			if err != nil {
				t.Fatal(err)
			}
			read, now := task.StoredTrigger{Name: "a", Planned: begin, Due: begin}, begin.Add(tt.late)
			var planned []time.Time
			calls := 0
			for ; !read.Due.After(now); calls++ {
				f := p.Fire(read, now)
				size := 0
				for _, made := range f.Tasks {
					size += len(made.Payload)
					planned = append(planned, made.Planned)
				}
				if len(f.Tasks) > maxTasks || size > maxBytes && len(f.Tasks) > 1 {
					t.Errorf("%d tasks with %d bytes", len(f.Tasks), size)
				}
				read.Planned, read.Due = f.Next, f.Due
			}
			want := min(int(tt.late/time.Second)+1, DefaultMisfireMax)
			if len(planned) != want || calls != tt.calls || !planned[len(planned)-1].Equal(now) {
				t.Errorf("%d tasks of %d in %d calls", len(planned), want, calls)
			}
			for i := 1; i < len(planned); i++ {
				if !planned[i].Equal(planned[i-1].Add(time.Second)) {
					t.Fatalf("%v follows %v", planned[i], planned[i-1])
				}
			}
		})
	}
}

// A jitter that is longer than the interval delays firings beyond the next planned time.
func TestJitterMakesNoMisfires(t *testing.T) {
	begin := time.UnixMilli(1_800_000_000_000)
	p, err := NewPlan(&Definition{Name: "a", Every: 10 * time.Minute, Jitter: time.Hour, Task: task.Spec{Kind: "k"}}, begin, nil)
	if err != nil {
		t.Fatal(err)
	}
	read := task.StoredTrigger{Name: "a", Planned: p.First(begin, time.Time{})}
	read.Due = p.Due(read.Planned)
	made := 0
	for now := begin; now.Sub(begin) < 24*time.Hour; {
		if read.Due.After(now) {
			now = read.Due // a replica fires at once
		}
		if now.Sub(read.Planned) > time.Hour {
			t.Errorf("the planned time %v is fired at %v", read.Planned, now)
		}
		f := p.Fire(read, now)
		if !f.First.IsZero() {
			t.Fatalf("planned times from %v to %v are misfires although a replica was there: %s", f.First, f.Last, f.Why)
		}
		made += len(f.Tasks)
		read.Planned, read.Due = f.Next, f.Due
	}
	if made < 23*6 || made > 25*6 {
		t.Errorf("%d tasks in a day", made)
	}
}

// Following does not return for an interval whose times overflow.
func TestTooLongIntervalOfDailyIsRefused(t *testing.T) {
	for _, every := range []time.Duration{24*time.Hour + time.Second, time.Duration(math.MaxInt64) / time.Second * time.Second} {
		d := &Definition{Name: "a", Daily: &Daily{From: "09:00", To: "17:00", Every: every}, Task: task.Spec{Kind: "k"}}
		if _, err := NewPlan(d, time.Now(), nil); err == nil || !strings.Contains(err.Error(), "24h") {
			t.Errorf("%v: %v", every, err)
		}
	}
}

func TestTemplateMustBeUTF8(t *testing.T) {
	d := &Definition{Name: "a", Every: time.Hour, PayloadTemplate: "\xff{{planned}}", Task: task.Spec{Kind: "k"}}
	if _, err := NewPlan(d, time.Now(), nil); err == nil || !strings.Contains(err.Error(), "payload_template must be valid UTF-8") {
		t.Error(err)
	}
}

func TestWrongTypesNameWhatIsAllowed(t *testing.T) {
	for text, want := range map[string]string{
		`{"name":"a","every_ms":1.5,"task":{"kind":"k"}}`:                                 "every_ms must be a whole number, not 1.5",
		`{"name":"a","every_ms":1e3,"task":{"kind":"k"}}`:                                 "every_ms must be a whole number, not 1e3",
		`{"name":"a","every_ms":"1s","task":{"kind":"k"}}`:                                "every_ms must be a whole number, not a JSON string",
		`{"name":"a","every_ms":9223372036854775808,"task":{"kind":"k"}}`:                 "must be from -9223372036854775808 to 9223372036854775807, not",
		`{"name":"a","every_ms":1000,"task":{"kind":"k","priority":300}}`:                 "task.priority must be from -128 to 127, not 300",
		`{"name":"a","every_ms":1000,"task":{"kind":"k","retain_ms":"none"}}`:             `task.retain_ms must be a whole number or "forever", not "none"`,
		`{"name":"a","every_ms":1000,"task":{"kind":"k","timeout_ms":"x"}}`:               `task.timeout_ms must be a whole number or "none", not "x"`,
		`{"name":"a","every_ms":1000,"task":{"kind":"k","timeout_ms":1.5}}`:               "task.timeout_ms must be a whole number, not 1.5",
		`{"name":"a","every_ms":1000,"task":{"kind":5}}`:                                  "task.kind must be a string, not a JSON number",
		`{"name":"a","every_ms":1000,"paused":1,"task":{"kind":"k"}}`:                     "paused must be true or false, not a JSON number",
		`{"name":"a","every_ms":1000,"task":"k"}`:                                         "task must be an object, not a JSON string",
		`{"name":"a","daily":{"days":"mon"},"task":{"kind":"k"}}`:                         "daily.days must be an array, not a JSON string",
		`{"name":"a","every_ms":1000,"task":{"kind":"k","shards":["a",1]}}`:               "task.shards",
		`{"name":"a","every_ms":1000,"task":{"kind":"k","then":{"kind":"k"}},"shards":2}`: "shards is not a field of a trigger",
		`[]`:  "the definition must be a JSON object, not a JSON array",
		`"x"`: "the definition must be a JSON object, not a JSON string",
	} {
		if _, err := Decode([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Go value") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
