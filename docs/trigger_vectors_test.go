package docs_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

// triggerVector is an entry of triggers:inbox and its result: the definition that is stored,
// the trigger that is gone, or a part of the reason for which it is rejected.
type triggerVector struct {
	Name, Entry          string
	Def, Removed, Reason string
	BeyondSchema         bool `json:"beyond_schema"`
}

func TestVectorsOfTriggers(t *testing.T) {
	text, err := os.ReadFile("trigger-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []triggerVector
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) == 0 {
		t.Fatal(len(vectors), err)
	}
	schema := compileSchema(t, trigger.EntrySchema())
	rdb := redisserver.Start(t).Client(t)
	p, err := pool.New(redisstore.New(rdb, "default"), pool.Config{
		Queues: map[string]pool.Queue{"default": {Workers: 1}}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	p.HandleKind("k", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	ended := make(chan error)
	go func() { ended <- p.Run(t.Context()) }()
	t.Cleanup(func() {
		if err := errors.Join(p.Close(), <-ended); err != nil {
			t.Error(err)
		}
	})
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) { v.run(t, rdb, schema) })
	}
}

func (v triggerVector) run(t *testing.T, rdb *redis.Client, schema *jsonschema.Schema) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(v.Entry))
	if err == nil {
		err = schema.Validate(doc)
	}
	if (err == nil) != (v.Reason == "" || v.BeyondSchema) {
		t.Errorf("the schema says %v", err)
	}
	rejects := rdb.XLen(t.Context(), prefix+"inbox:rejected").Val()
	if err := rdb.RPush(t.Context(), prefix+"triggers:inbox", v.Entry).Err(); err != nil {
		t.Fatal(err)
	}
	for rdb.LLen(t.Context(), prefix+"triggers:inbox").Val()+rdb.LLen(t.Context(), prefix+"triggers:inbox:open").Val() > 0 {
		time.Sleep(time.Millisecond) // until a replica has admitted the entry
	}
	var def struct{ Name string }
	switch _ = json.Unmarshal([]byte(v.Def), &def); {
	case v.Reason != "":
		last, err := rdb.XRevRangeN(t.Context(), prefix+"inbox:rejected", "+", "-", 1).Result()
		if err != nil || len(last) != 1 {
			t.Fatal("not rejected", err)
		}
		r := last[0].Values
		if r["code"] != "invalid_trigger" || r["entry"] != v.Entry || !strings.Contains(r["reason"].(string), v.Reason) {
			t.Errorf("rejected with %q", r)
		}
		rejects++
	case v.Removed != "":
		if n := rdb.Exists(t.Context(), prefix+"trigger:"+v.Removed).Val(); n != 0 {
			t.Error("the trigger is left")
		}
	default:
		if got := rdb.HGet(t.Context(), prefix+"trigger:"+def.Name, "def").Val(); got != v.Def {
			t.Errorf("stored %s", got)
		}
	}
	if n := rdb.XLen(t.Context(), prefix+"inbox:rejected").Val(); n != rejects {
		t.Errorf("%d rejected entries, want %d", n, rejects)
	}
}
