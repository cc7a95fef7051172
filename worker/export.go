package worker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// checkExports returns what is wrong with the exporters of a config.
func (c Config) checkExports() (errs []error) {
	add := func(field, format string, args ...any) {
		errs = append(errs, &task.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)})
	}
	for _, kind := range slices.Sorted(maps.Keys(c.Exports)) {
		at := "exports." + task.Clip(kind)
		if err := task.CheckName(task.ExportQueue + kind); err != nil {
			add(at, "%v, with %q in front of it", err, task.ExportQueue)
		}
		errs = append(errs, c.Exports[kind].Check(at)...)
	}
	for _, kind := range slices.Sorted(maps.Keys(c.Policies)) {
		if _, exports := c.Exports[kind]; !exports && c.Policies[kind].LargeResult == task.ExportLargeResult {
			add("policies."+task.Clip(kind)+".large_result", "must not be %q: the kind has no exporter", task.ExportLargeResult)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Queues)) {
		if strings.HasPrefix(name, task.ExportQueue) {
			add("queues."+task.Clip(name), "must not begin with %q, as the queues of exports do", task.ExportQueue)
		}
	}
	return errs
}

// saves reports whether the attempt saves a staged result and does not run the task.
func (a *attempt) saves() bool { return a.task.State == task.Exporting }

// saver returns the function that saves the staged results of a kind. Its result is the
// reference. known is false if the kind has no exporter here.
func (r *Replica) saver(kind string) (save task.Handler, known bool) {
	e, known := r.cfg.Exports[kind]
	return func(ctx context.Context, t *task.Task) ([]byte, error) {
		began := time.Now()
		ref, err := e.Exporter.Save(ctx, &task.Staged{ID: t.ID, Kind: t.Kind, Queue: t.Queue, Group: t.Group,
			Generation: t.StagedGeneration, Attempt: t.Attempt, Fence: t.Fence, CreatedAt: t.CreatedAt,
			Headers: maps.Clone(t.Headers), Payload: t.Payload, Result: t.Staged})
		r.needed.saved(ctx, kind, began, err)
		if err == nil {
			err = task.CheckReference(ref)
		}
		return ref, err
	}, known
}

// exports reports whether an exporter saves the result of an attempt.
func (a *attempt) exports(result []byte) bool {
	if result == nil || a.saves() {
		return false
	}
	_, known := a.claim.sequence.r.cfg.Exports[a.task.Kind]
	return known
}
