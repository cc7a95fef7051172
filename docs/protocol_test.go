package docs_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

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
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(redisstore.EntrySchema()))
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
	section, _, _ = strings.Cut(section, "\n##") // of this level or the next
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

// recipe reads the rules of a user from the page.
func recipe(t *testing.T, user string) []string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^    ACL SETUSER ` + user + ` on >secret (.*)$`).FindStringSubmatch(protocol(t))
	if m == nil {
		t.Fatalf("the page has no recipe for a %s", user)
	}
	return strings.Fields(m[1])
}

// What a follower does, and what nobody but the scripts may do.
var (
	following = []string{
		"XGROUP CREATE lts:{default}:events g $ MKSTREAM", "XINFO GROUPS lts:{default}:events",
		"XAUTOCLAIM lts:{default}:events g c 60000 0-0 COUNT 100", "XREADGROUP GROUP g c COUNT 100 STREAMS lts:{default}:events >",
		"XREAD COUNT 1 STREAMS lts:{default}:events 0", "XRANGE lts:{default}:events - + COUNT 1", "XACK lts:{default}:events g 1-0",
		"HGET lts:{default}:meta events:trimmed", "HGETALL lts:{default}:task:a", "HGET lts:{default}:task:a result",
		"LRANGE lts:{default}:history:a 0 -1", "XREVRANGE lts:{default}:inbox:rejected + - COUNT 100",
	}
	meddling = []string{
		"LRANGE lts:{default}:inbox 0 -1", "XADD lts:{default}:events * a b", "XTRIM lts:{default}:events MAXLEN 0",
		"RPUSH lts:{default}:events x", "RPUSH lts:{default}:history:a x", "RPUSH lts:{other}:inbox {}",
		"HSET lts:{default}:task:a state failed", "DEL lts:{default}:events", "XGROUP DESTROY lts:{default}:events g",
		"HGETALL lts:{other}:task:a", "LRANGE lts:{other}:history:a 0 -1", "SCAN 0", "KEYS *", "FLUSHALL",
	}
)

func TestFollowerMayFollowAndNothingElse(t *testing.T) {
	allowed(t, "follower", following, append(meddling, "RPUSH lts:{default}:inbox {}"))
}

func TestClientMayEnqueueAndFollowAndNothingElse(t *testing.T) {
	allowed(t, "client", append(following, "RPUSH lts:{default}:inbox {}"), meddling)
}

// allowed checks that a user of the page may run all of may and none of mayNot.
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
