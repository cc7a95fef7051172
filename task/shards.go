package task

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The bounds of a parent. They keep its children and what it stores about them to a few
// MiB, and each step that makes children to a few milliseconds.
const (
	MaxShards      = 10_000    // of one parent
	MaxShardParam  = 1024      // bytes of one parameter
	MaxShardParams = 256 << 10 // bytes of all parameters of a parent
	MaxShardBytes  = 64 << 20  // bytes of the payload times the number of shards: each child has a copy
	MaxMembers     = 1000      // of a broadcast
	// MaxParentID is how long the ID of a parent, and of a task with Then, may be in bytes: the
	// ids of the tasks that are made of it are longer.
	MaxParentID = 100
)

// Shard says which part of its parent's work a child does.
type Shard struct {
	Parent string // the id of the parent; "" for a task that is no child
	Index  int    // from 0
	Total  int    // number of shards of the parent; 0 for a task that is no child
	Param  string // the parameter of the shard, of a broadcast the id of its replica; "" for none
}

// ShardCounts are the numbers of a parent's shards by what became of them. Of a parent that
// has ended before its children, Stopped has those that were stopped because of that, also
// while their handlers still return.
type ShardCounts struct {
	Unmade  int // their children have not been made
	Pending int // their children have not ended
	// Succeeded, Failed, Stopped and Expired have ended.
	Succeeded, Failed, Stopped, Expired int
	// Omitted is how many results are missing in the result of the parent: they are longer
	// than MaxResult together, or not UTF-8.
	Omitted int
}

// IsParent reports whether the task is a parent: it has Shards, ShardParams or Broadcast.
func (s *Spec) IsParent() bool { return s.Broadcast || s.ShardCount() > 0 }

// ShardCount returns the number of shards of the spec; 0 for a broadcast, and for a task that
// is no parent.
func (s *Spec) ShardCount() int { return max(s.Shards, len(s.ShardParams)) }

// checkShards adds what is wrong with the fields of a parent.
func (s *Spec) checkShards(add func(field, format string, args ...any)) {
	n := s.ShardCount()
	switch {
	case s.Shards < 0 || n > MaxShards:
		add("shards", "must be from 1 to %d, not %d: give each shard more of the work", MaxShards, max(n, s.Shards))
		return
	case len(s.ShardParams) > 0 && s.Shards > 0 && s.Shards != len(s.ShardParams):
		add("shards", "is %d and there are %d parameters: set one of both, or the same number", s.Shards, len(s.ShardParams))
	case n > 0 && s.Broadcast:
		add("broadcast", "and shards cannot both be set: a broadcast has one child for each replica")
		return
	case !s.IsParent() && s.FailFast:
		add("fail_fast", "needs shards or broadcast: set the number of shards, their parameters, or broadcast")
	}
	s.checkBroadcast(add)
	if n == 0 {
		return
	}
	if s.FailOnLimit {
		add("on_limit", "and shards cannot both be set: the children wait for their places")
	}
	if total := n * len(s.Payload); total > MaxShardBytes {
		add("payload", "is %d bytes, and with a copy for each of %d shards %d bytes; the limit is %d: store it elsewhere and pass a reference", len(s.Payload), n, total, MaxShardBytes)
	}
	bytes := 0
	for i, p := range s.ShardParams {
		bytes += len(p)
		if len(p) > MaxShardParam {
			add("shards", "has a parameter of %d bytes, number %d; the limit is %d: store it elsewhere and pass a reference", len(p), i, MaxShardParam)
			return
		}
		if !utf8.ValidString(p) || strings.ContainsRune(p, 0) {
			add("shards", "must be in UTF-8 without NUL: the parameter number %d, %q, is not", i, Clip(p))
			return
		}
	}
	if bytes > MaxShardParams {
		add("shards", "has parameters of %d bytes; the limit is %d: pass a number, or references", bytes, MaxShardParams)
	}
}

// checkBroadcast adds what is wrong with the fields of a broadcast.
func (s *Spec) checkBroadcast(add func(field, format string, args ...any)) {
	if !s.Broadcast {
		return
	}
	if s.FailOnLimit {
		add("on_limit", "and broadcast cannot both be set: the children wait for their places")
	}
	if labels := CanonicalLabels(s.Labels); len(labels) == MaxLabels {
		add("labels", "must have at most %d labels with broadcast, not %d: each child has the label %s of its replica, too", MaxLabels-1, MaxLabels, IDLabel)
	}
	for _, l := range s.Labels {
		if strings.HasPrefix(l, IDLabel) {
			add("labels", "must not have %q with broadcast: leave out broadcast to reach one replica, or use %s to select some", Clip(l), HostLabel)
			return
		}
	}
}

// checkThen adds what is wrong with the task that follows.
func (s *Spec) checkThen(add func(field, format string, args ...any)) {
	next := s.Then
	if next == nil {
		return
	}
	if next.Then != nil {
		add("then.then", "must not be set: only one task can follow; let its handler enqueue more")
	}
	if next.Broadcast {
		add("then.broadcast", "must not be set: let the handler of the task that follows enqueue the broadcast")
	}
	if next.ShardCount() > 0 {
		add("then.shards", "must not be set: let the handler of the task that follows enqueue the shards")
	}
	if len(next.ID) > MaxParentID {
		add("then.id", "must have at most %d bytes, not %d: a retry makes a longer one of it", MaxParentID, len(next.ID))
	}
	flat := *next
	flat.Then, flat.Shards, flat.ShardParams, flat.Broadcast = nil, 0, nil, false
	eachField(flat.Check(), func(f *FieldError) { add("then."+f.Field, "%s", f.Msg) })
}

// eachField calls do for each FieldError of joined errors.
func eachField(err error, do func(*FieldError)) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return
	}
	for _, e := range joined.Unwrap() {
		if f, ok := e.(*FieldError); ok {
			do(f)
		}
	}
}

// checkParentID adds an error if the id is too long for the tasks that are made of it.
func (s *Spec) checkParentID(add func(field, format string, args ...any)) {
	if (s.IsParent() || s.Then != nil) && len(s.ID) > MaxParentID {
		add("id", "must have at most %d bytes, not %d: the ids of other tasks are made of it", MaxParentID, len(s.ID))
	}
}

// String returns the shard as index and total, such as 3/10.
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Total) }
