package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
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

// unmask replaces the masks in a value that a user has sent by the stored secrets. It finds the secret of a mask by its
// place: the same name in a JSON object, an unchanged element of a list, or an unchanged line of another text. Masks
// without a secret stay.
func unmask(sent, shown, stored string) string {
	if !strings.Contains(sent, masked) {
		return sent
	}
	var values [3]any
	isJSON := true
	for i, text := range []string{sent, shown, stored} {
		in := json.NewDecoder(strings.NewReader(text))
		in.UseNumber()
		isJSON = isJSON && json.Valid([]byte(text)) && in.Decode(&values[i]) == nil
	}
	if isJSON {
		return string(encoded(unmaskValue(values[0], values[1], values[2])))
	}
	lines, of, to := strings.Split(unixLines(sent), "\n"), strings.Split(shown, "\n"), strings.Split(stored, "\n")
	for i, line := range lines {
		at := slices.Index(of, line)
		// Two lines that look the same may have different secrets.
		if strings.Contains(line, masked) && at >= 0 && len(of) == len(to) && !slices.Contains(of[at+1:], line) {
			lines[i] = to[at]
		}
	}
	return strings.Join(lines, "\n")
}

func unmaskValue(sent, shown, stored any) any {
	if reflect.DeepEqual(sent, shown) {
		return stored
	}
	switch sent := sent.(type) {
	case map[string]any:
		of, isMap := shown.(map[string]any)
		to, wasMap := stored.(map[string]any)
		for name, value := range sent {
			if was, known := to[name]; isMap && wasMap && known {
				sent[name] = unmaskValue(value, of[name], was)
			}
		}
	case []any:
		of, isList := shown.([]any)
		to, wasList := stored.([]any)
		for i, value := range sent {
			if isList && wasList && len(of) == len(sent) && len(to) == len(sent) && reflect.DeepEqual(value, of[i]) {
				sent[i] = to[i]
			}
		}
	}
	return sent
}

// checkMasked refuses a payload with a mask if the payload of one of the tasks is shown with a mask.
func (q *request) checkMasked(ids []string, payload []byte) error {
	if q.c.opts.Redact == nil || !strings.Contains(plainJSON(string(payload)), masked) {
		return nil
	}
	tasks, err := q.site.store.Get(q.Context(), ids...)
	if err != nil {
		return err
	}
	for _, t := range tasks {
		if t != nil && strings.Contains(string(q.hide(t.Kind, "payload", t.Payload)), masked) && !strings.Contains(string(t.Payload), masked) {
			return hiddenError("payload")
		}
	}
	return nil
}
