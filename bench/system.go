package main

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// kind is the kind of all tasks. namespace is the name of the queue, database schema or namespace
// in every system.
const (
	kind      = "noop"
	namespace = "bench"
)

// item is a task as every system gets it: the number under which the handler reports it, and the
// properties that the figures vary.
type item struct {
	N     int
	Size  int           // bytes of the payload, at least 16
	Sent  int64         // monotonic µs of sending, passed to the handler; 0 for none
	Delay time.Duration // 0 means at once
	Group string        // "" means no group
}

// handler gets the number and the Sent value of a task that has started.
type handler func(n int, sent int64)

// system is one queue under test, used as its own documentation recommends. A client process uses
// the methods that enqueue, a worker process the others.
type system interface {
	Enqueue(ctx context.Context, t item) error
	// EnqueueBatch returns errors.ErrUnsupported if the system has no call for several tasks.
	EnqueueBatch(ctx context.Context, ts []item) error
	// Start runs the tasks, at most workers at a time, until Stop.
	Start(ctx context.Context, workers int, h handler) error
	Stop() error
	// Pending returns how many tasks have not succeeded by the system's own records.
	Pending(ctx context.Context) (int, error)
	// Version returns the measured version for the report.
	Version() string
}

// env holds the settings with which a system is opened.
type env struct {
	Redis    string `json:"redis"`    // host:port
	Postgres string `json:"postgres"` // URL; only River needs it

	Tuned   bool  `json:"tuned"`    // use the settings that tuned describes
	LeaseMS int64 `json:"lease_ms"` // 0 means the system's default

	Rate task.Rate `json:"start_rate"` // of the queue; only ltsworker and BullMQ have one

	// Used by ltsworker only.
	Limit      int    `json:"limit"`       // of the queue, for all replicas together
	GroupLimit int    `json:"group_limit"` // of every group
	Label      string `json:"label"`       // of all tasks and replicas; "" for none
	Untyped    bool   `json:"untyped"`     // use a handler that gets the payload undecoded
	Inbox      bool   `json:"inbox"`       // enqueue with RPUSH to the inbox

	Pools []string `json:"pools"` // of the system "pools"; Redis is a node of their cluster
}

func (e env) lease() time.Duration { return time.Duration(e.LeaseMS) * time.Millisecond }

// opener opens a Go system. BullMQ has a process of its own.
type opener func(ctx context.Context, e env) (system, error)

var openers = map[string]opener{
	"ours":    openOurs,
	"asynq":   openAsynq,
	"gocraft": openGocraft,
	"river":   openRiver,
	"raw":     openRaw(1),
	"raw2":    openRaw(2),
	"pools":   openPools,
	"floor":   openFloor,
}

const bullmq = "bullmq"

// peers are the compared systems in the order of the report. The upper bounds (raw, floor) belong
// to the figures that name them.
var (
	peers    = []string{"ours", "asynq", "gocraft", "river", bullmq}
	ceilings = []string{"raw", "raw2", "floor"}
)

// names maps the systems to their spelling in the report.
var names = map[string]string{
	"ours": "ltsworker", "asynq": "asynq", "gocraft": "gocraft/work", "river": "River", bullmq: "BullMQ",
	"raw": "raw scripts", "raw2": "raw scripts, two calls in flight", "pools": "ltsworker", "floor": "pipelined ZADD/HSET",
}

// tuned describes the changed setting of each system's tuned row. All other settings are defaults.
var tuned = map[string]string{
	"ours":    "GOGC=400",
	"asynq":   "go-redis PoolSize of slots + 10 instead of 10 per CPU",
	"gocraft": "redigo pool of slots + 10 connections instead of the README's 5",
	"river": "FetchCooldown 1 ms instead of 100 ms, FetchPollInterval 20 ms instead of 1 s (River's own benchmark sets 2 ms and 20 ms), " +
		"20 connections, synchronous_commit off",
	bullmq: "enableAutoPipelining, removeOnComplete and removeOnFail true",
}

// variant is a row of a comparison: a system with settings.
type variant struct {
	system, row string
	env         env
}

// comparisons returns the rows of a figure that compares systems: each system with its defaults,
// and River also tuned. By default River waits 100 ms between two fetches, however many tasks wait,
// so a figure of its defaults measures that pause.
func comparisons(systems ...string) []variant {
	var all []variant
	for _, s := range systems {
		all = append(all, variant{system: s, row: names[s]})
		if s == "river" {
			all = append(all, variant{s, riverTuned, env{Tuned: true}})
		}
	}
	return all
}

var riverTuned = tunedRow("river")

func tunedRow(system string) string { return names[system] + ", tuned" }

func open(ctx context.Context, name string, e env) (system, error) {
	o := openers[name]
	if o == nil {
		return nil, fmt.Errorf("no system %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(openers)), ", "))
	}
	return o(ctx, e)
}

// module returns the version of a module in this build.
func module(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range info.Deps {
		if m.Path == path {
			if m.Replace != nil {
				return "this tree"
			}
			return m.Version
		}
	}
	return "unknown"
}
