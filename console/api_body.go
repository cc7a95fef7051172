package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/ltsworker/ltsworker/internal/spelling"
	"github.com/ltsworker/ltsworker/task"
)

// reasoned is a part of each body of a change.
type reasoned struct {
	Reason string `json:"reason"`
}

func (r *reasoned) text() string { return r.Reason }

// rawBody returns the body, which must be JSON. It is nil if the request has none.
func (q *request) rawBody() ([]byte, error) {
	text, err := io.ReadAll(q.Body)
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, err
		}
		return nil, &apiError{status: http.StatusBadRequest, detail: "the body cannot be read: " + err.Error()}
	}
	if len(text) == 0 {
		return nil, nil
	}
	// A form of another site can be sent without the consent of the user; JSON cannot.
	if kind, _, err := mime.ParseMediaType(q.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, &apiError{status: http.StatusUnsupportedMediaType, detail: "the body must be JSON, with the header Content-Type: application/json"}
	}
	if !json.Valid(text) {
		var v any
		return nil, &apiError{status: http.StatusBadRequest, detail: fmt.Sprintf("the body is not valid JSON: %v", json.Unmarshal(text, &v))}
	}
	return text, nil
}

// decode reads the body, a JSON object, into the struct that into points to. A field that the
// struct does not have is an error. A missing body is an empty object.
func (q *request) decode(into any) error {
	text, err := q.rawBody()
	if err != nil {
		return err
	}
	if text != nil {
		if err := decodeObject(text, into); err != nil {
			return err
		}
	}
	if r, ok := into.(interface{ text() string }); ok {
		q.why = r.text()
	}
	return nil
}

// decodeObject decodes a JSON object and reports everything that is wrong with its fields.
func decodeObject(text []byte, into any) error {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(text, &given); err != nil || given == nil {
		return &apiError{status: http.StatusBadRequest, detail: "the body must be a JSON object"}
	}
	fields := bodyFields(reflect.ValueOf(into).Elem())
	var known []string
	for name := range fields {
		known = append(known, name)
	}
	slices.Sort(known)
	var errs []error
	for name, value := range given {
		field, ok := fields[name]
		if !ok {
			msg := "is unknown; the fields are " + strings.Join(known, ", ")
			if near := spelling.Nearest(name, known); near != "" {
				msg = "is unknown; did you mean " + near + "?"
			}
			errs = append(errs, &task.FieldError{Field: name, Msg: msg})
			continue
		}
		if err := json.Unmarshal(value, field.Addr().Interface()); err != nil {
			errs = append(errs, &task.FieldError{Field: name, Msg: "must be " + kindOf(field.Type()) + outOfRange(err)})
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// bodyFields returns the fields of a struct by their names in JSON, with those of embedded structs.
func bodyFields(v reflect.Value) map[string]reflect.Value {
	all := map[string]reflect.Value{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			for name, inner := range bodyFields(v.Field(i)) {
				all[name] = inner
			}
			continue
		}
		all[f.Tag.Get("json")] = v.Field(i)
	}
	return all
}

func kindOf(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Slice:
		return "a list of texts"
	}
	return "a whole number"
}

// outOfRange says why a number is refused although it is one.
func outOfRange(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && strings.HasPrefix(wrong.Value, "number ") {
		return ", not " + strings.TrimPrefix(wrong.Value, "number ")
	}
	return ""
}

// count reads a parameter that is a number from 1 to most; without it, it is byDefault.
func (q *request) count(name string, byDefault, most int) (n int, err error) {
	text := q.FormValue(name)
	if text == "" {
		return byDefault, nil
	}
	if n, err = strconv.Atoi(text); err != nil || n < 1 || n > most {
		return 0, &task.FieldError{Field: name, Msg: fmt.Sprintf("must be a number from 1 to %d", most)}
	}
	return n, nil
}
