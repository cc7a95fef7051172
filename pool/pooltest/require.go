package pooltest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// Enqueued is one enqueued task: its spec, with the id and the queue that the task got,
// and its receipt.
type Enqueued struct {
	pool.Spec
	Receipt pool.Receipt

	named bool // the caller set the id
}

// String returns the task in one line, with the options that differ from the default.
func (e Enqueued) String() string {
	spec := e.Spec
	if !e.named {
		spec.ID = ""
	}
	s := describe(spec)
	if e.Receipt.Duplicate {
		s += " (not made: a duplicate of " + e.Receipt.ID + ")"
	}
	return s
}

// Kind makes RequireEnqueued and RequireNotEnqueued match a task of this kind with any
// payload.
type Kind string

// Kind returns the name of the kind.
func (k Kind) Kind() string { return string(k) }

// Enqueued lists the tasks that were enqueued through the pool's store since New, in
// order. Tasks that have run are included, and so are duplicates, which made no task.
// Tasks that the store refused are not.
func (p *Pool) Enqueued() []Enqueued {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	return slices.Clone(p.store.enqueued)
}

// RequireEnqueued returns the first enqueued task that has the same kind, the same
// payload and all of the options. If there is none it fails the test and lists the
// enqueued tasks. Payloads are compared as JSON. If args is a Kind, any payload
// matches.
//
// Other options of the task do not matter. An option with a zero value, such as
// Priority(0), is the same as none, except Retain(0). The given headers must be among
// the task's.
func (p *Pool) RequireEnqueued(t testing.TB, args pool.Kinder, opts ...pool.Option) Enqueued {
	t.Helper()
	want := specOf(t, args, opts)
	all := p.Enqueued()
	for _, e := range all {
		if !e.Receipt.Duplicate && difference(want, e.Spec) == "" {
			return e
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "pooltest: not enqueued:\n    %s\n", describe(want))
	list(&b, all, func(e Enqueued) string {
		if e.Receipt.Duplicate {
			return ""
		}
		return difference(want, e.Spec)
	})
	t.Fatal(strings.TrimRight(b.String(), "\n"))
	return Enqueued{}
}

// RequireNotEnqueued fails the test if RequireEnqueued with the same arguments would
// find a task.
func (p *Pool) RequireNotEnqueued(t testing.TB, args pool.Kinder, opts ...pool.Option) {
	t.Helper()
	want := specOf(t, args, opts)
	var bad []Enqueued
	for _, e := range p.Enqueued() {
		if !e.Receipt.Duplicate && difference(want, e.Spec) == "" {
			bad = append(bad, e)
		}
	}
	if len(bad) > 0 {
		var b strings.Builder
		fmt.Fprintf(&b, "pooltest: must not be enqueued:\n    %s\n", describe(want))
		list(&b, bad, func(Enqueued) string { return "" })
		t.Fatal(strings.TrimRight(b.String(), "\n"))
	}
}

func specOf(t testing.TB, args pool.Kinder, opts []pool.Option) pool.Spec {
	t.Helper()
	want, err := pool.NewSpec(args, opts...)
	if err != nil {
		t.Fatalf("pooltest: %v", err)
	}
	if _, anyArgs := args.(Kind); anyArgs {
		want.Payload = nil
	}
	return want
}

// list writes the tasks one per line, each with a remark.
func list(b *strings.Builder, es []Enqueued, remark func(Enqueued) string) {
	switch len(es) {
	case 0:
		b.WriteString("Nothing was enqueued.")
		return
	case 1:
		b.WriteString("What was enqueued:\n")
	default:
		fmt.Fprintf(b, "The %d tasks that were enqueued:\n", len(es))
	}
	for i, e := range es {
		fmt.Fprintf(b, "%3d. %s", i+1, e)
		if r := remark(e); r != "" {
			fmt.Fprintf(b, " (differs in: %s)", r)
		}
		b.WriteByte('\n')
	}
}

// options returns the options of a spec as name and text; "" for the default.
func options(s pool.Spec) [][2]string {
	text := func(v any) string {
		if reflect.ValueOf(v).IsZero() {
			return ""
		}
		if v == pool.Forever {
			return "forever"
		}
		return fmt.Sprint(v)
	}
	runAt, retain, reply := "", "", ""
	if s.Reply {
		reply = "true"
	}
	if !s.RunAt.IsZero() {
		runAt = s.RunAt.UTC().Format(time.RFC3339Nano)
	}
	if s.Retain != nil {
		retain = cmp.Or(text(*s.Retain), "none")
	}
	return [][2]string{
		{"id", s.ID}, {"queue", s.Queue}, {"priority", text(s.Priority)}, {"group", s.Group},
		{"labels", strings.Join(task.CanonicalLabels(s.Labels), ",")}, {"unique", s.Unique},
		{"delay", text(s.Delay)}, {"run_at", runAt}, {"timeout", text(s.Timeout)}, {"ttl", text(s.TTL)},
		{"deadline", text(s.Deadline)}, {"max_attempts", text(s.MaxAttempts)}, {"backoff", s.Backoff.String()}, {"retain", retain}, {"reply", reply},
	}
}

// difference names the parts of want that have does not match; "" for none.
func difference(want, have pool.Spec) string {
	var d []string
	if want.Kind != have.Kind {
		d = append(d, "kind")
	} else if want.Payload != nil && !sameJSON(want.Payload, have.Payload) {
		d = append(d, "payload")
	}
	found := options(have)
	for i, a := range options(want) {
		if a[1] != "" && a[1] != found[i][1] {
			d = append(d, a[0])
		}
	}
	for k, v := range want.Headers {
		if got, ok := have.Headers[k]; !ok || got != v {
			d = append(d, "headers")
			break
		}
	}
	return strings.Join(d, ", ")
}

func sameJSON(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// maxShown is how many bytes of a payload are shown.
const maxShown = 200

// describe returns a spec in one line.
func describe(s pool.Spec) string {
	var b strings.Builder
	b.WriteString(s.Kind)
	switch p := bytes.ToValidUTF8(s.Payload, []byte("\uFFFD")); {
	case len(p) > maxShown:
		fmt.Fprintf(&b, " %s… (%d bytes)", bytes.ToValidUTF8(p[:maxShown], nil), len(s.Payload))
	case len(p) > 0:
		fmt.Fprintf(&b, " %s", p)
	}
	for _, a := range options(s) {
		if a[1] != "" && a != [2]string{"queue", pool.DefaultQueue} {
			fmt.Fprintf(&b, " %s=%s", a[0], a[1])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(s.Headers)) {
		fmt.Fprintf(&b, " header %s=%q", k, s.Headers[k])
	}
	return b.String()
}
