package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/ltsworker/ltsworker/task"
)

// Values are the values of one attempt of a task. They must not be used by several
// goroutines at once.
type Values struct {
	task    *task.Task
	pool    string
	decoded bool // payload and err are set
	payload any
	err     error
}

// NewValues returns the values of a task of the named pool. The payload is decoded when a
// template uses it for the first time.
func NewValues(t *task.Task, pool string) *Values { return &Values{task: t, pool: pool} }

// text returns a value as text. given is false if it is the default.
func (v *Values) text(h *hole) (text string, given bool, err error) {
	value, err := v.get(h)
	if err != nil {
		return "", false, err
	}
	if value == nil {
		if h.def == nil {
			return "", false, errors.New("is missing, and its template has no default")
		}
		return *h.def, false, nil
	}
	if h.json {
		text, err := encode(value)
		return string(text), true, err
	}
	switch x := value.(type) {
	case string:
		return x, true, nil
	case json.Number:
		return x.String(), true, nil
	case bool:
		return strconv.FormatBool(x), true, nil
	case []any:
		return "", false, errors.New("is a list: only | json fills it in")
	}
	return "", false, errors.New("is an object: only | json fills it in")
}

// get returns a value as encoding/json decodes it, nil if it is missing.
func (v *Values) get(h *hole) (any, error) {
	switch h.name {
	case "id":
		return v.task.ID, nil
	case "kind":
		return v.task.Kind, nil
	case "queue":
		return v.task.Queue, nil
	case "pool":
		return v.pool, nil
	case "attempt":
		return json.Number(strconv.FormatInt(v.task.Attempt, 10)), nil
	case "fence":
		return json.Number(strconv.FormatInt(v.task.Fence, 10)), nil
	case "shard", "shards", "shard_param":
		return shardValue(h.name, v.task.Shard), nil
	}
	if !v.decoded {
		v.decode()
	}
	if v.err != nil {
		return nil, v.err
	}
	value := v.payload
	for _, field := range h.path {
		switch x := value.(type) {
		case map[string]any:
			value = x[field]
		case []any:
			i, err := strconv.Atoi(field)
			if err != nil || i < 0 || i >= len(x) || strconv.Itoa(i) != field {
				return nil, nil
			}
			value = x[i]
		default:
			return nil, nil
		}
	}
	return value, nil
}

// shardValue returns a value of a child, nil for other tasks.
func shardValue(name string, s task.Shard) any {
	switch {
	case s.Total == 0:
		return nil
	case name == "shard":
		return json.Number(strconv.Itoa(s.Index))
	case name == "shards":
		return json.Number(strconv.Itoa(s.Total))
	}
	return s.Param
}

func (v *Values) decode() {
	v.decoded = true
	if !json.Valid(v.task.Payload) { // Decode ignores text behind the first value
		v.err = errors.New("cannot be read: the payload is not JSON")
		return
	}
	d := json.NewDecoder(bytes.NewReader(v.task.Payload))
	d.UseNumber()
	if err := d.Decode(&v.payload); err != nil {
		v.err = errors.New("cannot be read: the payload is not JSON")
	}
}

// encode returns a value as compact JSON.
func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return []byte(strings.TrimSuffix(b.String(), "\n")), err
}
