package record

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/ltsworker/ltsworker/task"
)

// Task is a task in JSON output. Bytes from other programs are in the plain field if they are
// JSON, in the field that ends in _text if they are text, and otherwise in the field that ends in
// _base64.
type Task struct {
	ID             string            `json:"id"`
	Kind           string            `json:"kind"`
	Queue          string            `json:"queue"`
	State          task.State        `json:"state"`
	Priority       int8              `json:"priority"`
	Group          string            `json:"group,omitempty"`
	Labels         []string          `json:"labels,omitempty"`
	Unique         string            `json:"unique,omitempty"` // in the stored form
	Reply          bool              `json:"reply,omitempty"`
	Hold           bool              `json:"hold,omitempty"` // scheduled without a time
	Headers        map[string]string `json:"headers,omitempty"`
	Attempt        int64             `json:"attempt"`
	Failures       int               `json:"failures"`
	Lost           int               `json:"lost"`
	Generation     int               `json:"generation"`
	Version        int64             `json:"v"`
	Code           task.Code         `json:"code,omitempty"`
	Error          string            `json:"error,omitempty"`
	StopWhy        string            `json:"stop_why,omitempty"`
	Replica        string            `json:"replica,omitempty"`
	Host           string            `json:"host,omitempty"` // of the replica; these two of single tasks only
	IP             string            `json:"ip,omitempty"`
	CreatedAt      string            `json:"created_at,omitempty"`
	DueAt          string            `json:"due_at,omitempty"`
	StartedAt      string            `json:"started_at,omitempty"`
	SlowAt         string            `json:"slow_at,omitempty"`       // when the running attempt passed its soft timeout
	OutsideUntil   string            `json:"outside_until,omitempty"` // until when a report from outside may end the attempt
	EndedAt        string            `json:"ended_at,omitempty"`
	ExpiresAt      string            `json:"expires_at,omitempty"`
	DeadlineAt     string            `json:"deadline_at,omitempty"`
	Payload        json.RawMessage   `json:"payload,omitempty"`
	PayloadText    string            `json:"payload_text,omitempty"`
	PayloadBase64  []byte            `json:"payload_base64,omitempty"`
	Progress       json.RawMessage   `json:"progress,omitempty"`
	ProgressText   string            `json:"progress_text,omitempty"`
	ProgressBase64 []byte            `json:"progress_base64,omitempty"`
	Checkpoint     json.RawMessage   `json:"checkpoint,omitempty"`
	CheckpointText string            `json:"checkpoint_text,omitempty"`
	CheckpointB64  []byte            `json:"checkpoint_base64,omitempty"`
	CheckpointAt   string            `json:"checkpoint_at,omitempty"`
	Job            string            `json:"job,omitempty"`     // work at a remote that the task has open
	CleanUp        task.Code         `json:"cleanup,omitempty"` // the end that was decided and waits for the end of the job
	Orphan         string            `json:"orphan,omitempty"`  // the job of an ended task that could not be stopped
	Shard          *Shard            `json:"shard,omitempty"`   // of a child
	Shards         *Shards           `json:"shards,omitempty"`  // of a parent
	After          string            `json:"after,omitempty"`   // the task that this one follows
	Then           string            `json:"then,omitempty"`    // the kind of the task that follows
	ThenID         string            `json:"then_id,omitempty"` // its id
	ThenError      string            `json:"then_error,omitempty"`
	Result         json.RawMessage   `json:"result,omitempty"`
	ResultText     string            `json:"result_text,omitempty"`
	ResultBase64   []byte            `json:"result_base64,omitempty"`
	Exported       bool              `json:"exported,omitempty"`     // result is the reference of the exporter
	StagedBytes    int64             `json:"staged_bytes,omitempty"` // of a result that has to be saved
	SavesFailed    int               `json:"saves_failed,omitempty"`
	SaveAt         string            `json:"save_at,omitempty"`           // when the next save may start
	ResultLost     int               `json:"result_lost_bytes,omitempty"` // the length of a lost result
	Log            string            `json:"log,omitempty"`               // of the running attempt
	LogSize        int64             `json:"log_size,omitempty"`
	History        []AttemptInfo     `json:"history,omitempty"`
	HeldBy         []Holder          `json:"held_by,omitempty"`      // by running tasks, what a waiting task waits for
	HeldByMore     int               `json:"held_by_more,omitempty"` // other running tasks that hold it
}

// Holder is a running task that holds what another one waits for, in JSON output.
type Holder struct {
	ID      string `json:"id"`
	Replica string `json:"replica"`
	RunMS   int64  `json:"run_ms"`
}

// AttemptInfo is an attempt in JSON output.
type AttemptInfo struct {
	Attempt int64     `json:"attempt"`
	Code    task.Code `json:"code,omitempty"` // these two of an ended attempt
	At      string    `json:"at,omitempty"`
	RunMS   int64     `json:"run_ms"`
	Replica string    `json:"replica,omitempty"`
	Host    string    `json:"host,omitempty"` // of the replica, as IP
	IP      string    `json:"ip,omitempty"`
	Error   string    `json:"error,omitempty"`
	Log     string    `json:"log,omitempty"`
	LogSize int64     `json:"log_size,omitempty"` // bytes that the attempt wrote to its log
}

// OfTask returns the record of a task. history may be nil.
func OfTask(t *task.Task, history []task.AttemptRecord) Task {
	r := Task{
		ID: t.ID, Kind: t.Kind, Queue: t.Queue, State: t.State, Priority: t.Priority,
		Group: t.Group, Labels: t.Labels, Unique: t.Unique, Reply: t.Reply, Hold: t.Hold && t.State == task.Scheduled, Headers: t.Headers,
		Attempt: t.Attempt, Failures: t.Failures, Lost: t.Lost, Generation: t.Generation, Version: t.Version,
		Code: t.Code, Error: t.Error, StopWhy: t.StopWhy, Replica: t.Replica, Job: t.Job, CleanUp: t.CleanUp, Orphan: t.Orphan,
		CreatedAt: Instant(t.CreatedAt), DueAt: Instant(t.DueAt), StartedAt: Instant(t.StartedAt), SlowAt: Instant(t.SlowAt), OutsideUntil: Instant(t.OutsideUntil), EndedAt: Instant(t.EndedAt),
		ExpiresAt: Instant(t.ExpiresAt), DeadlineAt: Instant(t.DeadlineAt),
	}
	r.Payload, r.PayloadText, r.PayloadBase64 = Forms(t.Payload)
	r.Progress, r.ProgressText, r.ProgressBase64 = Forms(t.Progress)
	r.Checkpoint, r.CheckpointText, r.CheckpointB64 = Forms(t.LastCheckpoint)
	r.CheckpointAt = Instant(t.CheckpointAt)
	r.Result, r.ResultText, r.ResultBase64 = Forms(t.Result)
	r.ResultLost = t.ResultLost
	r.Exported, r.StagedBytes, r.SavesFailed, r.SaveAt = t.Exported, t.StagedBytes, t.SavesFailed, Instant(t.SaveAt)
	r.Log, r.LogSize = t.Log, t.LogSize
	r.History = History(history)
	r.Shard, r.Shards = ofShard(t), ofShards(t)
	if r.After, r.ThenID, r.ThenError = t.After, t.ThenID, t.ThenError; t.Then != nil {
		r.Then = t.Then.Kind
	}
	return r
}

// SetHosts adds where the replicas of the task and of its attempts run, or ran until they left.
func (r *Task) SetHosts(hosts map[string]task.Host) {
	r.Host, r.IP = hosts[r.Replica].Name, hosts[r.Replica].IP
	for i, a := range r.History {
		r.History[i].Host, r.History[i].IP = hosts[a.Replica].Name, hosts[a.Replica].IP
	}
}

// History returns the records of attempts.
func History(history []task.AttemptRecord) []AttemptInfo {
	var records []AttemptInfo
	for _, a := range history {
		records = append(records, AttemptInfo{
			Attempt: a.Attempt, Code: a.Code, At: Instant(a.At), RunMS: a.Run.Milliseconds(),
			Replica: a.Replica, Error: a.Error, Log: a.Log, LogSize: a.LogSize,
		})
	}
	return records
}

// Forms returns b in one of the three forms of JSON output: JSON, text, or base64.
func Forms(b []byte) (raw json.RawMessage, text string, base64 []byte) {
	switch {
	case len(b) == 0:
		return nil, "", nil
	case !utf8.Valid(b):
		return nil, "", b
	case json.Valid(b):
		return b, "", nil
	}
	return nil, string(b), nil
}

// Instant formats a time for programs: RFC 3339 in UTC with milliseconds, the precision of Redis.
func Instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}
