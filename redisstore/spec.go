package redisstore

import (
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// The words for "no limit" and "no end" in a record and in an inbox entry.
const (
	none    = "none"
	forever = "forever"
)

// shape is what the scripts read of a spec, without its id and payload. Consecutive tasks
// of one shape are sent as one group.
type shape struct {
	queue, kind string
	priority    int8
	given       bool   // the caller gave the ids
	words       string // of the header, "" for none
	special
}

// special are the options that few tasks have and that are arguments of the scripts. Times
// are in ms, 0 for none.
type special struct {
	group, unique               string
	delay, runAt, ttl, deadline int64
	reply                       bool
	onLimit                     string // "fail", or ""
	labels                      string // separated by commas; the scripts read them from the words
	related
}

func shapeOf(s *task.Spec) shape {
	return shape{
		queue: queueOf(s), kind: s.Kind, priority: s.Priority, given: s.ID != "", words: headerWords(s),
		special: special{
			group: s.Group, unique: task.UniqueKey(s.Unique), delay: ceilMS(s.Delay), runAt: runAtMS(s),
			ttl: ceilMS(s.TTL), deadline: ceilMS(s.Deadline), reply: s.Reply, onLimit: onLimit(s), labels: labelText(s.Labels),
			related: relatedOf(s),
		},
	}
}

// onLimitFail is the value of on_limit in an inbox entry for FailOnLimit.
const onLimitFail = "fail"

// labelText returns a set of labels as the scripts and records have it.
func labelText(labels []string) string { return strings.Join(task.CanonicalLabels(labels), ",") }

func onLimit(s *task.Spec) string {
	if s.FailOnLimit {
		return onLimitFail
	}
	return ""
}

func queueOf(s *task.Spec) string {
	if s.Queue == "" {
		return task.DefaultQueue
	}
	return s.Queue
}

// ceilMS rounds up, so that no task starts early.
func ceilMS(d time.Duration) int64 { return (d + time.Millisecond - 1).Milliseconds() }

// holdMS is when a task on hold is due: Record.HOLD in the scripts.
const holdMS = 9_999_999_999_999

func runAtMS(s *task.Spec) int64 {
	if s.Hold {
		return holdMS
	}
	if s.RunAt.IsZero() {
		return 0
	}
	return max(s.RunAt.Add(time.Millisecond-1).UnixMilli(), 1)
}

// headerWords returns the words that the spec adds to the header of a record, in the order
// of docs/protocol.md. It omits defaults, so that a waiting task is small.
func headerWords(s *task.Spec) string {
	var b []byte
	add := func(name, value string) {
		if value == "" {
			return
		}
		if len(b) > 0 {
			b = append(b, ' ')
		}
		b = append(append(append(b, name...), '='), value...)
	}
	add("group", s.Group)
	add("labels", labelText(s.Labels))
	add("unique", task.UniqueKey(s.Unique))
	switch {
	case s.Timeout == task.Forever:
		add("timeout_ms", none)
	case s.Timeout > 0:
		add("timeout_ms", strconv.FormatInt(s.Timeout.Milliseconds(), 10))
	}
	if s.MaxAttempts > 0 {
		add("max_attempts", strconv.Itoa(s.MaxAttempts))
	}
	add("backoff", s.Backoff.String())
	switch {
	case s.Retain == nil:
	case *s.Retain == task.Forever:
		add("retain_ms", forever)
	default:
		add("retain_ms", strconv.FormatInt(s.Retain.Milliseconds(), 10))
	}
	if s.Reply {
		add("reply", "1")
	}
	addHeaders(s.Headers, add)
	if s.IsParent() {
		add("shards", shardsWord(s))
		if s.FailFast {
			add("fail_fast", "1")
		}
	}
	if s.Then != nil {
		add("then", "1")
	}
	return string(b)
}

// appendTo appends the arguments of the scripts for the shape.
func (sh *shape) appendTo(args []any) []any {
	args = append(args, sh.queue, int(sh.priority), sh.kind, sh.given, sh.words)
	if sh.special == (special{}) {
		return append(args, 0)
	}
	if sh.related == (related{}) {
		return append(append(args, 8), sh.special.args()...)
	}
	return append(append(append(args, 11), sh.special.args()...), sh.related.args()...)
}

// args returns the arguments of the scripts for what is not in related.
func (sp *special) args() []any {
	ms := func(n int64) any {
		if n == 0 {
			return ""
		}
		return n
	}
	reply := ""
	if sp.reply {
		reply = "1"
	}
	return []any{sp.group, sp.unique, ms(sp.delay), ms(sp.runAt), ms(sp.ttl), ms(sp.deadline), reply, sp.onLimit}
}
