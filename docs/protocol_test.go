package docs_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
)

func protocol(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func entrySchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	return compileSchema(t, redisstore.EntrySchema())
}

func compileSchema(t *testing.T, text string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("entry.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("entry.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPageListsTheFieldsOfTheSchema(t *testing.T) {
	_, section, _ := strings.Cut(protocol(t), "\n## Enqueue")
	section, _, _ = strings.Cut(section, "\n##") // up to the next heading of this level or the next lower one
	var fields []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(section, -1) {
		fields = append(fields, m[1])
	}
	slices.Sort(fields)
	var schema struct{ Properties map[string]any }
	if err := json.Unmarshal([]byte(redisstore.EntrySchema()), &schema); err != nil {
		t.Fatal(err)
	}
	var want []string
	for name := range schema.Properties {
		want = append(want, name)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("fields of an entry (-schema +page):\n%s", diff)
	}
}

// recipe reads the ACL rules of a user from the page.
func recipe(t *testing.T, user string) []string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^    ACL SETUSER ` + user + ` on >secret (.*)$`).FindStringSubmatch(protocol(t))
	if m == nil {
		t.Fatalf("the page has no recipe for a %s", user)
	}
	return strings.Fields(m[1])
}

// The commands that programs run, and the commands that only the scripts may run.
var (
	following = []string{
		"XGROUP CREATE lts:{default}:events g $ MKSTREAM", "XINFO GROUPS lts:{default}:events",
		"XAUTOCLAIM lts:{default}:events g c 60000 0-0 COUNT 100", "XREADGROUP GROUP g c COUNT 100 STREAMS lts:{default}:events >",
		"XREAD COUNT 1 STREAMS lts:{default}:events 0", "XRANGE lts:{default}:events - + COUNT 1", "XACK lts:{default}:events g 1-0",
		"HGET lts:{default}:meta events:trimmed", "HGET lts:{default}:meta schema", "GET lts:{default}:task:a",
		"HGET lts:{default}:run:default a", "HGETALL lts:{default}:more:a", "HGET lts:{default}:more:a result",
		"LRANGE lts:{default}:history:a 0 -1", "XREVRANGE lts:{default}:inbox:rejected + - COUNT 100",
	}
	enqueueing = []string{"RPUSH lts:{default}:inbox {}"}
	waiting    = []string{
		"BLPOP lts:{default}:reply:caller-1 0.01", "BLMOVE lts:{default}:reply:caller-1 lts:{default}:reply:caller-1 LEFT RIGHT 0.01",
	}
	meddling = []string{
		"LRANGE lts:{default}:inbox 0 -1", "BLPOP lts:{default}:inbox 1", "LPOP lts:{default}:inbox",
		"BLMOVE lts:{default}:inbox lts:{default}:reply:caller-1 LEFT RIGHT 1", "BLMOVE lts:{default}:reply:caller-1 lts:{default}:inbox LEFT RIGHT 1",
		"XADD lts:{default}:events * a b", "XTRIM lts:{default}:events MAXLEN 0", "XGROUP DESTROY lts:{default}:events g",
		"RPUSH lts:{default}:events x", "RPUSH lts:{default}:history:a x", "RPUSH lts:{default}:reply:caller-1 x", "RPUSH lts:{default}:signals:r x",
		"RPUSH lts:{other}:inbox {}", "BLPOP lts:{other}:reply:caller-1 1", "SET lts:{default}:task:a x", "HSET lts:{default}:more:a code ok",
		"HSET lts:{default}:run:default a x", "HSET lts:{default}:meta limit 1", "DEL lts:{default}:events", "DEL lts:{default}:reply:caller-1",
		"GET lts:{other}:task:a", "LRANGE lts:{other}:history:a 0 -1", "EVAL return(1) 0", "SCAN 0", "KEYS *", "FLUSHALL",
	}
	ofOthers = []string{
		"BLPOP lts:{default}:reply:other-1 1", "BLPOP lts:{default}:reply:caller-1 lts:{default}:reply:other-1 1",
		"BLMOVE lts:{default}:reply:other-1 lts:{default}:reply:other-1 LEFT RIGHT 1",
		"BLMOVE lts:{default}:reply:other-1 lts:{default}:reply:caller-1 LEFT RIGHT 1", "BLPOP lts:{default}:reply:caller 1",
		"LRANGE lts:{default}:reply:other-1 0 -1", "LRANGE lts:{default}:reply:caller-1 0 -1",
	}
)

func TestProducerMayEnqueueAndNothingElse(t *testing.T) {
	allowed(t, "producer", enqueueing, slices.Concat(following, waiting, meddling))
}

func TestCallerMayEnqueueAndReadItsOwnRepliesAndNothingElse(t *testing.T) {
	allowed(t, "caller", slices.Concat(enqueueing, waiting), slices.Concat(following, ofOthers, meddling))
}

func TestFollowerMayFollowAndNothingElse(t *testing.T) {
	allowed(t, "follower", following, slices.Concat(meddling, enqueueing, waiting))
}

func TestClientMayEnqueueWaitAndFollowAndNothingElse(t *testing.T) {
	allowed(t, "client", slices.Concat(following, enqueueing, waiting), meddling)
}

// TestFollowerReadsATaskAtOneInstant runs the transaction from the page.
func TestFollowerReadsATaskAtOneInstant(t *testing.T) {
	rdb := redisserver.Start(t)
	user := rdb.User(t, "follower", recipe(t, "follower")...).Client(t)
	got, err := user.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
		p.Get(t.Context(), "lts:{default}:task:a")
		p.HGet(t.Context(), "lts:{default}:run:default", "a")
		p.HGetAll(t.Context(), "lts:{default}:more:a")
		return nil
	})
	if err != redis.Nil || len(got) != 3 {
		t.Errorf("%v, %v", got, err)
	}
}

// TestReplyIsReadWithoutTakingIt makes a caller wait before its task has ended. The caller reads
// the reply with BLMOVE, which keeps it in the list until it expires, and takes it with BLPOP.
func TestReplyIsReadWithoutTakingIt(t *testing.T) {
	ctx, server := t.Context(), redisserver.Start(t)
	rdb := server.Client(t)
	user := server.User(t, "caller", recipe(t, "caller")...).Client(t)
	store := redisstore.New(rdb, "default")
	const key, want = "lts:{default}:reply:caller-1", `{"id":"caller-1","state":"stopped","created_at":<ms>,"code":"stopped","error":"enough"}`

	read := make(chan string)
	go func() { read <- user.BLMove(ctx, key, key, "LEFT", "RIGHT", 30*time.Second).Val() }()
	for blocked := false; !blocked; {
		blocked = strings.Contains(rdb.Info(ctx, "clients").Val(), "blocked_clients:1")
	}
	if err := user.RPush(ctx, "lts:{default}:inbox", `{"kind":"a","id":"caller-1","reply":true}`).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.AdmitInbox(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Stop(ctx, "enough", "caller-1"); err != nil {
		t.Fatal(err)
	}
	if got := madeAt.ReplaceAllString(<-read, `"created_at":<ms>`); got != want {
		t.Errorf("BLMOVE: %s, want %s", got, want)
	}
	if left := rdb.PTTL(ctx, key).Val(); left <= 9*time.Minute || left > 10*time.Minute {
		t.Errorf("the reply expires in %v", left)
	}
	if got, err := user.BLPop(ctx, time.Second, key).Result(); err != nil || madeAt.ReplaceAllString(got[1], `"created_at":<ms>`) != want {
		t.Errorf("BLPOP: %v, %v", got, err)
	}
	if n := rdb.Exists(ctx, key).Val(); n != 0 {
		t.Error("the list still exists")
	}
}

// allowed checks that a user of the page may run all commands in may and none in mayNot.
func allowed(t *testing.T, name string, may, mayNot []string) {
	t.Helper()
	ctx := t.Context()
	rdb := redisserver.Start(t)
	user := rdb.User(t, name, recipe(t, name)...).Client(t)
	do := func(line string) error {
		var args []any
		for _, w := range strings.Fields(line) {
			args = append(args, w)
		}
		err := user.Do(ctx, args...).Err()
		if err == redis.Nil {
			return nil
		}
		return err
	}
	for _, line := range may {
		if err := do(line); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	for _, line := range mayNot {
		if err := do(line); !redis.HasErrorPrefix(err, "NOPERM") {
			t.Errorf("%s: %v, want NOPERM", line, err)
		}
	}
}
