// Package docs_test runs what the documentation promises.
package docs_test

import (
	stdcmp "cmp"
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
)

type vector struct {
	Name   string
	Entry  string
	ID     string            // "" where the replica chooses one
	Task   map[string]string // the hash it becomes
	Reason string            // why it is rejected instead
	Code   string            // the same for programs; "" is "invalid"
	Taken  string            // the task that a duplicate names

	BeyondSchema bool `json:"beyond_schema"` // the JSON Schema cannot say that it is rejected
}

// anyOf stands in a vector for values that differ from run to run.
var anyOf = map[string]*regexp.Regexp{
	"<ms>":    regexp.MustCompile(`^1\d{12}$`),
	"<score>": regexp.MustCompile(`^\d{1,16}$`),
}

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
	ctx := context.Background()
	rdb := redisserver.Start(t).Client(t)
	store := redisstore.New(rdb, "default")
	schema := entrySchema(t)

	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			doc, err := jsonschema.UnmarshalJSON(strings.NewReader(v.Entry))
			if err == nil {
				err = schema.Validate(doc)
			}
			if valid := v.Reason == "" || v.BeyondSchema; valid != (err == nil) {
				t.Errorf("the schema says %v", err)
			}

			known := keys(t, rdb.Keys(ctx, "lts:{default}:task:*").Val())
			rejects := rdb.XLen(ctx, "lts:{default}:inbox:rejected").Val()
			if err := rdb.RPush(ctx, "lts:{default}:inbox", v.Entry).Err(); err != nil {
				t.Fatal(err)
			}
			if more, err := store.AdmitInbox(ctx); err != nil || more {
				t.Fatalf("AdmitInbox = %v, %v; want false, nil", more, err)
			}

			if v.Reason != "" {
				got, err := store.Rejected(ctx, 1)
				if err != nil || rdb.XLen(ctx, "lts:{default}:inbox:rejected").Val() != rejects+1 {
					t.Fatalf("not rejected (%v)", err)
				}
				if diff := cmp.Diff(redisstore.Reject{
					Cursor: got[0].Cursor, Code: stdcmp.Or(v.Code, "invalid"), Reason: v.Reason, Task: v.Taken, Entry: v.Entry,
				}, got[0]); diff != "" {
					t.Errorf("reject (-want +got):\n%s", diff)
				}
				return
			}
			var made string
			for key := range keys(t, rdb.Keys(ctx, "lts:{default}:task:*").Val()) {
				if !known[key] {
					made = key
				}
			}
			if made == "" {
				t.Fatal("no task was made")
			}
			if want := "lts:{default}:task:" + v.ID; v.ID != "" && made != want {
				t.Errorf("made %s, want %s", made, want)
			}
			got := rdb.HGetAll(ctx, made).Val()
			for field, value := range got {
				for stand, re := range anyOf {
					if v.Task[field] == stand && re.MatchString(value) {
						got[field] = stand
					}
				}
			}
			if diff := cmp.Diff(v.Task, got); diff != "" {
				t.Errorf("hash (-want +got):\n%s", diff)
			}
		})
	}
}

func keys(t *testing.T, list []string) map[string]bool {
	t.Helper()
	set := map[string]bool{}
	for _, k := range list {
		set[k] = true
	}
	return set
}
