package lighttaskscheduler

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
)

// items are the registered types of TaskItem by name.
var items struct {
	sync.RWMutex
	types map[string]reflect.Type
}

func init() {
	for _, v := range []any{"", false, 0, int32(0), int64(0), uint32(0), uint64(0), float32(0), float64(0),
		[]byte(nil), []string(nil), map[string]string(nil), map[string]any(nil), []any(nil)} {
		Register(v)
	}
}

// Register makes the type of item known, so that a TaskItem of this type is read from
// Redis as the same type. Call it before MakeScheduler, in every process of the pool. A
// struct and a pointer to it are two types: register the one that Task.TaskItem has.
//
// The item is stored as JSON, so only what encoding/json keeps comes back: exported fields
// without the tag "-". Basic types, []byte, []string, and maps of strings are registered
// already. The name of a type is that of its package and itself, such as "main.AddTask".
// Register panics if item is nil, or if another type has its name: see RegisterName.
func Register(item any) {
	if item == nil {
		panic("lighttaskscheduler: Register(nil)")
	}
	RegisterName(reflect.TypeOf(item).String(), item)
}

// RegisterName is Register with another name for the type. The name is stored with each
// task, so it must not change while tasks wait.
func RegisterName(name string, item any) {
	if item == nil || name == "" {
		panic("lighttaskscheduler: RegisterName needs a name and an item")
	}
	t := reflect.TypeOf(item)
	items.Lock()
	defer items.Unlock()
	if items.types == nil {
		items.types = map[string]reflect.Type{}
	}
	if had := items.types[name]; had != nil && had != t {
		panic(fmt.Sprintf("lighttaskscheduler: %s is registered for %s.%s: register %s.%s with RegisterName", name, had.PkgPath(), had.Name(), t.PkgPath(), t.Name()))
	}
	items.types[name] = t
}

// stored is the payload of a task.
type stored struct {
	ID       string          `json:"task_id"`
	Priority int             `json:"priority,omitempty"`
	Type     string          `json:"type,omitempty"` // of the item; "" for none
	Item     json.RawMessage `json:"item,omitempty"`
}

// encodeItem returns the name of the type of an item, and the item as JSON.
func encodeItem(item any) (name string, data json.RawMessage, err error) {
	if item == nil {
		return "", nil, nil
	}
	t := reflect.TypeOf(item)
	if name = nameOf(t); name == "" {
		return "", nil, fmt.Errorf("the type %s of TaskItem is not registered: call lighttaskscheduler.Register(%s) in main", t, literal(t))
	}
	if data, err = json.Marshal(item); err != nil {
		return "", nil, fmt.Errorf("TaskItem cannot be stored: %w", err)
	}
	return name, data, nil
}

// nameOf returns the name under which a type is registered; "" if it is not.
func nameOf(t reflect.Type) string {
	items.RLock()
	defer items.RUnlock()
	if items.types[t.String()] == t {
		return t.String()
	}
	for name, other := range items.types {
		if other == t {
			return name
		}
	}
	return ""
}

// literal returns Go code for a value of a type.
func literal(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return "&" + t.Elem().String() + "{}"
	}
	if t.Kind() == reflect.Struct {
		return t.String() + "{}"
	}
	return "a value of " + t.String()
}

// decodeItem returns the item that encodeItem encoded.
func decodeItem(name string, data json.RawMessage) (any, error) {
	if name == "" {
		return nil, nil
	}
	items.RLock()
	t := items.types[name]
	items.RUnlock()
	if t == nil {
		return nil, fmt.Errorf("the type %s of TaskItem is not registered in this process: call lighttaskscheduler.Register", name)
	}
	v := reflect.New(t)
	if err := json.Unmarshal(data, v.Interface()); err != nil {
		return nil, fmt.Errorf("TaskItem of the type %s: %w", name, err)
	}
	return v.Elem().Interface(), nil
}

// encodeTask returns the payload of a task.
func encodeTask(t *Task) ([]byte, error) {
	if t.TaskId == "" {
		return nil, errors.New("TaskId must not be empty")
	}
	s := stored{ID: t.TaskId, Priority: t.TaskPriority}
	var err error
	if s.Type, s.Item, err = encodeItem(t.TaskItem); err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

// decodeTask returns the id, priority and item of a payload.
func decodeTask(payload []byte) (Task, error) {
	var s stored
	if err := json.Unmarshal(payload, &s); err != nil {
		return Task{}, err
	}
	item, err := decodeItem(s.Type, s.Item)
	return Task{TaskId: s.ID, TaskPriority: s.Priority, TaskItem: item}, err
}
