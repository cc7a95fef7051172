package archive

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ltsworker/ltsworker/task"
)

// Unknown is the state of a task in the archive that ended, or was removed, while the
// events were lost. It is no state of tasks in a pool.
const Unknown task.State = "unknown"

// Task is one generation of a task: its life from the enqueue, or from a retry by an
// operator, to its end. Times are those of the clock of Redis. Zero times are unknown.
type Task struct {
	Pool string
	ID   string
	// CreatedAt is when the task was enqueued. If CreatedKnown is false, the event of
	// the enqueue was lost, and CreatedAt is the time of the first event that was seen.
	CreatedAt    time.Time
	CreatedKnown bool
	Generation   int // number of retries by an operator before

	Kind, Queue, Group string
	State              task.State // Unknown if the end was lost
	Code               task.Code  // why the latest attempt or the task ended
	Error              string
	Attempt, Version   int64  // of the latest event
	Replica            string // of the latest attempt
	StartedAt          time.Time
	EndedAt            time.Time // zero while the task is live
	Wait, Run          time.Duration

	// Result is what the handler returned. If it is longer than task.MaxEventResult and
	// the record was not read, Result is nil and ResultBytes its length.
	Result      []byte
	ResultBytes int
	Exported    bool              // an exporter has saved the result: Result is the reference
	Orphan      string            // the job that could not be stopped: see task.Task.Orphan
	Headers     map[string]string // and what SetMeta has set, if its end was seen

	// RecordVersion is the version of the task when its record was read, 0 if it was not
	// read before Redis removed it. Then the fields up to Progress are zero.
	RecordVersion  int64
	Payload        []byte
	Priority       int8
	Unique         string // in the stored form
	Failures, Lost int
	Progress       []byte

	// Complete reports whether the events of all versions were seen.
	Complete bool

	key int64
	pos position // of the latest event
	// changed reports whether the row must be written.
	changed bool
}

// Attempt is an attempt of a task.
type Attempt struct {
	Attempt   int64
	Replica   string
	Host, IP  string // of the replica, "" if they are not known; set by Get
	StartedAt time.Time
	EndedAt   time.Time // zero while it runs, or if its end was lost
	SlowAt    time.Time // when it passed its soft timeout
	Wait, Run time.Duration
	Code      task.Code
	Error     string
	Log       string // the end of its log, if the record was read
	LogSize   int64
}

// Event is a change of state of a task.
type Event struct {
	Version   int64
	At        time.Time
	State     task.State
	Code      task.Code
	Attempt   int64
	Replica   string
	Wait, Run time.Duration
	Error     string
	// Kind, Queue and Group are those of the task. They are set only in its first event
	// and in ends.
	Kind, Queue, Group string
	Result             []byte // as in Task
	ResultBytes        int
	Exported           bool
	Orphan             string
	Headers            map[string]string

	pos position
}

// taskColumns are the columns of lts_tasks after the key, in the order of columns.
const taskColumns = "pool, id, created_at, generation, kind, queue, task_group, state, code, error, attempt, version, replica, started_at, " +
	"ended_at, wait_ms, run_ms, result, result_bytes, headers, record_version, payload, priority, unique_key, failures, lost, progress, " +
	"created_known, complete, pos_ms, pos_seq, orphan, exported"

// columns returns the fields, to scan and to write them.
func (t *Task) columns() []any {
	return []any{
		&t.Pool, &t.ID, (*moment)(&t.CreatedAt), &t.Generation, &t.Kind, &t.Queue, &t.Group, &t.State, &t.Code, &t.Error, &t.Attempt,
		&t.Version, &t.Replica, (*moment)(&t.StartedAt), (*moment)(&t.EndedAt), (*span)(&t.Wait), (*span)(&t.Run), &t.Result,
		&t.ResultBytes, (*names)(&t.Headers), &t.RecordVersion, &t.Payload, &t.Priority, &t.Unique, &t.Failures, &t.Lost, &t.Progress,
		&t.CreatedKnown, &t.Complete, &t.pos.ms, &t.pos.seq, &t.Orphan, &t.Exported,
	}
}

const attemptColumns = "attempt, replica, started_at, ended_at, slow_at, wait_ms, run_ms, code, error, log, log_size"

func (a *Attempt) columns() []any {
	return []any{&a.Attempt, &a.Replica, (*moment)(&a.StartedAt), (*moment)(&a.EndedAt), (*moment)(&a.SlowAt), (*span)(&a.Wait),
		(*span)(&a.Run), &a.Code, &a.Error, &a.Log, &a.LogSize}
}

const eventColumns = "pos_ms, pos_seq, version, at, state, code, attempt, replica, wait_ms, run_ms, error, " +
	"kind, queue, task_group, result, result_bytes, headers, orphan, exported"

func (e *Event) columns() []any {
	return []any{&e.pos.ms, &e.pos.seq, &e.Version, (*moment)(&e.At), &e.State, &e.Code, &e.Attempt, &e.Replica, (*span)(&e.Wait),
		(*span)(&e.Run), &e.Error, &e.Kind, &e.Queue, &e.Group, &e.Result, &e.ResultBytes, (*names)(&e.Headers),
		&e.Orphan, &e.Exported}
}

// The most bytes of a text in a column. A program that damages records could otherwise
// make rows that no index takes.
const (
	maxName = 512
	maxText = 64 << 10
)

// name and text return s as a database takes it: valid UTF-8 without a NUL, and cut to
// its bound.
func name[T ~string](s T) T { return T(bounded(string(s), maxName)) }
func text(s string) string  { return bounded(s, maxText) }

func bounded(s string, most int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
	if len(s) <= most {
		return s
	}
	cut := most - len("…")
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
