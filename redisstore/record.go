package redisstore

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// A record is a header line, a newline and the payload. The line begins with fixed
// columns, "XY CREATED SCORE KIND QUEUE word word…": see docs/protocol.md.
const (
	createdAt  = 3  // 13 digits
	scoreAt    = 17 // 16 digits
	kindAt     = 34
	noQueue    = "-"     // means the default queue
	scoreRange = 1 << 45 // the distance of two priorities
)

// letters are the states by the letters of a header. A task with w or p is running if it
// has a run entry. A parent with r runs without one.
var letters = map[byte]task.State{
	's': task.Scheduled, 'w': task.Waiting, 'p': task.Waiting, 'r': task.Running, 'e': task.Exporting,
	'S': task.Succeeded, 'F': task.Failed, 'X': task.Stopped, 'E': task.Expired,
}

// header is the decoded header line of a record. Its strings are parts of the line.
type header struct {
	state          task.State
	base           int64 // version of a task that does not run and has no extras
	created, score int64
	kind, queue    string
	words          string // "" for none
}

func parseHeader(line string) (h header, err error) {
	if len(line) <= kindAt || line[2] != ' ' || line[scoreAt-1] != ' ' || line[kindAt-1] != ' ' {
		return h, errors.New("has no columns of state, time and score")
	}
	var known bool
	if h.state, known = letters[line[0]]; !known {
		return h, fmt.Errorf("has the unknown state %q", line[:1])
	}
	if h.base = 1; line[0] == 'p' {
		h.base = 2
	}
	var err1, err2 error
	h.created, err1 = strconv.ParseInt(line[createdAt:scoreAt-1], 10, 64)
	h.score, err2 = strconv.ParseInt(line[scoreAt:kindAt-1], 10, 64)
	if err1 != nil || err2 != nil || h.created < 0 || h.score < 0 {
		return h, errors.New("has no numbers as time and score")
	}
	h.kind, h.words, _ = strings.Cut(line[kindAt:], " ")
	h.queue, h.words, _ = strings.Cut(h.words, " ")
	if h.kind == "" || h.queue == "" {
		return h, errors.New("has no kind and queue")
	}
	if h.queue == noQueue {
		h.queue = task.DefaultQueue
	}
	return h, nil
}

// setHeader sets the fields of a task from its header.
func setHeader(t *task.Task, h *header, f *fieldReader) {
	t.State, t.Version, t.Kind, t.Queue = h.state, h.base, h.kind, h.queue
	t.CreatedAt = time.UnixMilli(h.created)
	t.Priority = int8(min(max(127-h.score/scoreRange, math.MinInt8), math.MaxInt8))
	for words := h.words; words != ""; {
		var w string
		w, words, _ = strings.Cut(words, " ")
		name, v, _ := strings.Cut(w, "=")
		setField(t, name, v, f)
	}
}

// setField sets the field of a task from a word of its header or a field of its extras. It
// ignores unknown names: a newer version may have written them.
func setField(t *task.Task, name, v string, f *fieldReader) {
	switch name {
	case "group":
		t.Group = v
	case "labels":
		t.Labels = strings.Split(v, ",")
	case "aged": // PRIORITY/STEP: the position of a queue with aging does not tell the priority
		priority, _, _ := strings.Cut(v, "/")
		n, err := strconv.ParseInt(priority, 10, 8)
		if err != nil {
			f.fail(name, err)
		}
		t.Priority = int8(n)
	case "unique":
		t.Unique = v
	case "timeout_ms":
		if t.Timeout = task.Forever; v != none {
			t.Timeout = f.span(name, v)
		}
	case "max_attempts":
		t.MaxAttempts = int(f.count(name, v))
	case "backoff":
		var err error
		if t.Backoff, err = task.ParseBackoff(v); err != nil {
			f.fail(name, err)
		}
	case "retain_ms":
		d := task.Forever
		if v != forever {
			d = f.span(name, v)
		}
		t.Retain = &d
	case "reply":
		t.Reply = v == "1"
	case "headers":
		trace := t.Headers
		t.Headers = f.headers(name, v)
		setTrace(t, trace)
	case traceParent, traceState:
		setTrace(t, map[string]string{name: v})
	case "shards":
		if t.Broadcast = v == broadcastWord; !t.Broadcast {
			t.Shards = int(f.whole(name, v, 0, task.MaxShards))
		}
	case "shards_total": // of a broadcast
		t.Shards = int(f.whole(name, v, 0, task.MaxShards))
	case "fail_fast":
		t.FailFast = v == "1"
	case "then":
		t.HasThen = true
		if v != "1" { // the word of the header
			t.Then = f.then(name, v)
		}
	case "after":
		t.After = v
	case "shard":
		setShard(t, f.count(name, v), f)
	case "member":
		t.Shard.Param = v
	case "shard_param":
		t.Shard.Param = f.text(name, v)
	case "due_at":
		t.DueAt = f.moment(name, v)
		if t.Hold = t.DueAt.UnixMilli() == holdMS; t.Hold {
			t.DueAt = time.Time{}
		}
	case "expires_at":
		t.ExpiresAt = f.moment(name, v)
	case "deadline_at":
		t.DeadlineAt = f.moment(name, v)

	case "v":
		t.Version = f.count(name, v)
	case "attempt":
		t.Attempt = f.count(name, v)
	case "failures":
		t.Failures = int(f.count(name, v))
	case "lost":
		t.Lost = int(f.count(name, v))
	case "generation":
		t.Generation = int(f.count(name, v))
	case "started_at":
		t.StartedAt = f.moment(name, v)
	case "slow_at":
		t.SlowAt = f.moment(name, v)
	case "outside_until":
		t.OutsideUntil = f.moment(name, v)
	case "ended_at":
		t.EndedAt = f.moment(name, v)
	case "fence":
		t.Fence = f.count(name, v)
	case "replica":
		t.Replica = v
	case "code":
		t.Code = task.Code(v)
	case "error":
		t.Error = v
	case "result":
		t.Result = []byte(v)
	case "exported":
		t.Exported = true
	case "staged":
		t.Staged, t.StagedBytes = []byte(v), int64(len(v))
	case "staged_bytes":
		t.StagedBytes = f.count(name, v)
	case "staged_generation":
		t.StagedGeneration = int(f.count(name, v))
	case "saves_failed":
		t.SavesFailed = int(f.count(name, v))
	case "save_at":
		t.SaveAt = f.moment(name, v)
	case "progress":
		t.Progress = []byte(v)
	case "checkpoint":
		t.LastCheckpoint = []byte(v)
	case "checkpoint_at":
		t.CheckpointAt = f.moment(name, v)
	case "job":
		t.Job = v
	case "cleanup":
		_, code, _ := strings.Cut(v, " ")
		code, _, _ = strings.Cut(code, " ")
		t.CleanUp = task.Code(code)
	case "orphan":
		t.Orphan = v
	case "shard_params":
		t.ShardParams = f.shardParams(name, v)
	case "shards_pending":
		t.Counts.Pending = int(f.count(name, v))
	case "shards_succeeded":
		t.Counts.Succeeded = int(f.count(name, v))
	case "shards_failed":
		t.Counts.Failed = int(f.count(name, v))
	case "shards_stopped":
		t.Counts.Stopped = int(f.count(name, v))
	case "shards_expired":
		t.Counts.Expired = int(f.count(name, v))
	case "shards_omitted":
		t.Counts.Omitted = int(f.count(name, v))
	case "then_id":
		t.ThenID = v
	case "then_error":
		t.ThenError = v
	case "unarchived":
		t.Unarchived = true
	case "stop":
		t.StopWhy = v
	case "log":
		t.Log = v
	case "log_size":
		t.LogSize = f.count(name, v)
	}
}

// setRun sets the fields of a task from its run entry: fence, attempt, version, start,
// flag, kind, replica and, if there is one, group, padded with spaces.
func setRun(t *task.Task, entry string, f *fieldReader) {
	t.State = task.Running
	part := strings.Fields(entry)
	if len(part) != 7 && len(part) != 8 {
		f.fail("run", fmt.Errorf("must have seven or eight parts, not %q", clipName(entry)))
		return
	}
	t.Fence, t.Attempt, t.Version = f.count("run", part[0]), f.count("run", part[1]), f.count("run", part[2])
	t.StartedAt, t.Replica = f.moment("run", part[3]), part[6]
	t.Unowned = part[4] == unownedFlag
}

// unownedFlag is the flag Jobs.UNOWNED of the scripts.
const unownedFlag = "4"

// decodeTask decodes a task from its record, its run entry ("" for none), and the fields
// and values of its extras. A field that it cannot read is zero, and an error in Broken.
func decodeTask(id, record, run string, extras []string) *task.Task {
	t := &task.Task{Spec: task.Spec{ID: id}}
	f := fieldReader{what: "task", id: id}
	line, payload, _ := strings.Cut(record, "\n")
	if h, err := parseHeader(line); err != nil {
		f.fail("header", err)
	} else {
		setHeader(t, &h, &f)
		t.Payload = []byte(payload)
	}
	logFence, slowFence := "", ""
	for i := 0; i+1 < len(extras); i += 2 {
		switch extras[i] {
		case "log_fence":
			logFence = extras[i+1]
		case "slow":
			slowFence = extras[i+1]
		}
		setField(t, extras[i], extras[i+1], &f)
	}
	if run != "" {
		setRun(t, run, &f)
	}
	// A log and a soft timeout may be those of another attempt.
	fence := ""
	if t.State == task.Running {
		fence = strconv.FormatInt(t.Fence, 10)
	}
	if fence == "" || logFence != fence {
		t.Log, t.LogSize = "", 0
	}
	if fence == "" || slowFence != fence {
		t.SlowAt = time.Time{}
	}
	setCounts(t)
	if t.State == task.Stopped && t.StopWhy == "" {
		t.StopWhy = t.Error // the task was stopped while it did not run
	}
	t.Broken = f.broken
	return t
}
