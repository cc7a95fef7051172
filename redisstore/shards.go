package redisstore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Spread makes children of the parent that has waited for longest, or stops some if that
// parent has ended. It returns how long to wait until the next call; 0 if no parent needs
// one.
func (s *Store) Spread(ctx context.Context) (next time.Duration, err error) {
	reply, err := s.run(ctx, spreadScript)
	if err != nil {
		return 0, s.fail(ctx, "spread", err)
	}
	r := readReply("spread", reply)
	next = time.Duration(r.int()) * time.Millisecond
	return next, s.fail(ctx, "spread", r.err)
}

// broadcastWord is the word shards of a broadcast: Broadcast.ALL in the scripts.
const broadcastWord = "all"

// shardsWord returns the word shards of a task, "" if it is no parent.
func shardsWord(s *task.Spec) string {
	switch n := s.ShardCount(); {
	case s.Broadcast:
		return broadcastWord
	case n > 0:
		return strconv.Itoa(n)
	}
	return ""
}

// related are the arguments of a parent, and of a task that another one follows.
type related struct {
	shards string // see shardsWord
	params string // each a JSON text without spaces, separated by spaces
	next   string // a JSON array: see lua/lib/then.lua
}

func relatedOf(s *task.Spec) related {
	r := related{shards: shardsWord(s), next: thenText(s.Then)}
	if len(s.ShardParams) > 0 {
		params := make([]string, len(s.ShardParams))
		for i, p := range s.ShardParams {
			params[i] = jsonWord(p)
		}
		r.params = strings.Join(params, " ")
	}
	return r
}

// args returns the arguments of the scripts for r.
func (r related) args() []any {
	return []any{r.shards, r.params, r.next}
}

// membersSize is for how many bytes of a step a broadcast counts, because the step writes the
// ids of its members.
const membersSize = 32 << 10

// size returns for how many bytes of a step r counts.
func (r related) size() int {
	n := len(r.params) + len(r.next)
	if r.shards == broadcastWord {
		n += membersSize
	}
	return n
}

// jsonText encodes a value to JSON.
func jsonText(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // never fails for strings, numbers and lists of them
	return strings.TrimSuffix(b.String(), "\n")
}

// jsonWord encodes a value to JSON without spaces, as a header needs it.
func jsonWord(v any) string { return strings.ReplaceAll(jsonText(v), " ", `\u0020`) }

// thenFields is how many elements the array of a task that follows has.
const thenFields = 14

// thenText returns the array of a task that follows, "" for none.
func thenText(s *task.Spec) string {
	if s == nil {
		return ""
	}
	sh := shapeOf(s)
	var payload any
	if len(s.Payload) > 0 {
		payload = string(s.Payload)
	}
	special := sh.special.args()
	return jsonText(append(append([]any{sh.queue, int(sh.priority), sh.kind, sh.words}, special...), s.ID, payload))
}

// then reads the array of a task that follows.
func (f *fieldReader) then(name, v string) *task.Spec {
	var parts []any
	if err := json.Unmarshal([]byte(v), &parts); err != nil || len(parts) != thenFields {
		f.fail(name, fmt.Errorf("must be an array of %d elements", thenFields))
		return nil
	}
	text := func(i int) string {
		switch part := parts[i].(type) {
		case string:
			return part
		case float64:
			return strconv.FormatFloat(part, 'f', -1, 64)
		}
		return ""
	}
	t := task.Task{}
	priority := f.whole(name, text(1), -128, 127)
	for _, word := range strings.Fields(text(3)) {
		field, value, _ := strings.Cut(word, "=")
		setField(&t, field, value, f)
	}
	ms := func(i int) time.Duration {
		if text(i) == "" {
			return 0
		}
		return f.span(name, text(i))
	}
	s := t.Spec
	s.Queue, s.Priority, s.Kind = text(0), int8(priority), text(2)
	s.Delay, s.TTL, s.Deadline = ms(6), ms(8), ms(9)
	if at := text(7); at == strconv.Itoa(holdMS) {
		s.Hold = true
	} else if at != "" {
		s.RunAt = f.moment(name, at)
	}
	s.FailOnLimit = text(11) == onLimitFail
	if s.ID = text(12); text(13) != "" {
		s.Payload = []byte(text(13))
	}
	return &s
}

// shardParams reads the parameters of a parent.
func (f *fieldReader) shardParams(name, v string) []string {
	words := strings.Fields(v)
	params := make([]string, len(words))
	for i, word := range words {
		if params[i] = f.text(name, word); f.broken != nil {
			return nil
		}
	}
	return params
}

// text reads a JSON string.
func (f *fieldReader) text(name, v string) (text string) {
	if err := json.Unmarshal([]byte(v), &text); err != nil {
		f.fail(name, fmt.Errorf("must be a JSON string: %w", err))
	}
	return text
}

// setShard sets the shard of a child from its id.
func setShard(t *task.Task, total int64, f *fieldReader) {
	at := strings.LastIndexByte(t.ID, '/')
	if at < 0 {
		f.fail("shard", fmt.Errorf("must be of a task whose id ends in its index"))
		return
	}
	t.Shard.Parent, t.Shard.Index, t.Shard.Total = t.ID[:at], int(f.whole("shard", t.ID[at+1:], 0, task.MaxShards)), int(total)
}

// setCounts completes the counts of a parent's shards.
func setCounts(t *task.Task) {
	if c := &t.Counts; t.Shards > 0 {
		c.Unmade = max(t.Shards-c.Pending-c.Succeeded-c.Failed-c.Stopped-c.Expired, 0)
	}
}
