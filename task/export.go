package task

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Exporter keeps the results of a kind of tasks outside of the pool, in a database or in
// files. Its methods are called concurrently.
type Exporter interface {
	// Save stores a result and returns a reference to it, which becomes the result of the
	// task. It may be called several times for a result, also concurrently: after a save that
	// failed, timed out, or lost its lease. It must then have the effect of one call. A save
	// with a lower Fence must not replace the data of a save with a higher one. An error
	// must not remove data.
	//
	// After an error the save is repeated later. A Permanent error ends the task as failed.
	// The result stays staged, so that a retry by an operator saves it again.
	Save(ctx context.Context, r *Staged) (Reference, error)
	// Load returns the result of a reference.
	Load(ctx context.Context, ref Reference) ([]byte, error)
	// Delete removes the result of a reference. It is no error if there is none. The pool
	// never calls it.
	Delete(ctx context.Context, ref Reference) error
}

// Reference identifies a saved result: JSON other than null, of at most MaxReference bytes.
type Reference = json.RawMessage

// Staged is a result to save.
type Staged struct {
	ID         string
	Kind       string
	Queue      string
	Group      string // "" for none
	Generation int    // of the task when its handler returned the result
	Attempt    int64  // that returned the result
	// Fence is the number of the claim for this save. It grows with every claim in the pool
	// and is never reused, not even by another task with the same id. If the store loses its
	// data, fences begin again: CreatedAt distinguishes the tasks of one id.
	Fence     int64
	CreatedAt time.Time // when the task was enqueued
	Headers   map[string]string
	Payload   []byte
	Result    []byte
}

// The bounds and defaults of exports.
const (
	MaxStagedResult = 4_000_000 // bytes of a result with ExportLargeResult
	MaxReference    = 4096      // bytes of a Reference

	DefaultExportWorkers  = 2
	DefaultExportTimeout  = time.Minute
	DefaultExportAttempts = 100
	DefaultMaxStaged      = 1000

	// ExportQueue, followed by a kind, is the name of the queue in which the tasks of the
	// kind wait while their results are staged. No task can be enqueued there.
	ExportQueue = "export:"
)

// Export configures the exporter of a kind in a replica. Replicas publish MaxAttempts,
// Backoff, Timeout and MaxStaged of kinds with a handler when they join. A zero field means
// the default.
type Export struct {
	Exporter Exporter
	// Workers is how many results of the kind this replica saves at once, beside the slots of
	// its queues. Default: DefaultExportWorkers (2).
	Workers int
	// Timeout bounds one save. Default: DefaultExportTimeout (1m).
	Timeout time.Duration
	// MaxAttempts is after how many failed saves the task has failed. A save whose lease was
	// lost counts. At most MaxMaxAttempts. Default: DefaultExportAttempts (100).
	MaxAttempts int
	// Backoff is the time until the next save. Default: DefaultBackoff (exponential, from 1s to
	// 10m).
	Backoff Backoff
	// MaxStaged bounds how many results of the kind are staged in the pool. Beyond it no task
	// of the kind starts. Default: DefaultMaxStaged (1000).
	MaxStaged int
}

// Check returns everything that is wrong with the configuration, as FieldErrors whose fields
// begin with at.
func (e Export) Check(at string) (errs []error) {
	add := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{Field: at + field, Msg: fmt.Sprintf(format, args...)})
	}
	if e.Exporter == nil {
		add(".exporter", "must not be nil")
	}
	count := func(field string, n, most int) {
		if n < 0 || n > most {
			add(field, "must be from 1 to %d, not %d", most, n)
		}
	}
	count(".workers", e.Workers, 1000)
	count(".max_attempts", e.MaxAttempts, MaxMaxAttempts)
	count(".max_staged", e.MaxStaged, 1_000_000)
	if e.Timeout != 0 && (e.Timeout < time.Millisecond || e.Timeout > 24*time.Hour) {
		add(".timeout", "must be from 1ms to 24h, not %v", e.Timeout)
	}
	if err := e.Backoff.check(); err != nil {
		add(".backoff", "%v", err)
	}
	return errs
}

// WithDefaults returns the configuration with every default filled in, but that of Backoff.
func (e Export) WithDefaults() Export {
	e.Workers = cmp.Or(e.Workers, DefaultExportWorkers)
	e.Timeout = cmp.Or(e.Timeout, DefaultExportTimeout)
	e.MaxAttempts = cmp.Or(e.MaxAttempts, DefaultExportAttempts)
	e.MaxStaged = cmp.Or(e.MaxStaged, DefaultMaxStaged)
	return e
}

// CheckReference returns what is wrong with a reference that an exporter returned.
func CheckReference(ref Reference) error {
	switch {
	case len(ref) > MaxReference:
		return fmt.Errorf("the exporter returned a reference of %d bytes; the limit is %d", len(ref), MaxReference)
	case !json.Valid(ref) || string(bytes.TrimSpace(ref)) == "null":
		return fmt.Errorf("the exporter returned a reference that is null or no JSON: %q", Clip(string(ref)))
	}
	return nil
}
