package task

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Edit is a new priority and a new payload for tasks that do not run.
type Edit struct {
	Priority *int8  // nil keeps the priority
	Payload  []byte // as in Spec; nil keeps the payload, an empty one that is not nil replaces it
	// Rerun runs the handler again although the result of the task is staged: its export has
	// failed or was stopped. It is for retries. Without it, and without a payload, a retry
	// exports that result again.
	Rerun bool
	// AllShards runs all shards of a parent again, not only those that have not succeeded. It
	// is for retries.
	AllShards bool
}

// Empty reports whether the edit changes nothing.
func (e Edit) Empty() bool { return e.Priority == nil && e.Payload == nil }

// Check returns everything that is wrong with the edit, as joined FieldErrors.
func (e Edit) Check() error { return errors.Join(checkPayload(e.Payload)...) }

// checkPayload returns what is wrong with a payload.
func checkPayload(payload []byte) (errs []error) {
	if len(payload) > MaxPayload {
		errs = append(errs, &FieldError{Field: "payload", Msg: fmt.Sprintf("is %d bytes; the limit is %d: store it elsewhere and pass a reference", len(payload), MaxPayload)})
	}
	if !utf8.Valid(payload) {
		errs = append(errs, &FieldError{Field: "payload", Msg: "must be valid UTF-8: encode bytes that are not text, in base64 for instance"})
	}
	return errs
}
