package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// batchSize is the number of tasks of one call.
const batchSize = 250

// victimTask is the id of the task of the first file. It ends only after a replica has
// been killed. The replica that runs it is the one to kill, so that the killed replica
// holds a task, however late the events are read. A replica that gets no processor time
// can lose its lease: then the next holder of the task is killed.
const victimTask = "demo-victim"

// work enqueues a task for each file, at most window tasks ahead of those that have
// ended. It reads the events until all tasks have ended, and kills a replica meanwhile.
func work(ctx context.Context, c *client.Client, files []File, window int, t *team, say *terminal.Progress) (*watch, error) {
	from, err := c.Store.LastEvent(ctx)
	if err != nil {
		return nil, err
	}
	w := newWatch(len(files))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begin := time.Now()
	enqueued := make(chan error, 1)
	room := make(chan struct{}, window)
	go func() {
		err := enqueueFiles(ctx, c, files, room)
		if err != nil {
			cancel()
		}
		enqueued <- err
	}()

	say.Begin(len(files), func() []string { return w.board(t, say.Palette()) })
	// Kill a replica early, so that enough tasks are left.
	killAfter := len(files) / 4
	for e, err := range c.Events(ctx, from) {
		if err != nil {
			return nil, err
		}
		for range w.see(e) {
			<-room
		}
		say.Set(w.ended)
		if w.ended == len(files) {
			break
		}
		if t.killed == "" && w.ended >= killAfter && w.running[victimTask] != "" {
			m := t.member(w.running[victimTask])
			held, err := m.killHolding(ctx, c)
			if err != nil {
				return nil, err
			}
			if held > 0 {
				t.killed = m.id
				t.releaseVictim()
				say.Note("killed replica %s with SIGKILL while it held %s; its lease of %v has to end first", m.id, terminal.Count(held, "task"), lease)
			}
		}
	}
	w.elapsed = time.Since(begin)
	if w.ended < len(files) {
		// The events end early only if ctx has ended.
		select {
		case err := <-enqueued:
			if err != nil {
				return nil, err
			}
		default:
		}
		return nil, interrupted(ctx, errors.New("the events ended early"))
	}
	return w, <-enqueued
}

// enqueueFiles enqueues the tasks: one in ten through the inbox, as programs in other
// languages do, the others through the Go API.
func enqueueFiles(ctx context.Context, c *client.Client, files []File, room chan<- struct{}) error {
	var specs []pool.Spec
	var entries []any
	send := func() error {
		if len(specs) > 0 {
			if _, err := c.EnqueueAll(ctx, specs); err != nil {
				return err
			}
		}
		if len(entries) > 0 {
			if err := c.Redis.RPush(ctx, "lts:{"+c.Name+"}:inbox", entries...).Err(); err != nil {
				return fmt.Errorf("push to the inbox: %w", err)
			}
		}
		specs, entries = specs[:0], entries[:0]
		return nil
	}
	for i, f := range files {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if i%10 == 1 {
			entry, err := json.Marshal(map[string]any{
				"kind": checksumFile{}.Kind(), "priority": f.priority(), "payload": checksumFile{Path: f.path},
			})
			if err != nil {
				return fmt.Errorf("encode an inbox entry: %w", err)
			}
			entries = append(entries, entry)
		} else {
			spec, err := pool.NewSpec(checksumFile{Path: f.path, UntilKilled: i == 0}, pool.Priority(f.priority()))
			if err != nil {
				return err
			}
			if i == 0 {
				spec.ID, spec.Priority = victimTask, math.MaxInt8 // it starts first
			}
			specs = append(specs, spec)
		}
		if len(specs)+len(entries) == batchSize {
			if err := send(); err != nil {
				return err
			}
		}
	}
	return send()
}

// member returns the member with that id of a replica, nil if there is none.
func (t *team) member(id string) *member {
	for _, m := range t.members {
		if m.id == id {
			return m
		}
	}
	return nil
}

// killHolding kills the replica if it holds tasks, and returns how many. The process is
// paused before the count, so that no task ends meanwhile, and resumed if it holds
// none.
func (m *member) killHolding(ctx context.Context, c *client.Client) (held int, err error) {
	if m == nil {
		return 0, nil
	}
	if err := m.pause(); err != nil {
		return 0, err
	}
	// A report that was sent before the pause is written before the second count, a
	// round trip later.
	for range 2 {
		held = 0
		for t, err := range c.Tasks(ctx, task.Filter{States: []task.State{task.Running}}) {
			if err != nil {
				return 0, errors.Join(err, m.resume())
			}
			if t.Replica == m.id {
				held++
			}
		}
		if held == 0 {
			return 0, m.resume()
		}
	}
	return held, m.kill()
}
