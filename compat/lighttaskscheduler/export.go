package lighttaskscheduler

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// exporter is the exporter of the pool that saves with a persistencer.
type exporter struct {
	TaskdataPersistencer
	own *Combination // learns of saves
}

// export returns the configuration of the exporter. limit is how many tasks run at once.
func (e *exporter) export(limit int) pool.Export {
	return pool.Export{Exporter: e, Workers: min(limit, 1000), Timeout: callTimeout, Backoff: retryBackoff}
}

// staged is a result that waits in Redis for its save: the data, and the task as its try left
// it.
type staged struct {
	Start    time.Time       `json:"start"`
	Retries  int32           `json:"retries,omitempty"`
	Type     string          `json:"type,omitempty"`
	Item     json.RawMessage `json:"item,omitempty"`
	DataType string          `json:"data_type,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
}

// stage returns a result to stage; nil if Redis cannot keep the data: its type is not
// registered, JSON does not keep all of it, or it is too long.
func stage(own *Task, data any) []byte {
	s := staged{Start: own.TaskStartTime, Retries: own.TaskAttemptsTime}
	var err error
	if s.Type, s.Item, err = encodeItem(own.TaskItem); err != nil {
		return nil
	}
	if s.DataType, s.Data, err = encodeItem(data); err != nil {
		return nil
	}
	if back, err := decodeItem(s.DataType, s.Data); err != nil || !reflect.DeepEqual(back, data) {
		return nil
	}
	result, err := json.Marshal(s)
	if err != nil || len(result) > task.MaxStagedResult {
		return nil
	}
	return result
}

// maxSaves is how often a try calls GetOutput, or saves data that is not staged, before it
// fails.
const maxSaves = 10

// result returns the result of a try that has succeeded, for the exporter. Data that Redis
// cannot keep is saved before result returns.
func (e *exporter) result(ctx context.Context, own Task, output func() (any, error)) ([]byte, error) {
	own.TaskStatus = TASK_STATUS_EXPORTING
	var data any
	err := repeat(ctx, func() (err error) { data, err = output(); return err })
	if err != nil {
		return nil, err
	}
	if result := stage(&own, data); result != nil {
		return result, nil
	}
	e.own.exporting(ctx, own)
	return nil, repeat(ctx, func() error {
		asked := own
		return e.DataPersistence(ctx, &asked, data)
	})
}

// repeat repeats a call until it succeeds, at most maxSaves times.
func repeat(ctx context.Context, call func() error) error {
	for n := 1; ; n++ {
		err := call()
		if err == nil {
			return nil
		}
		if n == maxSaves || backoff.Sleep(ctx, backoff.Delay(n)) != nil {
			return fmt.Errorf("the data of the task cannot be saved (%d calls): %w", n, err)
		}
	}
}

// Save implements task.Exporter.
func (e *exporter) Save(ctx context.Context, r *task.Staged) (task.Reference, error) {
	var s staged
	if err := json.Unmarshal(r.Result, &s); err != nil {
		return nil, task.Permanent(fmt.Errorf("the staged result cannot be read: %w", err))
	}
	own, err := decodeTask(r.Payload)
	if err != nil {
		return nil, err
	}
	own.TaskStatus, own.TaskStartTime, own.TaskAttemptsTime = TASK_STATUS_EXPORTING, s.Start, s.Retries
	if own.TaskItem, err = decodeItem(s.Type, s.Item); err != nil {
		return nil, err
	}
	data, err := decodeItem(s.DataType, s.Data)
	if err != nil {
		return nil, err
	}
	e.own.exporting(ctx, own)
	if err := e.DataPersistence(ctx, &own, data); err != nil {
		return nil, err
	}
	ref, err := json.Marshal(own.TaskId)
	if len(ref) > task.MaxReference {
		return json.Marshal(r.ID)
	}
	return ref, err
}

// Load implements task.Exporter.
func (e *exporter) Load(ctx context.Context, ref task.Reference) ([]byte, error) {
	own, err := referred(ref)
	if err != nil {
		return nil, err
	}
	data, err := e.GetPersistenceData(ctx, own)
	if err != nil {
		return nil, err
	}
	return json.Marshal(data)
}

// Delete implements task.Exporter.
func (e *exporter) Delete(ctx context.Context, ref task.Reference) error {
	own, err := referred(ref)
	if err != nil {
		return err
	}
	return e.DeletePersistenceData(ctx, own)
}

// referred returns the task of a reference, with its id only.
func referred(ref task.Reference) (*Task, error) {
	own := &Task{TaskStatus: TASK_STATUS_SUCCESS}
	return own, json.Unmarshal(ref, &own.TaskId)
}
