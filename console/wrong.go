package console

import (
	"errors"
	"slices"
	"strings"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/console/bulk"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// wrongField is a FieldError with a text that pages translate into the language of the user.
type wrongField struct {
	*task.FieldError
	key  string // of the text
	args []any
}

func (w *wrongField) Unwrap() error { return w.FieldError }

// wrong returns the error of a field: a FieldError in English.
func wrong(field, key string, args ...any) error {
	return &wrongField{&task.FieldError{Field: field, Msg: translate("en", key, args...)}, key, args}
}

// refusalTexts are the keys of the texts of refusals by the store and by bulk jobs. The errors have more details.
var refusalTexts = []struct {
	err error
	key string
}{
	{pool.ErrEnded, "refusal.ended"}, {pool.ErrNotEnded, "refusal.not_ended"}, {pool.ErrNotFound, "refusal.not_found"},
	{pool.ErrNotScheduled, "refusal.not_scheduled"}, {pool.ErrNotWaiting, "refusal.not_waiting"}, {pool.ErrUniqueTaken, "refusal.unique"},
	{pool.ErrShardsLive, "refusal.shards"}, {pool.ErrDenied, "refusal.denied"}, {pool.ErrNoTrigger, "refusal.no_trigger"},
	{pool.ErrNoReject, "refusal.no_reject"}, {pool.ErrNoReplica, "refusal.no_replica"}, {pool.ErrNoQueue, "refusal.no_queue"},
	{pool.ErrQueueFull, "refusal.queue_full"}, {pool.ErrQueueInUse, "refusal.queue_in_use"}, {pool.ErrLimitReached, "refusal.limit"},
	{pool.ErrRejectCut, "refusal.reject_cut"}, {redisstore.ErrBulkJobs, "refusal.bulk_jobs"}, {bulk.ErrBusy, "refusal.bulk_busy"},
	{redisstore.ErrTooManyAlertRules, "refusal.alert_rules"}, {redisstore.ErrTooManySilences, "refusal.silences"},
}

// said returns the text of an error for a page. In English this is the text of the error. In another language it is the
// translation of a wrong field, or the meaning of the error, followed by its text.
func (q *request) said(err error) string {
	if q.lang == "en" {
		return err.Error()
	}
	var field *wrongField
	if errors.As(err, &field) {
		return field.Field + " " + q.T(field.key, field.args...)
	}
	var means []string
	for _, r := range refusalTexts {
		if errors.Is(err, r.err) {
			means = append(means, q.T(r.key))
		}
	}
	if len(means) == 0 {
		return q.meaning(err.Error())
	}
	return q.T("refusal.means", strings.Join(means, q.T("refusal.and")), err.Error())
}

// saidAll returns the arguments of a text, with errors and roles in the language of the user.
func (q *request) saidAll(args []any) []any {
	args = slices.Clone(args)
	for i, a := range args {
		switch a := a.(type) {
		case error:
			args[i] = q.said(a)
		case access.Role:
			args[i] = q.T("role." + a.String())
		}
	}
	return args
}
