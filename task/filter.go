package task

// Filter selects tasks. A task must match every field that is set, and one value of
// that field. The zero Filter selects every task; operations that change tasks refuse
// it.
type Filter struct {
	IDs    []string
	States []State
	Kinds  []string
	Queues []string
	Groups []string // tasks without a group match none
	Labels []string // tasks that have all of them
	Hold   bool     // only scheduled tasks that are on hold: see Spec.Hold
	Unique []string // unique keys, as they were given or in their stored form: see UniqueKey

	// Parent selects the children of a parent by its id.
	Parent string

	// Brief omits the payload, headers, result, log and checkpoint of the tasks, which are
	// often most of the data. It does not affect the selection.
	Brief bool
	// Progress is called repeatedly with the number of tasks read so far, those included
	// that do not match. It may be nil.
	Progress func(read int)
}

// Empty reports whether the filter selects every task.
func (f Filter) Empty() bool {
	return len(f.IDs) == 0 && len(f.States) == 0 && len(f.Kinds) == 0 && len(f.Queues) == 0 && len(f.Groups) == 0 && len(f.Labels) == 0 && len(f.Unique) == 0 && !f.Hold && f.Parent == ""
}

// StoredUnique returns the stored forms that the keys in Unique may have.
func (f Filter) StoredUnique() []string {
	var stored []string
	for _, key := range f.Unique {
		if isUniqueHash(key) {
			stored = append(stored, key)
		}
		stored = append(stored, UniqueKey(key))
	}
	return stored
}

// Change is the result of a request to stop, retry, run now, change or delete one task.
type Change struct {
	ID string
	// Done reports whether the request took effect. A running task is Done when its
	// stop was requested; it is then still Running, and its handler's context is
	// cancelled. If its stop was requested before, it is Running and not Done.
	Done bool
	// State is the task's state afterwards; "" if there is no such task.
	State State
	// Err is set if the request was refused although the state allows it:
	// ErrUniqueTaken, ErrShardsLive, or a FieldError for a payload that is too large with
	// a copy for each shard.
	Err error
}
