package traces

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// start is what the spans of many attempts start with.
type start struct {
	name    string
	options []trace.SpanStartOption
}

// startKey identifies the attempts that share a start.
type startKey struct {
	pool, queue, kind, replica string
	saves                      bool // the attempt saves a result
}

// maxStarts bounds the cache. An attempt for which it has no room makes its own start.
const maxStarts = 1000

// starts is a cache of starts. It is read without a lock.
type starts struct {
	known atomic.Pointer[map[startKey]*start] // the map never changes; nil before the first start
	mu    sync.Mutex                          // of add
}

func (c *starts) of(key startKey) *start {
	if known := c.known.Load(); known != nil {
		if s := (*known)[key]; s != nil {
			return s
		}
	}
	return c.add(key)
}

func (c *starts) add(key startKey) *start {
	// The strings may be parts of a record with a large payload.
	key.queue, key.kind = strings.Clone(key.queue), strings.Clone(key.kind)
	s := newStart(key)
	c.mu.Lock()
	defer c.mu.Unlock()
	known := map[startKey]*start{}
	if before := c.known.Load(); before != nil {
		if len(*before) >= maxStarts {
			return s
		}
		known = maps.Clone(*before)
	}
	known[key] = s
	c.known.Store(&known)
	return s
}

func newStart(key startKey) *start {
	name, op := "process ", opProcess
	if key.saves {
		name, op = "save ", opSave
	}
	return &start{name: name + key.kind, options: []trace.SpanStartOption{
		trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(system, op, semconv.MessagingOperationTypeProcess, semconv.MessagingDestinationName(key.queue),
			semconv.MessagingClientID(key.replica), poolKey.String(key.pool), kindKey.String(key.kind)),
	}}
}
