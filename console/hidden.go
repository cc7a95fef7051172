package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

// checkHidden refuses a definition that has what is shown of a stored value in the place of that
// value: a program that reads a definition, changes it and sends it back would otherwise replace
// the secret.
func (q *request) checkHidden(sent, stored *trigger.Definition) error {
	errs := q.hiddenIn("task.", &sent.Task, &stored.Task)
	if shown := q.hideTemplate(stored.Task.Kind, stored.PayloadTemplate); isShown(sent.PayloadTemplate, shown, stored.PayloadTemplate) {
		errs = append(errs, hiddenError("payload_template"))
	}
	return errors.Join(errs...)
}

func (q *request) hiddenIn(prefix string, sent, stored *task.Spec) (errs []error) {
	shown := q.hideSpec(stored)
	if isShown(string(sent.Payload), string(shown.Payload), string(stored.Payload)) {
		errs = append(errs, hiddenError(prefix+"payload"))
	}
	for name, value := range sent.Headers {
		if isShown(value, shown.Headers[name], stored.Headers[name]) {
			errs = append(errs, hiddenError(prefix+"headers."+name))
		}
	}
	for i, param := range sent.ShardParams {
		for k := range stored.ShardParams { // the list may have another order
			if isShown(param, shown.ShardParams[k], stored.ShardParams[k]) {
				errs = append(errs, hiddenError(fmt.Sprintf("%sshard_params[%d]", prefix, i)))
				break
			}
		}
	}
	if sent.Then != nil && stored.Then != nil {
		errs = append(errs, q.hiddenIn(prefix+"then.", sent.Then, stored.Then)...)
	}
	return errs
}

func hiddenError(field string) error {
	return &task.FieldError{Field: field, Msg: "has what is shown in the place of a hidden value: send the real value"}
}

// isShown reports whether a value that was sent is what is shown of a stored value, or has a part
// of it that is masked.
func isShown(sent, shown, stored string) bool {
	if shown == stored {
		return false
	}
	sent, shown = plainJSON(sent), plainJSON(shown)
	return sent == shown || strings.Contains(shown, masked) && strings.Contains(sent, masked)
}

// plainJSON returns a value as this program writes it: clients differ in the order of the fields
// and in what they escape. Text that is no JSON stays as it is.
func plainJSON(text string) string {
	var v any
	in := json.NewDecoder(bytes.NewReader([]byte(text)))
	in.UseNumber()
	if !json.Valid([]byte(text)) || in.Decode(&v) != nil {
		return text
	}
	return string(encoded(v))
}
