package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// ErrChanged is the error of a task that was not changed because it has changed since a bulk job
// counted it.
var ErrChanged = errors.New("the task has changed since it was counted")

// ErrDamaged is the error of a counted task that was not changed because its record is damaged.
var ErrDamaged = errors.New("the record of the task is damaged")

// ErrBulkJobs is returned by WriteBulk for a new job if too many jobs have not ended.
var ErrBulkJobs = errors.New("too many bulk jobs have not ended: confirm or cancel one of them first")

// BulkChunk is how many counted tasks one call of ChangeCounted takes.
const BulkChunk = 100

// BulkRecord is the record of a bulk job of the console. Package console/bulk defines what is in
// Data.
type BulkRecord struct {
	ID       string
	Revision int64 // grows with each write; 0 if there is no such job
	Data     []byte
	Err      error  // of a key that is no record of a job; nothing else is set then
	Audit    string // the position of the entry in the audit stream that began the change; "" for none
}

// BulkWrite writes the record of a bulk job.
type BulkWrite struct {
	ID string
	// Revision is that of the record that the caller has read; 0 makes a new job.
	Revision int64
	// Call names this write. A write that is repeated with the same name has one effect.
	Call string
	Data []byte
	Open bool          // the job has not ended; the list of its tasks is removed with its end
	Keep time.Duration // how long the record and the list are kept after this write
	// Audit is appended to the audit stream in the same step. Nil appends nothing.
	Audit *task.AuditEntry
	// Begins stores the position of Audit in the record, unless that has one.
	Begins bool
	// Chunks are appended to the list of counted tasks in the same step.
	Chunks []string
}

// WriteBulk writes the record of a bulk job if it still has the revision that the caller has
// read. It returns the new record, and false if the job has another revision.
func (s *Store) WriteBulk(ctx context.Context, w BulkWrite) (BulkRecord, bool, error) {
	var audit []any
	if w.Audit != nil {
		audit = auditValues(*w.Audit)
	}
	args := []any{w.ID, w.Revision, w.Call, w.Data, w.Open, w.Keep.Milliseconds(), len(audit), w.Begins}
	reply, err := s.run(ctx, bulkScript, slices.Concat(args, audit, stringArgs(w.Chunks))...)
	if err != nil {
		return BulkRecord{}, false, s.fail(ctx, "bulk job", err)
	}
	r := readReply("the answer", reply)
	done := BulkRecord{ID: w.ID, Revision: int64(r.int()), Audit: r.string(), Data: w.Data}
	if r.err != nil {
		return BulkRecord{}, false, s.fail(ctx, "bulk job", r.err)
	}
	if done.Revision < 0 {
		return BulkRecord{}, false, ErrBulkJobs
	}
	return done, done.Revision > 0, nil
}

// BulkRecords reads the records of jobs and the time of the store's clock.
func (s *Store) BulkRecords(ctx context.Context, ids ...string) ([]BulkRecord, time.Time, error) {
	all := make([]BulkRecord, len(ids))
	var now time.Time
	err := s.commands(ctx, func(rdb redis.UniversalClient) error {
		p := rdb.Pipeline()
		clock, reads := p.Time(ctx), make([]*redis.SliceCmd, len(ids))
		for i, id := range ids {
			reads[i] = p.HMGet(ctx, s.key("bulk:", id), "rev", "job", "audit")
		}
		if _, err := p.Exec(ctx); err != nil && !isWrongType(err) {
			return err
		}
		now = clock.Val()
		for i, id := range ids {
			if err := reads[i].Err(); isWrongType(err) {
				all[i] = BulkRecord{ID: id, Err: err}
				continue
			} else if err != nil {
				return err
			}
			var text [3]string
			for k, v := range reads[i].Val() {
				text[k], _ = v.(string)
			}
			rev, _ := strconv.ParseInt(text[0], 10, 64)
			all[i] = BulkRecord{ID: id, Revision: rev, Data: []byte(text[1]), Audit: text[2]}
		}
		return nil
	})
	return all, now, s.fail(ctx, "bulk jobs", err)
}

// OpenBulkJobs returns the ids of the jobs that have not ended, sorted.
func (s *Store) OpenBulkJobs(ctx context.Context) (ids []string, err error) {
	err = s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
		ids, err = rdb.SMembers(ctx, s.key("bulks:open")).Result()
		return err
	})
	slices.Sort(ids)
	return ids, s.fail(ctx, "bulk jobs", err)
}

// BulkJobs returns the ids of the jobs that are kept, newest first. The records of some may have
// expired.
func (s *Store) BulkJobs(ctx context.Context, limit int) (ids []string, err error) {
	err = s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
		ids, err = rdb.ZRevRange(ctx, s.key("bulks"), 0, int64(limit-1)).Result()
		return err
	})
	return ids, s.fail(ctx, "bulk jobs", err)
}

// BulkChunks reads up to n chunks of the list of counted tasks, the first one at the index from.
func (s *Store) BulkChunks(ctx context.Context, job string, from, n int) (chunks []string, err error) {
	err = s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
		chunks, err = rdb.LRange(ctx, s.key("bulklist:", job), int64(from), int64(from+n-1)).Result()
		return err
	})
	return chunks, s.fail(ctx, "bulk tasks", err)
}

// NewBulkID returns an id for a new job.
func NewBulkID() string { return fmt.Sprintf("%013s", strconv.FormatUint(rand.Uint64(), 36)) }

// CountedTask is a task as it was when a bulk job counted it.
type CountedTask struct {
	ID      string
	Version int64
	Created int64 // when it was made, in ms
}

// BulkVerb is what a bulk job does with tasks.
type BulkVerb string

// The verbs of bulk jobs.
const (
	BulkStop   BulkVerb = "stop"
	BulkRetry  BulkVerb = "retry"
	BulkRun    BulkVerb = "run"
	BulkDelete BulkVerb = "delete"
	BulkChange BulkVerb = "change" // the priority
)

// CountedCall is a call of ChangeCounted.
type CountedCall struct {
	Job      string
	Number   int64 // of the call: the calls of a job are numbered from 1
	Verb     BulkVerb
	Why      string // of BulkStop
	Priority int8   // of BulkChange
	Tasks    []CountedTask
}

// ErrStale is returned by ChangeCounted if a later call of the job was made.
var ErrStale = errors.New("a later call of this bulk job was made")

// ChangeCounted changes those of at most BulkChunk tasks that are as they were when they were
// counted. The others have ErrChanged or ErrDamaged, or no error if there is no such task. The last call of a
// job can be repeated, also by another process: it changes nothing then and has the same answer. It
// is kept for 30 days, or until ten minutes after the end of the job.
func (s *Store) ChangeCounted(ctx context.Context, c CountedCall) ([]task.Change, error) {
	if len(c.Tasks) > BulkChunk {
		return nil, fmt.Errorf("%d tasks in a call; the limit is %d", len(c.Tasks), BulkChunk)
	}
	ids, named := make([]string, len(c.Tasks)), make([]string, len(c.Tasks))
	for i, t := range c.Tasks {
		ids[i], named[i] = t.ID, t.ID+" "+strconv.FormatInt(t.Version, 10)+" "+strconv.FormatInt(t.Created, 10)
	}
	sc, args := deleteScript, []any(nil)
	switch c.Verb {
	case BulkStop:
		sc, args = stopScript, []any{c.Why}
	case BulkRetry:
		sc, args = retryScript, append(editArgs(task.Edit{}), false)
	case BulkRun:
		sc = runNowScript
	case BulkChange:
		sc, args = changeScript, editArgs(task.Edit{Priority: &c.Priority})
	case BulkDelete:
	default:
		return nil, &task.FieldError{Field: "verb", Msg: fmt.Sprintf("must be stop, retry, run, delete or change, not %q", c.Verb)}
	}
	changes, err := changePages(ids, BulkChunk, func([]string) (any, error) {
		return s.run(ctx, sc, slices.Concat([]any{"bulk:" + c.Job, c.Number}, args, stringArgs(named))...)
	})
	if err != nil && strings.HasPrefix(err.Error(), "STALE") {
		return nil, ErrStale
	}
	return changes, s.fail(ctx, string(c.Verb), err)
}
