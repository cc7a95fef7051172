package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

const wholeConfig = `
pool: media
redis: redis://127.0.0.1:6379/0
health: 127.0.0.1:8080
metrics: {pool: false, max_queues: 50}
callbacks: ":8081"
lease: 20s
drain_timeout: 1m
stop_grace: 5s
max_log: 16384
limit: 50
admission: {max_cpu: 87.5%, min_free_memory: 1.5GiB}
queues:
  default: {workers: 4, limit: 10, max_len: 1000, rate: 100/s burst 20, aging: 30s}
  slow:
groups: {default_limit: 2, limits: {acme: 5}, default_rate: 5/m, rates: {acme: 20/h burst 3}}
events: {max: 5000, age: 2h}
archive: {wait: 7d}
handlers:
  video.cut:
    command: [cat, -u]
    concurrency: 3
    disabled: false
    timeout: none
    soft_timeout: 1d
    progress_timeout: 5m
    large_result: fail
    max_attempts: 3
    max_lost: 2
    in_place: 4
    backoff: fixed:5000
    env: {MODE: fast, N: 1}
    max_log: none
`

func TestConfigSaysWhatItSays(t *testing.T) {
	c := parse("f.yaml", []byte(wholeConfig))
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	want := pool.Config{
		Queues:   map[string]pool.Queue{"default": {Workers: 4, Limit: 10, MaxLen: 1000, Rate: pool.PerSecond(100).WithBurst(20), Aging: 30 * time.Second}, "slow": {}},
		Handlers: map[string]pool.HandlerConfig{"video.cut": {Concurrency: 3}},
		Limit:    50, Groups: pool.Groups{
			DefaultLimit: 2, Limits: map[string]int{"acme": 5},
			DefaultRate: pool.PerMinute(5), Rates: map[string]pool.Rate{"acme": pool.PerHour(20).WithBurst(3)},
		},
		Policies: map[string]pool.Policy{"video.cut": {
			Timeout: task.Forever, SoftTimeout: 24 * time.Hour, ProgressTimeout: 5 * time.Minute, LargeResult: task.FailLargeResult, MaxAttempts: 3, MaxLost: 2, InPlace: 4,
			Backoff: task.Backoff{Fixed: true, Base: 5 * time.Second},
		}},
		Lease: 20 * time.Second, DrainTimeout: time.Minute, StopGrace: 5 * time.Second,
		MaxEvents: 5000, EventAge: 2 * time.Hour, ArchiveWait: 7 * 24 * time.Hour, MaxLog: 16384,
	}
	if diff := cmp.Diff(want, c.Pool); diff != "" {
		t.Error(diff)
	}
	if c.PoolName != "media" || c.RedisURL != "redis://127.0.0.1:6379/0" {
		t.Errorf("got pool %q and redis %q", c.PoolName, c.RedisURL)
	}
	if a := c.Admission; a == nil || a.MaxCPU != 0.875 || a.MinFreeMemory != 3<<29 {
		t.Errorf("got admission %+v", a)
	}
	if c.HealthAddress != "127.0.0.1:8080" {
		t.Errorf("got health %q", c.HealthAddress)
	}
	if m := c.Metrics; m == nil || !m.WithoutPool || m.MaxQueues != 50 || m.MaxKinds != 0 {
		t.Errorf("got metrics %+v", m)
	}
	if c.CallbackAddress != ":8081" {
		t.Errorf("got callbacks %q", c.CallbackAddress)
	}
	h := c.Handlers["video.cut"]
	if h.MaxLog != task.NoLog {
		t.Errorf("got max_log %d", h.MaxLog)
	}
	if diff := cmp.Diff([]string{"cat", "-u", "MODE=fast", "N=1"}, append(h.Command, h.Env...)); diff != "" {
		t.Error(diff)
	}
}

func TestLimitOfNoneIsNoLimit(t *testing.T) {
	c := parse("f.yaml", []byte(`
limit: none
queues: {a: {limit: none, max_len: "none", rate: none, aging: none}, b: {limit: 0, max_len: 0}}
groups: {default_limit: none, limits: {big: none, small: 2}, default_rate: none, rates: {big: none}}
handlers: {a: {command: [cat]}}
`))
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	want := pool.Config{
		Queues: map[string]pool.Queue{"a": {Limit: pool.NoLimit, MaxLen: pool.NoLimit, Rate: pool.NoRate, Aging: pool.NoAging}, "b": {}},
		Limit:  pool.NoLimit,
		Groups: pool.Groups{
			DefaultLimit: pool.NoLimit, Limits: map[string]int{"big": pool.NoLimit, "small": 2},
			DefaultRate: pool.NoRate, Rates: map[string]pool.Rate{"big": pool.NoRate},
		},
		Policies: map[string]pool.Policy{"a": {}},
	}
	if diff := cmp.Diff(want, c.Pool); diff != "" {
		t.Error(diff)
	}
}

func TestInvalidBoundsOfAdmissionAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"{max_cpu: 90}":                 `f.yaml:1: admission.max_cpu must be a percentage such as 90%, not "90"`,
		"{max_cpu: 0.9}":                `must be a percentage such as 90%, not "0.9"`,
		"{max_cpu: 100%}":               "must be from 1% to 99%, not 100%",
		"{max_cpu: 0%}":                 "must be from 1% to 99%, not 0%",
		"{max_cpu: -5%}":                `must be a percentage such as 90%, not "-5%"`,
		"{max_cpu: [90%]}":              "must be a percentage such as 90%, not a list",
		"{min_free_memory: 512}":        `f.yaml:1: admission.min_free_memory must be a size with a unit, such as 512MiB or 1.5GiB, not "512"`,
		"{min_free_memory: 0MiB}":       `not "0MiB"`,
		"{min_free_memory: 1e3MiB}":     `not "1e3MiB"`,
		"{min_free_memory: 9999999TiB}": `not "9999999TiB"`,
		"{min_free_memory: ~}":          "not nothing",
		"{max_memory: 1GiB}":            "admission.max_memory is not a key here; there are max_cpu, min_free_memory",
		"{}":                            "admission must set a bound, such as {max_cpu: 90%, min_free_memory: 512MiB}",
		"90%":                           "admission must be a mapping of keys to values",
	} {
		c := parse("f.yaml", []byte("admission: "+text+"\nqueues: {q: }\nhandlers: {a: {command: [cat]}}"))
		if err := c.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("admission: %s is answered with %v, want %s", text, err, want)
		}
	}
}

func TestHandlersWithQueuesOfTheirOwn(t *testing.T) {
	for text, want := range map[string]string{
		"handlers: {a: {command: [cat], concurrency: 2}}":                                "",
		"queues: {a: {limit: 5}}\nhandlers: {a: {command: [cat], concurrency: 2}}":       "",
		"queues: {q: }\nhandlers: {a: {command: [cat], disabled: true}}":                 "",
		"handlers: {a: {command: [cat], disabled: true}}":                                "must name a queue that is served",
		"handlers: {a: {command: [cat], disabled: true, concurrency: 2}}":                "must name a queue that is served: the others belong to disabled handlers",
		"queues: {a: }\nhandlers: {a: {command: [cat], disabled: true, concurrency: 2}}": "f.yaml:1: queues must name a queue that is served",
		"queues: {q: }\nhandlers: {a: {command: [cat], concurrency: 0}}":                 "f.yaml:2: handlers.a.concurrency must be more than 0, not 0; remove the key for the default",
		"queues: {q: }\nhandlers: {a: {command: [cat], concurrency: many}}":              `must be a whole number, not "many"`,
		"queues: {q: }\nhandlers: {a: {command: [cat], disabled: maybe}}":                `f.yaml:2: handlers.a.disabled must be true or false, not "maybe"`,
		"queues: {q: }\nhandlers: {a: {command: [cat], disabled: 1}}":                    "must be true or false",
		"queues: {q: }\nhandlers: {a: {command: [cat], concurency: 1}}":                  "did you mean concurrency?",
		"{}": "handlers must name at least one kind",
	} {
		c := parse("f.yaml", []byte(text+"\n"))
		if err := c.Err(); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s is answered with %v, want %q", text, err, want)
		}
	}
	// The pool checks the numbers; the problem has the line of the key.
	c := parse("f.yaml", []byte("queues: {b: {workers: 4}}\nhandlers:\n  a: {command: [cat], concurrency: -1}\n  b: {command: [cat], concurrency: 2}\n"))
	_, err := pool.New(nil, c.Pool)
	c.RefusePool(err)
	for _, want := range []string{"f.yaml:3: handlers.a.concurrency must be from 1 to 100000, not -1", "f.yaml:1: queues.b.workers must be 2, as handlers.b.concurrency is"} {
		if err := c.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the problems are %v, want %q", err, want)
		}
	}
}

func TestNamesInAConfigAreOfAnyScript(t *testing.T) {
	c := parse("f.yaml", []byte("pool: 池\nqueues: {计费: {workers: 1}, คิวที่๑: }\ngroups: {limits: {عميل: 5}}\nhandlers: {भेजना: {command: [cat]}}\n"))
	if err := c.Err(); err != nil || c.PoolName != "池" || c.Pool.Groups.Limits["عميل"] != 5 || len(c.Pool.Queues) != 2 {
		t.Errorf("got %+v, %v", c.Pool, err)
	}
	for _, bad := range []string{"🚀", "a\u3164", "a\ufe0f", "e\u0301", strings.Repeat("é", 65)} {
		for _, text := range []string{"pool: %s\nqueues: {q: }\nhandlers: {a: {command: [cat]}}", "queues: {%s: }\nhandlers: {a: {command: [cat]}}",
			"queues: {q: }\nhandlers: {%s: {command: [cat]}}", "queues: {q: }\ngroups: {limits: {%s: 1}}\nhandlers: {a: {command: [cat]}}"} {
			if c := parse("f.yaml", []byte(fmt.Sprintf(text, bad))); c.Err() == nil {
				t.Errorf("%+q was accepted", fmt.Sprintf(text, bad))
			}
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add(wholeConfig)
	f.Add("queues: &a {x: *a}\nhandlers: {a: {command: [cat]}}")
	f.Add("queues: {default: {workers: 0x10}}\nhandlers: {? [a] : {}}")
	f.Add("<<: {a: 1}\n!!binary abc: 1\nlimit: !!int x")
	f.Fuzz(func(t *testing.T, s string) {
		c := parse("f.yaml", []byte(s))
		for _, p := range c.problems {
			if p.msg == "" || p.line < 0 {
				t.Errorf("a problem says nothing: %+v", p)
			}
		}
		if c.Err() != nil {
			return
		}
		if len(c.served()) == 0 || len(c.Handlers)+len(c.Docker)+len(c.Remote) == 0 {
			t.Errorf("%q was taken with nothing to run", s)
		}
		for kind := range c.Handlers {
			if task.CheckName(kind) != nil {
				t.Errorf("the kind %q got through", kind)
			}
		}
	})
}
