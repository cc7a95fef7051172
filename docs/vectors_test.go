// Package docs_test runs the examples of the documentation and checks its claims.
package docs_test

import (
	stdcmp "cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// vector is an entry and its result: see protocol.md.
type vector struct {
	Name  string
	Entry string

	ID                  string // "" if the replica makes one
	Priority            int
	Record              string
	Scheduled, Expiring string
	Unique              string

	Reason, Code, Taken string // of a rejection; no code means "invalid"

	Ends  *ending
	Reply string

	BeyondSchema bool `json:"beyond_schema"`
}

// ending is how the test ends a task.
type ending struct {
	Result *string
	Times  int

	Code  task.Code
	Error string
}

// report returns the report on the attempt.
func (e *ending) report(c task.Claimed) task.Report {
	r := task.Report{ID: c.Tasks[0].ID, Queue: c.Queue, Fence: c.Fence, Last: true}
	if e.Code != "" {
		r.Op, r.Code, r.Error = task.Fail, e.Code, e.Error
	}
	if e.Result != nil {
		r.Result = []byte(strings.Repeat(*e.Result, max(e.Times, 1)))
	}
	return r
}

// vectorTest pushes vectors into one pool.
type vectorTest struct {
	rdb    *redis.Client
	store  *redisstore.Store
	schema *jsonschema.Schema
	call   int64
}

const prefix = "lts:{default}:"

func TestVectorsOfTheProtocol(t *testing.T) {
	text, err := os.ReadFile("vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) == 0 {
		t.Fatal("no vectors")
	}
	rdb := redisserver.Start(t).Client(t)
	vt := &vectorTest{rdb: rdb, store: redisstore.New(rdb, "default"), schema: entrySchema(t)}
	if _, err := vt.store.Join(t.Context(), task.Registration{Replica: "r", Lease: time.Minute}); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) { vt.run(t, v) })
	}
}

func (vt *vectorTest) run(t *testing.T, v vector) {
	ctx := t.Context()
	vt.validate(t, v)
	known := vt.records(t)
	rejects := vt.rdb.XLen(ctx, prefix+"inbox:rejected").Val()
	if err := vt.rdb.RPush(ctx, prefix+"inbox", v.Entry).Err(); err != nil {
		t.Fatal(err)
	}
	if more, err := vt.store.AdmitInbox(ctx, nil); err != nil || more {
		t.Fatalf("AdmitInbox = %v, %v; want false, nil", more, err)
	}
	id := v.Taken
	if v.Reason == "" {
		id = vt.made(t, v, known)
	} else if vt.rejected(t, v); vt.rdb.XLen(ctx, prefix+"inbox:rejected").Val() != rejects+1 {
		t.Error("not rejected once")
	}
	if v.Ends != nil {
		vt.wantReply(t, id, "")
		vt.end(t, v)
	}
	if v.Reply != "" && id != v.ID {
		id = entryID(t, v)
	}
	if id != "" {
		vt.wantReply(t, id, v.Reply)
	}
}

// validate checks that the schema accepts or refuses the entry as the vector expects.
func (vt *vectorTest) validate(t *testing.T, v vector) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(v.Entry))
	if err == nil {
		err = vt.schema.Validate(doc)
	}
	if valid := v.Reason == "" || v.BeyondSchema; valid != (err == nil) {
		t.Errorf("the schema says %v", err)
	}
}

// records returns the keys of all records.
func (vt *vectorTest) records(t *testing.T) map[string]bool {
	t.Helper()
	keys, err := vt.rdb.Keys(t.Context(), prefix+"task:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]bool{}
	for _, k := range keys {
		set[k] = true
	}
	return set
}

func (vt *vectorTest) rejected(t *testing.T, v vector) {
	t.Helper()
	for got, err := range vt.store.Rejected(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		want := task.Reject{ID: got.ID, At: got.At, Code: stdcmp.Or(v.Code, "invalid"), Reason: v.Reason, Task: v.Taken,
			Bytes: len(v.Entry), Entry: v.Entry[:min(len(v.Entry), 16384)]}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("reject (-want +got):\n%s", diff)
		}
		return // the newest
	}
	t.Fatal("not rejected")
}

// made checks the new task and returns its id.
func (vt *vectorTest) made(t *testing.T, v vector, known map[string]bool) (id string) {
	t.Helper()
	ctx := t.Context()
	for key := range vt.records(t) {
		if !known[key] {
			id = strings.TrimPrefix(key, prefix+"task:")
		}
	}
	if id == "" {
		t.Fatal("no task was made")
	}
	if v.ID == "" && len(id) != 22 || v.ID != "" && id != v.ID {
		t.Errorf("made %s, want %s", id, v.ID)
	}
	record := vt.rdb.Get(ctx, prefix+"task:"+id).Val()
	filled := newFiller(t, record)
	if diff := cmp.Diff(filled.fill(v.Record), record); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	position, err := strconv.ParseInt(filled.position, 10, 64)
	if priority := int(127 - position>>45); err != nil || priority != v.Priority {
		t.Errorf("position %s, %v: priority %d, want %d", filled.position, err, priority, v.Priority)
	}
	for _, index := range []struct{ key, want string }{
		{"scheduled", filled.fill(v.Scheduled)}, {"expiring", filled.fill(v.Expiring)}, {"wait:" + filled.line, filled.waits(record)},
	} {
		got := ""
		if score, err := vt.rdb.ZScore(ctx, prefix+index.key, id).Result(); err == nil {
			got = strconv.FormatInt(int64(score), 10)
		}
		if got != index.want {
			t.Errorf("score in %s is %q, want %q", index.key, got, index.want)
		}
	}
	if v.Unique != "" {
		if got := vt.rdb.Get(ctx, prefix+"unique:"+v.Unique).Val(); got != id {
			t.Errorf("unique:%s is %q, want %q", v.Unique, got, id)
		}
	}
	return id
}

// filler holds the parts of a record that differ between runs.
type filler struct {
	created        int64
	position, line string // line is the queue, and the labels after a #
}

func newFiller(t *testing.T, record string) filler {
	t.Helper()
	m := regexp.MustCompile(`^[a-zA-Z][01] (\d{13}) (\d{16}) \S+ (\S+)(?: group=\S+)?(?: labels=(\S+))?`).FindStringSubmatch(record)
	if m == nil {
		t.Fatalf("record %q", record)
	}
	created, _ := strconv.ParseInt(m[1], 10, 64)
	line := strings.Replace(m[3], "-", "default", 1)
	if m[4] != "" {
		line += "#" + m[4]
	}
	return filler{created, m[2], line}
}

var madeAt = regexp.MustCompile(`"created_at":\d{13}\b`)

var timeIn = regexp.MustCompile(`<ms(?:\+(\d+))?>`)

// fill replaces placeholders in a text with the values of this run.
func (f filler) fill(text string) string {
	text = timeIn.ReplaceAllStringFunc(text, func(s string) string {
		later, _ := strconv.ParseInt(timeIn.FindStringSubmatch(s)[1], 10, 64)
		return fmt.Sprintf("%013d", f.created+later)
	})
	return strings.Replace(text, "<position>", f.position, 1)
}

// waits returns the score of the task in its queue, "" if it does not wait.
func (f filler) waits(record string) string {
	if record[0] != 'w' {
		return ""
	}
	position, _ := strconv.ParseInt(f.position, 10, 64)
	return strconv.FormatInt(position, 10)
}

// end claims the task, which is the only one of its queue, and ends it.
func (vt *vectorTest) end(t *testing.T, v vector) {
	t.Helper()
	spec, err := redisstore.ParseEntry([]byte(v.Entry))
	if err != nil {
		t.Fatal(err)
	}
	got := vt.exchange(t, task.Exchange{Claims: []task.Claim{{Queue: spec.Queue, N: 1}}})
	if len(got.Claimed) != 1 || got.Claimed[0].Tasks[0].ID != v.ID {
		t.Fatalf("claimed %+v", got.Claimed)
	}
	got = vt.exchange(t, task.Exchange{Reports: []task.Report{v.Ends.report(got.Claimed[0])}})
	if got.Verdicts[0] != task.Accepted {
		t.Fatalf("the report is %s", got.Verdicts[0])
	}
}

func (vt *vectorTest) exchange(t *testing.T, x task.Exchange) task.Exchanged {
	t.Helper()
	vt.call++
	x.Replica, x.Sequence, x.Call, x.Lease = "r", 1, vt.call, time.Minute
	got, err := vt.store.Exchange(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func entryID(t *testing.T, v vector) string {
	t.Helper()
	var e struct{ ID string }
	if err := json.Unmarshal([]byte(v.Entry), &e); err != nil {
		t.Fatal(err)
	}
	return e.ID
}

// wantReply compares the only reply of an id. An empty want means no reply.
func (vt *vectorTest) wantReply(t *testing.T, id, want string) {
	t.Helper()
	ctx := t.Context()
	key := prefix + "reply:" + id
	got := vt.rdb.LRange(ctx, key, 0, -1).Val()
	if want == "" {
		if len(got) > 0 {
			t.Errorf("%s has the replies %q", id, got)
		}
		return
	}
	for i := range got {
		got[i] = madeAt.ReplaceAllString(got[i], `"created_at":<ms>`)
	}
	if diff := cmp.Diff([]string{want}, got); diff != "" {
		t.Errorf("replies (-want +got):\n%s", diff)
	}
	if left := vt.rdb.PTTL(ctx, key).Val(); left <= 9*time.Minute || left > 10*time.Minute {
		t.Errorf("the reply expires in %v", left)
	}
}
