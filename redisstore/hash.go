package redisstore

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/ltsworker/ltsworker/worker"
)

// The words for "no limit" and "no end" in a task's hash and in an inbox entry.
const (
	none    = "none"
	forever = "forever"
)

// specFields are the fields and values of a task's hash that the spec sets and
// that a plain task does not have. What has its default is left out: a task that
// waits should be small.
//
// The field more lets the scripts leave all of them unread: without it a claim
// needs none of them (a queue is known to who claims from it), and only with the
// value 2 the end of an attempt does.
func specFields(s *worker.Spec) ([]any, error) {
	var f []any
	add := func(name string, value any) { f = append(f, name, value) }
	if s.Priority != 0 {
		add("priority", int(s.Priority))
	}
	if s.Group != "" {
		add("group", s.Group)
	}
	if s.Unique != "" {
		add("unique", s.Unique)
	}
	switch {
	case s.Timeout == worker.Forever:
		add("timeout_ms", none)
	case s.Timeout > 0:
		add("timeout_ms", s.Timeout.Milliseconds())
	}
	if s.MaxAttempts > 0 {
		add("max_attempts", s.MaxAttempts)
	}
	if b := s.Backoff.String(); b != "" {
		add("backoff", b)
	}
	if s.Retain != nil {
		if *s.Retain == worker.Forever {
			add("retain_ms", forever)
		} else {
			add("retain_ms", s.Retain.Milliseconds())
		}
	}
	if len(s.Headers) > 0 {
		j, err := json.Marshal(s.Headers)
		if err != nil {
			return nil, fmt.Errorf("headers: %w", err)
		}
		add("headers", string(j))
	}
	switch {
	case s.Group != "" || s.Unique != "" || s.Retain != nil || len(s.Headers) > 0 || s.TTL > 0 || s.Deadline > 0:
		add("more", 2)
	case len(f) > 0 || s.Delay > 0 || !s.RunAt.IsZero():
		add("more", 1)
	}
	if s.Queue != "" && s.Queue != worker.DefaultQueue {
		add("queue", s.Queue)
	}
	return f, nil
}

// decodeTask reads a task from the flat fields and values of its hash. Fields it
// does not know are left alone: a newer version may have written them. What it
// cannot read is left out and told in Broken.
func decodeTask(id string, flat []string) *worker.Task {
	t := &worker.Task{Version: 1}
	t.ID, t.Queue = id, worker.DefaultQueue
	f := fieldReader{what: "task", id: id}
	run := ""
	for i := 0; i+1 < len(flat); i += 2 {
		name, v := flat[i], flat[i+1]
		switch name {
		case "kind":
			t.Kind = v
		case "queue":
			t.Queue = v
		case "state":
			t.State = worker.State(v)
		case "payload":
			t.Payload = []byte(v)
		case "priority":
			t.Priority = int8(f.whole(name, v, math.MinInt8, math.MaxInt8))
		case "group":
			t.Group = v
		case "unique":
			t.Unique = v
		case "headers":
			t.Headers = f.headers(name, v)
		case "attempt":
			t.Attempt = f.count(name, v)
		case "run":
			run = v
		case "failures":
			t.Failures = int(f.count(name, v))
		case "lost":
			t.Lost = int(f.count(name, v))
		case "generation":
			t.Generation = int(f.count(name, v))
		case "v":
			t.Version = f.count(name, v)
		case "created_at":
			t.CreatedAt = f.moment(name, v)
		case "due_at":
			t.DueAt = f.moment(name, v)
		case "ended_at":
			t.EndedAt = f.moment(name, v)
		case "expires_at":
			t.ExpiresAt = f.moment(name, v)
		case "deadline_at":
			t.DeadlineAt = f.moment(name, v)
		case "timeout_ms":
			if v == none {
				t.Timeout = worker.Forever
			} else {
				t.Timeout = f.span(name, v)
			}
		case "max_attempts":
			t.MaxAttempts = int(f.count(name, v))
		case "backoff":
			var err error
			if t.Backoff, err = worker.ParseBackoff(v); err != nil {
				f.fail(name, err)
			}
		case "retain_ms":
			d := worker.Forever
			if v != forever {
				d = f.span(name, v)
			}
			t.Retain = &d
		case "progress":
			t.Progress = []byte(v)
		case "result":
			t.Result = []byte(v)
		case "code":
			t.Code = worker.Code(v)
		case "error":
			t.Error = v
		case "stop":
			t.StopWhy = v
		}
	}
	if t.State == worker.Stopped && t.StopWhy == "" {
		t.StopWhy = t.Error // a task that did not run was stopped without being asked
	}
	decodeRun(t, &f, run)
	t.Broken = f.broken
	return t
}

// decodeRun reads the field that says by whom the task is held: fence, attempt,
// version, start, place in line, flag, replica. The version counts while it runs.
func decodeRun(t *worker.Task, f *fieldReader, run string) {
	if run == "" {
		return
	}
	part := strings.Split(run, " ")
	if len(part) != 7 {
		f.fail("run", fmt.Errorf("must have seven parts, not %q", clipName(run)))
		return
	}
	t.Replica = part[6]
	t.Fence = f.count("run", part[0])
	t.StartedAt = f.moment("run", part[3])
	if t.State == worker.Running {
		t.Version = f.count("run", part[2])
	}
}
