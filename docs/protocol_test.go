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
	section, _, _ = strings.Cut(section, "\n## ")
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

func TestFollowerMayFollowAndNothingElse(t *testing.T) {
	m := regexp.MustCompile(`(?m)^    ACL SETUSER follower on >secret (.*)$`).FindStringSubmatch(protocol(t))
	if m == nil {
		t.Fatal("the page has no recipe for a follower")
	}
	ctx := t.Context()
	rdb := redisserver.Start(t)
	follower := rdb.User(t, "follower", strings.Fields(m[1])...).Client(t)
	do := func(line string) error {
		var args []any
		for _, w := range strings.Fields(line) {
			args = append(args, w)
		}
		err := follower.Do(ctx, args...).Err()
		if err == redis.Nil {
			return nil
		}
		return err
	}
	for _, line := range []string{
		"XGROUP CREATE lts:{default}:events g $ MKSTREAM", "XINFO GROUPS lts:{default}:events",
		"XAUTOCLAIM lts:{default}:events g c 60000 0-0 COUNT 100", "XREADGROUP GROUP g c COUNT 100 STREAMS lts:{default}:events >",
		"XREAD COUNT 1 STREAMS lts:{default}:events 0", "XACK lts:{default}:events g 1-0", "HGET lts:{default}:meta events:trimmed",
		"HGETALL lts:{default}:task:a", "HGET lts:{default}:task:a result", "XREVRANGE lts:{default}:inbox:rejected + - COUNT 100",
	} {
		if err := do(line); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	for _, line := range []string{
		"RPUSH lts:{default}:inbox {}", "LRANGE lts:{default}:inbox 0 -1", "XADD lts:{default}:events * a b", "XTRIM lts:{default}:events MAXLEN 0",
		"HSET lts:{default}:task:a state failed", "DEL lts:{default}:events", "XGROUP DESTROY lts:{default}:events g", "HGETALL lts:{other}:task:a",
		"SCAN 0", "KEYS *", "FLUSHALL",
	} {
		if err := do(line); !redis.HasErrorPrefix(err, "NOPERM") {
			t.Errorf("%s: %v, want NOPERM", line, err)
		}
	}
}
