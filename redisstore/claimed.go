package redisstore

import (
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// claimed takes a batch of tasks: head, ids, lengths and blob. The tasks copy what they
// need of the blob, which may be large, so that they do not keep it in memory.
func (r *replyReader) claimed(replica string) task.Claimed {
	head, ids, lengths, blob := words{rest: r.string()}, words{rest: r.string()}, words{rest: r.string()}, r.string()
	c := task.Claimed{Fence: head.int(), Queue: head.next(), Started: time.UnixMilli(head.int()), Left: task.Forever}
	if left := head.int(); left > 0 {
		c.Left = time.Duration(left) * time.Millisecond
	}
	n := 1 + strings.Count(ids.rest, " ")
	hasExtras := head.rest != "0" // the head has the number of strings of extras of each task
	each := int64(-1)             // the length of every part, -1 if they differ
	if !strings.Contains(lengths.rest, " ") {
		each = lengths.int()
		lengths.bad = lengths.bad || each < 1
	}
	part := func() string {
		n := each
		if n < 0 {
			n = lengths.int()
		}
		if n < 0 || n > int64(len(blob)) {
			lengths.bad = true
			return ""
		}
		text := blob[:n]
		blob = blob[n:]
		return text
	}
	tasks := make([]task.Task, n)
	c.Tasks = make([]*task.Task, n)
	kind := ""
	for i := range tasks {
		t := &tasks[i]
		c.Tasks[i] = t
		t.ID = ids.next()
		f := fieldReader{what: "task", id: t.ID}
		setRecord(t, part(), c.Queue, kind, &f)
		kind = t.Kind
		if hasExtras {
			for left := head.int(); left > 0 && !lengths.bad; left -= 2 {
				name := part()
				setField(t, name, strings.Clone(part()), &f)
			}
		}
		// The record and its extras are those from before the claim.
		t.Log, t.LogSize, t.SlowAt = "", 0, time.Time{}
		if t.State == task.Exporting { // claimed for a save
			t.Fence, t.TimeLeft = c.Fence, c.Left
		} else {
			t.State, t.Attempt, t.Version = task.Running, t.Attempt+1, t.Version+1
			t.Fence, t.Replica, t.StartedAt, t.TimeLeft = c.Fence, replica, c.Started, c.Left
		}
		t.Broken = f.broken
	}
	if head.bad || ids.bad || lengths.bad || lengths.rest != "" || blob != "" {
		r.fail("a claim", "texts whose lengths do not match")
	}
	return c
}

// setRecord sets the fields of a claimed task from its record. It copies only the payload
// if the record has no words and its queue and kind are the given ones.
func setRecord(t *task.Task, record, queue, kind string, f *fieldReader) {
	line, payload, _ := strings.Cut(record, "\n")
	h, err := parseHeader(line)
	if err == nil && h.words != "" {
		h, err = parseHeader(strings.Clone(line))
	}
	if err != nil {
		f.fail("header", err)
		return
	}
	h.queue, h.kind = share(h.queue, queue), share(h.kind, kind)
	setHeader(t, &h, f)
	t.Payload = []byte(payload)
}

// share returns the known string if s is the same, else a copy of s.
func share(s, known string) string {
	if s == known {
		return known
	}
	return strings.Clone(s)
}

// words takes the words of a text one by one. It sets bad if none is left, or if a word
// is not a number where one is expected.
type words struct {
	rest string
	bad  bool
}

func (w *words) next() string {
	word, rest, _ := strings.Cut(w.rest, " ")
	w.rest = rest
	w.bad = w.bad || word == ""
	return word
}

func (w *words) int() int64 {
	n, err := strconv.ParseInt(w.next(), 10, 64)
	w.bad = w.bad || err != nil
	return n
}
