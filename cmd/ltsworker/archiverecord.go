package main

import (
	"encoding/json"

	"github.com/ltsworker/ltsworker/archive"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/task"
)

// archivedRecord is a generation of a task in JSON output. Bytes from other programs are in one of
// three fields: see record.Task.
type archivedRecord struct {
	ID             string               `json:"id"`
	Kind           string               `json:"kind"`
	Queue          string               `json:"queue"`
	State          task.State           `json:"state"`
	Group          string               `json:"group,omitempty"`
	Code           task.Code            `json:"code,omitempty"`
	Error          string               `json:"error,omitempty"`
	Generation     int                  `json:"generation"`
	Attempt        int64                `json:"attempt"`
	Version        int64                `json:"v"`
	Replica        string               `json:"replica,omitempty"`
	CreatedAt      string               `json:"created_at"`
	CreatedKnown   bool                 `json:"created_known"`
	StartedAt      string               `json:"started_at,omitempty"`
	EndedAt        string               `json:"ended_at,omitempty"`
	WaitMS         int64                `json:"wait_ms"`
	RunMS          int64                `json:"run_ms"`
	Complete       bool                 `json:"complete"`
	RecordVersion  int64                `json:"record_v"`
	Priority       int8                 `json:"priority"`
	Unique         string               `json:"unique,omitempty"`
	Failures       int                  `json:"failures"`
	Lost           int                  `json:"lost"`
	Headers        map[string]string    `json:"headers,omitempty"`
	Payload        json.RawMessage      `json:"payload,omitempty"`
	PayloadText    string               `json:"payload_text,omitempty"`
	PayloadBase64  []byte               `json:"payload_base64,omitempty"`
	Progress       json.RawMessage      `json:"progress,omitempty"`
	ProgressText   string               `json:"progress_text,omitempty"`
	ProgressBase64 []byte               `json:"progress_base64,omitempty"`
	Result         json.RawMessage      `json:"result,omitempty"`
	ResultText     string               `json:"result_text,omitempty"`
	ResultBase64   []byte               `json:"result_base64,omitempty"`
	ResultBytes    int                  `json:"result_bytes,omitempty"` // of a result that was not read
	Exported       bool                 `json:"exported,omitempty"`     // the result is the reference of its exporter
	Orphan         string               `json:"orphan,omitempty"`
	Attempts       []record.AttemptInfo `json:"attempts,omitempty"`
	Events         []archivedEvent      `json:"events,omitempty"`
}

type archivedEvent struct {
	Version int64      `json:"v"`
	At      string     `json:"at"`
	State   task.State `json:"state"`
	Code    task.Code  `json:"code,omitempty"`
	Attempt int64      `json:"attempt"`
	Replica string     `json:"replica,omitempty"`
	WaitMS  int64      `json:"wait_ms"`
	RunMS   int64      `json:"run_ms"`
	Error   string     `json:"error,omitempty"`
}

func recordArchived(r archive.Record) archivedRecord {
	out := archivedRecord{
		ID: r.ID, Kind: r.Kind, Queue: r.Queue, State: r.State, Group: r.Group, Code: r.Code, Error: r.Error, Generation: r.Generation,
		Attempt: r.Attempt, Version: r.Version, Replica: r.Replica, CreatedAt: record.Instant(r.CreatedAt), CreatedKnown: r.CreatedKnown,
		StartedAt: record.Instant(r.StartedAt), EndedAt: record.Instant(r.EndedAt), WaitMS: r.Wait.Milliseconds(), RunMS: r.Run.Milliseconds(),
		Complete: r.Complete, RecordVersion: r.RecordVersion, Priority: r.Priority, Unique: r.Unique, Failures: r.Failures, Lost: r.Lost,
		Headers: r.Headers, ResultBytes: r.ResultBytes, Exported: r.Exported, Orphan: r.Orphan,
	}
	out.Payload, out.PayloadText, out.PayloadBase64 = record.Forms(r.Payload)
	out.Progress, out.ProgressText, out.ProgressBase64 = record.Forms(r.Progress)
	out.Result, out.ResultText, out.ResultBase64 = record.Forms(r.Result)
	for _, a := range r.Attempts {
		out.Attempts = append(out.Attempts, record.AttemptInfo{Attempt: a.Attempt, Code: a.Code, At: record.Instant(a.EndedAt), RunMS: a.Run.Milliseconds(),
			Replica: a.Replica, Host: a.Host, IP: a.IP, Error: a.Error, Log: a.Log, LogSize: a.LogSize})
	}
	for _, e := range r.Events {
		out.Events = append(out.Events, archivedEvent{e.Version, record.Instant(e.At), e.State, e.Code, e.Attempt, e.Replica, e.Wait.Milliseconds(), e.Run.Milliseconds(), e.Error})
	}
	return out
}
