package worker

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// exporterFunc is an exporter whose Save is a function.
type exporterFunc func(ctx context.Context, r *task.Staged) (task.Reference, error)

func (f exporterFunc) Save(ctx context.Context, r *task.Staged) (task.Reference, error) {
	return f(ctx, r)
}
func (exporterFunc) Load(context.Context, task.Reference) ([]byte, error) { return nil, nil }
func (exporterFunc) Delete(context.Context, task.Reference) error         { return nil }

func TestExportsAreChecked(t *testing.T) {
	fine := exporterFunc(nil)
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Exports: map[string]task.Export{"k": {}}}, "exports.k.exporter must not be nil"},
		{Config{Exports: map[string]task.Export{"k": {Exporter: fine, Workers: -1}}}, "exports.k.workers must be from 1 to 1000"},
		{Config{Exports: map[string]task.Export{"k": {Exporter: fine, MaxAttempts: -1}}}, "exports.k.max_attempts"},
		{Config{Exports: map[string]task.Export{"k": {Exporter: fine, MaxStaged: -1}}}, "exports.k.max_staged"},
		{Config{Exports: map[string]task.Export{"k": {Exporter: fine, Timeout: 48 * time.Hour}}}, "exports.k.timeout"},
		{Config{Exports: map[string]task.Export{"k": {Exporter: fine, Backoff: task.Backoff{Fixed: true}}}}, "exports.k.backoff"},
		{Config{Exports: map[string]task.Export{strings.Repeat("k", 125): {Exporter: fine}}}, "with \"export:\" in front of it"},
		{Config{Policies: map[string]task.Policy{"k": {LargeResult: task.ExportLargeResult}}}, "policies.k.large_result must not be \"export\""},
		{Config{Queues: map[string]task.QueueConfig{"export:k": {}}}, "queues.export:k must not begin with"},
	} {
		if c.cfg.Queues == nil {
			c.cfg.Queues = map[string]task.QueueConfig{"q": {}}
		}
		if err := c.cfg.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.cfg, err, c.want)
		}
	}
	served := Config{Exports: map[string]task.Export{"k": {Exporter: fine}}}.Served()
	if len(served) != 1 || served["export:k"].Workers != task.DefaultExportWorkers {
		t.Errorf("serves %v", served)
	}
}

func TestReferencesOfExportersAreChecked(t *testing.T) {
	for ref, valid := range map[string]bool{`{"n":1}`: true, `"x"`: true, "7": true, "": false, "null": false, "{": false,
		`"` + strings.Repeat("x", task.MaxReference) + `"`: false} {
		r := &Replica{cfg: Config{Exports: map[string]task.Export{"k": {Exporter: exporterFunc(func(context.Context, *task.Staged) (task.Reference, error) {
			return json.RawMessage(ref), nil
		})}}}}
		save, known := r.saver("k")
		got, err := save(t.Context(), &task.Task{State: task.Exporting})
		if !known || valid != (err == nil) || valid && string(got) != ref {
			t.Errorf("%.20s: %s, %v", ref, got, err)
		}
	}
	if _, known := (&Replica{}).saver("other"); known {
		t.Error("a kind without an exporter has one")
	}
}

func TestSaveGetsTheStagedResult(t *testing.T) {
	var got *task.Staged
	away := errors.New("the database is away")
	r := &Replica{cfg: Config{Exports: map[string]task.Export{"k": {Exporter: exporterFunc(func(_ context.Context, s *task.Staged) (task.Reference, error) {
		got = s
		return nil, away
	})}}}}
	save, _ := r.saver("k")
	tk := &task.Task{Spec: task.Spec{ID: "x", Kind: "k", Queue: "q", Group: "g", Payload: []byte("p")}, State: task.Exporting,
		Generation: 3, StagedGeneration: 2, Attempt: 4, Fence: 9, Staged: []byte("r")}
	if _, err := save(t.Context(), tk); !errors.Is(err, away) {
		t.Error(err)
	}
	if got.ID != "x" || got.Kind != "k" || got.Queue != "q" || got.Group != "g" || got.Generation != 2 || got.Attempt != 4 || got.Fence != 9 ||
		string(got.Result) != "r" || string(got.Payload) != "p" {
		t.Errorf("saves %+v", got)
	}
}
