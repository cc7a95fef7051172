package bulk

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

const (
	// page is how many entries of an index one step of the count reads. A step of a search in
	// payloads reads fewer, because they may have a MiB each.
	page      = 500
	wholePage = 50
	// mostCounted bounds the list of a job, which takes about 15 bytes a task in Redis.
	mostCounted = 5_000_000
	// mostUnordered bounds the tasks of a state without an order that can be continued.
	mostUnordered = 20_000
)

// count stores the list of the tasks that match.
func (r *run) count(ctx context.Context) error {
	if r.CancelledBy != "" {
		return r.end(ctx, Cancelled, "")
	}
	q, err := r.m.o.Select(r.Query, r.State, r.Asked)
	if err != nil {
		return err
	}
	known := &known{seed: maphash.MakeSeed(), ids: map[uint64]struct{}{}}
	match := q.Match
	q.State = r.State
	q.Match = func(t *task.Task) bool {
		ok := was(t, r.Asked) && (match == nil || match(t))
		t.Payload, t.Result = nil, nil // they may be long
		return ok
	}
	if r.State == task.Running || r.State == task.Exporting {
		return r.countUnordered(ctx, q, known)
	}
	if err := r.recall(ctx, known); err != nil {
		return err
	}
	// A page has all tasks of the entries that it reads, so that none is read again.
	q.After, q.Limit, q.Budget = r.Cursor, 2*page, page
	if q.Whole {
		q.Budget = wholePage
	}
	for {
		began := time.Now()
		var found task.Page
		err := r.persist(ctx, "the index", func() (err error) {
			found, err = r.m.store.Page(ctx, q)
			return err
		})
		if err != nil {
			return err
		}
		if r.Counted+len(found.Tasks) > mostCounted {
			return fmt.Errorf("more than %d tasks match: narrow the query", mostCounted)
		}
		r.Read, r.Cursor = r.Read+found.Read, found.Next
		last := found.Next == ""
		if err := r.add(ctx, known.unseen(found.Tasks), last); err != nil || last {
			return err
		}
		if r.CancelledBy != "" {
			return r.end(ctx, Cancelled, "")
		}
		q.After = found.Next
		if err := rest(ctx, began); err != nil {
			return err
		}
	}
}

// was reports whether a task was in its state at an instant already, judged by its times.
func was(t *task.Task, at time.Time) bool {
	switch {
	case t.CreatedAt.After(at), t.EndedAt.After(at):
		return false
	case t.State == task.Waiting:
		return !t.DueAt.After(at)
	case t.State == task.Running:
		return !t.StartedAt.After(at)
	}
	return true
}

// add appends tasks to the list. The last ones end the count.
func (r *run) add(ctx context.Context, tasks []*task.Task, last bool) error {
	var chunks []string
	sound := tasks[:0]
	for _, t := range tasks {
		if t.Broken != nil {
			r.Broken++
			continue
		}
		sound = append(sound, t)
	}
	for part := range slices.Chunk(sound, redisstore.BulkChunk) {
		text, err := chunk(part)
		if err != nil {
			return err
		}
		chunks = append(chunks, text)
	}
	r.Counted, r.Chunks = r.Counted+len(sound), r.Chunks+len(chunks)
	if last {
		if r.Phase = Counted; r.Counted == 0 {
			r.Phase, r.Ended = Done, r.m.Now()
		}
	}
	return r.save(ctx, chunks)
}

// countUnordered counts tasks that run or are exported. Their index has no order, so an interrupted count
// starts again, and the list is written in one step.
func (r *run) countUnordered(ctx context.Context, q task.PageQuery, known *known) error {
	var tasks []*task.Task
	err := r.persist(ctx, "the index", func() error {
		tasks, r.Read = nil, 0
		clear(known.ids)
		f := task.Filter{Kinds: q.Kinds, Queues: q.Queues, Groups: q.Groups, Labels: q.Labels, States: []task.State{r.State}, Brief: !q.Whole}
		for t, err := range r.m.store.Tasks(ctx, f) {
			if err != nil {
				return err
			}
			if r.Read++; !q.Match(t) {
				continue
			}
			tasks = append(tasks, known.unseen([]*task.Task{t})...)
			if len(tasks) > mostUnordered {
				return &task.FieldError{Field: "query", Msg: fmt.Sprintf("matches more than %d %s tasks: narrow it", mostUnordered, r.State)}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.add(ctx, tasks, true)
}

// recall reads the list of a count that is continued.
func (r *run) recall(ctx context.Context, known *known) error {
	for i := 0; i < r.Chunks; {
		chunks, err := r.chunks(ctx, i)
		if err != nil {
			return err
		}
		for _, text := range chunks {
			tasks, err := unpack(text)
			if err != nil {
				return err
			}
			for _, t := range tasks {
				known.add(t.ID)
			}
		}
		i += len(chunks)
	}
	return nil
}

// known has hashes of the counted ids. A task whose position in its index changes meanwhile is read twice
// and counted once.
type known struct {
	seed maphash.Seed
	ids  map[uint64]struct{}
}

// add reports whether the id is new.
func (k *known) add(id string) bool {
	h := maphash.String(k.seed, id)
	if _, ok := k.ids[h]; ok {
		return false
	}
	k.ids[h] = struct{}{}
	return true
}

func (k *known) unseen(tasks []*task.Task) []*task.Task {
	return slices.DeleteFunc(tasks, func(t *task.Task) bool { return !k.add(t.ID) })
}
