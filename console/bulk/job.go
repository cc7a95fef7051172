// Package bulk does one thing with all tasks that a query selects, however many there are.
//
// A job first counts: it walks the index of a state and stores a list of the tasks that match,
// each with its version. Nothing changes. After a person has confirmed the count, the job goes
// through the list and changes each task that still has that version. So it changes no task that
// was not counted, and no task twice.
//
// The record of a job and its list are in keys of their own in Redis, which only consoles write.
// A job is not a task: any program that may enqueue could make one, and it would not start while the
// pool is paused, which is when operators need jobs most. Any console of the pool can run a job. One
// at a time holds it with a lease, and another one continues it when that lease ends.
//
// The package does not depend on the pages. Its callers check the rights of users.
package bulk

import (
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// Verb is what a job does with tasks.
type Verb = redisstore.BulkVerb

// The verbs.
const (
	Stop   = redisstore.BulkStop
	Retry  = redisstore.BulkRetry
	Run    = redisstore.BulkRun
	Delete = redisstore.BulkDelete
	Change = redisstore.BulkChange // the priority
)

// Verbs returns all verbs.
func Verbs() []Verb { return []Verb{Retry, Run, Stop, Change, Delete} }

// Applies reports whether the verb can change tasks in the state.
func Applies(v Verb, s task.State) bool {
	switch v {
	case Stop:
		return slices.Contains(task.States(), s) && !s.Terminal()
	case Retry, Delete:
		return s.Terminal()
	case Run:
		return s == task.Scheduled
	case Change:
		return s == task.Scheduled || s == task.Waiting
	}
	return false
}

// Phase says how far a job is.
type Phase string

// The phases. The last three are final.
const (
	Counting  Phase = "counting"
	Counted   Phase = "counted" // waits for a person to confirm the count
	Running   Phase = "running"
	Done      Phase = "done"
	Cancelled Phase = "cancelled"
	Failed    Phase = "failed"
)

// Ended reports whether the phase is final.
func (p Phase) Ended() bool { return p == Done || p == Cancelled || p == Failed }

// The reasons for which a counted task was left as it was, besides the names of errors.
const (
	LeftChanged = "changed" // it has changed since it was counted
	LeftGone    = "gone"    // it was deleted since, or its retention has ended
	LeftUnique  = "unique"  // another task has its unique key
	LeftShards  = "shards"  // some of its shards still have to be stopped
	LeftRefused = "refused" // its state does not allow the change, or a stop was requested before
	LeftDamaged = "damaged" // its record is damaged
)

// LeftUnknown is the reason for tasks that may have changed or not: the call that was to change them, at
// most a hundred, has failed half-way at a damaged key.
const LeftUnknown = "unknown"

// Job is the record of a job. All times are those of the clock of Redis.
type Job struct {
	ID       string     `json:"id"`
	Verb     Verb       `json:"verb"`
	Query    string     `json:"query"`              // as Options.Select reads it
	State    task.State `json:"state"`              // that its tasks have
	Priority int8       `json:"priority,omitempty"` // that a job with Change gives
	User     string     `json:"user"`               // who has asked for the count
	Method   string     `json:"method,omitempty"`   // how that user was identified
	Phase    Phase      `json:"phase"`

	// Asked is the instant of the count: a task that was made, became due, started or ended
	// later is not counted.
	Asked time.Time `json:"asked"`
	// Total is how many tasks the state had then, Read how many were compared, and Counted how many
	// match. Broken tasks have damaged records; they are not counted.
	Total   int `json:"total"`
	Read    int `json:"read"`
	Counted int `json:"counted"`
	Broken  int `json:"broken,omitempty"`

	// ConfirmedBy has confirmed the count, with this reason.
	ConfirmedBy     string    `json:"confirmed_by,omitempty"`
	ConfirmedMethod string    `json:"confirmed_method,omitempty"`
	Reason          string    `json:"reason,omitempty"`
	Confirmed       time.Time `json:"confirmed,omitzero"`
	CancelledBy     string    `json:"cancelled_by,omitempty"`

	// Handled is how many counted tasks the job has been through, and Changed how many of these
	// have changed. Left has the numbers of the others by reason, and of those of which nothing is
	// known. Samples has some of their ids.
	Handled int            `json:"handled"`
	Changed int            `json:"changed"`
	Left    map[string]int `json:"left,omitempty"`
	Samples []Sample       `json:"samples,omitempty"`

	Updated time.Time `json:"updated"`
	Ended   time.Time `json:"ended,omitzero"`
	Error   string    `json:"error,omitempty"` // why it has failed

	// What follows is for the consoles that run the job.
	Cursor string    `json:"cursor,omitempty"` // where the count goes on
	Chunks int       `json:"chunks,omitempty"` // of the list
	Next   int       `json:"next,omitempty"`   // the chunk that is changed next
	Skip   int       `json:"skip,omitempty"`   // how many tasks of that chunk were handled
	Size   int       `json:"size,omitempty"`   // how many tasks the next call has at most
	Seq    int       `json:"seq,omitempty"`    // writes of the console that holds the job
	Holder string    `json:"holder,omitempty"`
	Until  time.Time `json:"until,omitzero"` // the end of its lease
}

// Sample is a task that was left as it was.
type Sample struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

// mostSamples bounds Job.Samples.
const mostSamples = 20

// LeftTasks returns how many tasks were left as they were.
func (j *Job) LeftTasks() (n int) {
	for why, k := range j.Left {
		if why != LeftUnknown {
			n += k
		}
	}
	return n
}

// Rate returns how many tasks a second the job compares or changes; 0 if that is not known.
func (j *Job) Rate() int {
	n, from, to := j.Handled, j.Confirmed, j.Updated
	if j.Confirmed.IsZero() {
		n, from = j.Read, j.Asked
	}
	if took := to.Sub(from); took > 0 {
		return int(float64(n) / took.Seconds())
	}
	return 0
}

// skip notes that a task was left as it was.
func (j *Job) skip(id, why string) {
	if j.Left == nil {
		j.Left = map[string]int{}
	}
	j.Left[why]++
	if len(j.Samples) < mostSamples {
		j.Samples = append(j.Samples, Sample{id, why})
	}
}
