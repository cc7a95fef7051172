package task

import (
	"fmt"
	"maps"
	"unicode/utf8"
)

// MaxMeta is the most bytes of all keys and values that an attempt sets with SetMeta.
const MaxMeta = 8 << 10

// Meta is what the handler of an attempt has set with SetMeta.
type Meta map[string]string

// Set sets the value of a key. It returns an error, and changes nothing, if the key is not
// valid as the key of a header, the value is not UTF-8, or keys and values together would
// be longer than MaxMeta.
func (m *Meta) Set(key, value string) error {
	switch {
	case len(key) > MaxHeaderLen:
		return fmt.Errorf("meta: the key %q is %d bytes; the limit is %d", Clip(key), len(key), MaxHeaderLen)
	case !utf8.ValidString(key) || !utf8.ValidString(value):
		return fmt.Errorf("meta must be in UTF-8: the entry %q is not", Clip(key))
	}
	size := len(key) + len(value)
	for k, v := range *m {
		if k != key {
			size += len(k) + len(v)
		}
	}
	if size > MaxMeta {
		return fmt.Errorf("meta: keys and values would be %d bytes with the entry %q; the limit is %d", size, Clip(key), MaxMeta)
	}
	if *m == nil {
		*m = Meta{}
	}
	(*m)[key] = value
	return nil
}

// SetMeta adds a key and a value to the meta of the attempt. If the attempt ends the task,
// the task's terminal event has them in Meta (JSON: meta), together with the headers. A
// key that is also a header has the value of SetMeta there. The meta of an attempt that
// does not end the task, because the task is retried or released, or of an attempt whose
// lease is lost, is dropped.
//
// It does not call the store. It returns an error, and changes nothing, if the key is not
// valid as the key of a header, the value is not UTF-8, or the keys and values of the
// attempt together would be longer than MaxMeta. It is safe for concurrent use. Middleware
// may call it, too.
func (t *Task) SetMeta(key, value string) error {
	if t.running != nil {
		return t.running.SetMeta(key, value)
	}
	unheld.Lock()
	defer unheld.Unlock()
	return t.meta.Set(key, value)
}

// Meta returns a copy of what SetMeta has set in this attempt; nil if it has set nothing.
func (t *Task) Meta() Meta {
	if t.running != nil {
		return t.running.Meta()
	}
	unheld.Lock()
	defer unheld.Unlock()
	return maps.Clone(t.meta)
}
