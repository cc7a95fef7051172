package redisstore

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// Get reads tasks. The result has nil for an id without a task. A task that cannot be
// read in full has Broken set.
func (s *Store) Get(ctx context.Context, ids ...string) ([]*task.Task, error) {
	tasks, err := s.read(ctx, false, ids)
	return tasks, s.fail(ctx, "get", err)
}

// read reads tasks, without payload, headers and result if brief. A page is bounded by
// its number of tasks and by its bytes.
func (s *Store) read(ctx context.Context, brief bool, ids []string) ([]*task.Task, error) {
	tasks := make([]*task.Task, 0, len(ids))
	for len(ids) > 0 {
		page, _ := splitAt(ids, getPage)
		reply, err := s.run(ctx, getScript, append([]any{getBytes, brief}, stringArgs(page)...)...)
		if err != nil {
			return nil, err
		}
		r := readReply("get", reply)
		if r.err == nil && (len(r.vals) == 0 || len(r.vals) > len(page)) {
			r.fail("as many tasks as ids, or some of them", reply)
		}
		for i := 0; r.more(); i++ {
			tasks = append(tasks, r.task(page[i], brief))
		}
		if r.err != nil {
			return nil, r.err
		}
		ids = ids[len(reply.([]any)):]
	}
	return tasks, nil
}

// task takes a list: empty for no task, else its record, its run entry and its extras.
func (r *replyReader) task(id string, brief bool) *task.Task {
	parts := r.list().strings()
	if len(parts) < 2 {
		return nil
	}
	t := decodeTask(id, parts[0], parts[1], parts[2:])
	if brief {
		t.Payload, t.Headers = nil, nil
	}
	return t
}

// attemptRecord is the stored form of a task.AttemptRecord.
type attemptRecord struct {
	Attempt int64     `json:"attempt"`
	Code    task.Code `json:"code"`
	At      int64     `json:"at"`
	RunMS   int64     `json:"run_ms"`
	Replica string    `json:"replica"`
	Error   string    `json:"error"`
	Log     string    `json:"log"`
	LogSize int64     `json:"log_size"`
}

// History reads the recorded attempts of a task, oldest first.
func (s *Store) History(ctx context.Context, id string) ([]task.AttemptRecord, error) {
	var entries []string
	err := s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
		entries, err = rdb.LRange(ctx, s.key("history:", id), -task.MaxHistory, -1).Result()
		return err
	})
	if err != nil {
		return nil, s.fail(ctx, "history", err)
	}
	records, err := decodeHistory(entries)
	return records, s.fail(ctx, "history", err)
}

// Histories reads the recorded attempts of tasks in the order of the ids. Those of a
// history that cannot be read are missing.
func (s *Store) Histories(ctx context.Context, ids ...string) ([][]task.AttemptRecord, error) {
	histories := make([][]task.AttemptRecord, 0, len(ids))
	err := s.pipeline(ctx, ids, historyPage, func(p redis.Pipeliner, id string) func() {
		entries := p.LRange(ctx, s.key("history:", id), -task.MaxHistory, -1)
		return func() {
			records, _ := decodeHistory(entries.Val())
			histories = append(histories, records)
		}
	})
	return histories, s.fail(ctx, "history", err)
}

func decodeHistory(entries []string) ([]task.AttemptRecord, error) {
	records := make([]task.AttemptRecord, len(entries))
	for i, e := range entries {
		var a attemptRecord
		if err := json.Unmarshal([]byte(e), &a); err != nil {
			return nil, err
		}
		records[i] = task.AttemptRecord{Attempt: a.Attempt, Code: a.Code, At: time.UnixMilli(a.At),
			Run: time.Duration(a.RunMS) * time.Millisecond, Replica: a.Replica, Error: a.Error, Log: a.Log, LogSize: a.LogSize}
	}
	return records, nil
}

// RunningLog reads a task with the log of its running attempt, without what a brief read omits
// otherwise. It is nil if there is no such task.
func (s *Store) RunningLog(ctx context.Context, id string) (*task.Task, error) {
	tasks, err := s.read(ctx, true, []string{id})
	if err != nil || tasks[0] == nil || tasks[0].State != task.Running {
		return first(tasks), s.fail(ctx, "log", err)
	}
	t := tasks[0]
	var fields []any
	err = s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
		fields, err = rdb.HMGet(ctx, s.key("more:", id), "log", "log_fence").Result()
		return err
	})
	if err != nil {
		return nil, s.fail(ctx, "log", err)
	}
	if fields[1] == strconv.FormatInt(t.Fence, 10) { // else it is the log of another attempt
		t.Log, _ = fields[0].(string)
	}
	return t, nil
}

func first(tasks []*task.Task) *task.Task {
	if len(tasks) == 0 {
		return nil
	}
	return tasks[0]
}
