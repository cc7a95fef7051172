package console

import (
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/task"
)

type apiAlertList struct {
	At          string         `json:"at"`
	Owner       string         `json:"owner,omitempty"`        // the process that evaluates the rules
	EvaluatedAt string         `json:"evaluated_at,omitempty"` // the last evaluation
	Alerts      []record.Alert `json:"alerts"`
}

func (q *request) apiAlerts() (any, error) {
	s, err := alert.ReadState(q.Context(), q.site.store)
	if err != nil {
		return nil, err
	}
	return apiAlertList{At: record.Instant(s.Now), Owner: s.Owner, EvaluatedAt: record.Instant(s.At), Alerts: record.Alerts(&s)}, nil
}

type apiAlertHistory struct {
	History []record.AlertMessage `json:"history"`
	Next    string                `json:"next,omitempty"`
}

func (q *request) apiAlertHistory() (any, error) {
	limit, err := q.count("limit", recentAlerts, mostChosen)
	if err != nil {
		return nil, err
	}
	after, err := q.cursor("after")
	if err != nil {
		return nil, err
	}
	log, err := q.site.store.AlertLog(q.Context(), after, limit)
	if err != nil {
		return nil, err
	}
	list := apiAlertHistory{History: []record.AlertMessage{}}
	for i := range log {
		list.History = append(list.History, record.OfAlertMessage(&log[i]))
	}
	if len(log) == limit {
		list.Next = log[len(log)-1].ID
	}
	return list, nil
}

type apiSilenceList struct {
	At       string           `json:"at"`
	Silences []record.Silence `json:"silences"`
}

func (q *request) apiSilences() (any, error) {
	s, err := alert.ReadState(q.Context(), q.site.store)
	if err != nil {
		return nil, err
	}
	list := apiSilenceList{At: record.Instant(s.Now), Silences: []record.Silence{}}
	for i := range s.Silences {
		list.Silences = append(list.Silences, record.OfSilence(&s.Silences[i], s.Now))
	}
	return list, nil
}

// silenceBody begins a silence.
type silenceBody struct {
	Rule  string `json:"rule"`
	Queue string `json:"queue"`
	Kind  string `json:"kind"`
	Group string `json:"group"`
	ForMS *int64 `json:"for_ms"`
	reasoned
}

func (q *request) apiSilence() (any, error) {
	var body silenceBody
	if err := q.decode(&body); err != nil {
		return nil, err
	}
	if body.ForMS == nil {
		return nil, &task.FieldError{Field: "for_ms", Msg: "is missing: it is the length of the silence in milliseconds"}
	}
	const most = math.MaxInt64 / int64(time.Millisecond)
	length := time.Duration(max(min(*body.ForMS, most), -most)) * time.Millisecond
	s := alert.Silence{Rule: body.Rule, Queue: body.Queue, Kind: body.Kind, Group: body.Group, By: q.user.Name, Reason: q.reason()}
	if err := s.Check(length); err != nil {
		for _, field := range task.FieldErrors(err) {
			if field.Field == "for" { // the name of the field in the form
				field.Field = "for_ms"
			}
		}
		return nil, err
	}
	if err := q.record(q.silencing(&s, length)); err != nil {
		return nil, err
	}
	return answer{status: http.StatusCreated, value: record.OfSilence(&s, s.From)}, nil
}

func (q *request) apiUnsilence() (any, error) {
	id := q.PathValue("id")
	_, err := q.apiAct(q.unsilencing(id))
	if errors.Is(err, alert.ErrNoSilence) {
		return nil, notFound("silence", id)
	}
	return empty, err
}
