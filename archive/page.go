package archive

import (
	"context"
	"slices"

	"github.com/ltsworker/ltsworker/task"
)

// pageBytes is how many bytes of records a page has, and those of up to recordPage more
// tasks.
const pageBytes = 64 << 20

// records reads the tasks whose end is among the events, and those whose first events
// the archive does not have. It returns the events that it has read the tasks of: fewer
// if their records have more than pageBytes.
func (a *Archiver) records(ctx context.Context, events []task.Event) (covered []task.Event, records []record, err error) {
	ids := slices.Clone(a.unseen)
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	done, size := 0, 0
	for i, e := range events {
		if e.State.Terminal() && task.CheckName(e.ID) == nil && !wanted[e.ID] {
			wanted[e.ID] = true
			ids = append(ids, e.ID)
		}
		last := i+1 == len(events)
		if !last && (len(ids) < recordPage || events[i+1].Cursor == e.Cursor) {
			continue
		}
		page, err := a.read(ctx, ids)
		if err != nil {
			return nil, nil, err
		}
		records, ids, done = append(records, page...), nil, i+1
		for _, r := range page {
			size += r.size()
		}
		if size > pageBytes {
			break
		}
	}
	return events[:done], records, nil
}

// read reads tasks with their histories. It leaves out those that Redis does not have.
func (a *Archiver) read(ctx context.Context, ids []string) ([]record, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	tasks, err := a.source.Get(ctx, ids...)
	if err != nil {
		return nil, err
	}
	return a.withHistories(ctx, tasks)
}

// withHistories reads the histories of tasks. It leaves out nil.
func (a *Archiver) withHistories(ctx context.Context, tasks []*task.Task) ([]record, error) {
	var records []record
	var ids []string
	for _, t := range tasks {
		if t != nil && !t.CreatedAt.IsZero() {
			records, ids = append(records, record{Task: t}), append(ids, t.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	histories, err := a.source.Histories(ctx, ids...)
	if err != nil {
		return nil, err
	}
	for i := range records {
		records[i].history = histories[i]
	}
	return records, nil
}
