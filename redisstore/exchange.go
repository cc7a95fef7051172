package redisstore

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ltsworker/ltsworker/task"
)

// Exchange reports ends of attempts and claims tasks in one script call.
func (s *Store) Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error) {
	if err := checkExchange(&x); err != nil {
		return task.Exchanged{}, err
	}
	class := ""
	if !x.Closed {
		var err error
		if class, err = s.classOf(ctx, x.Replica); err != nil {
			return task.Exchanged{}, s.fail(ctx, "exchange", err)
		}
	}
	order := reportOrder(x.Reports)
	reply, err := s.run(ctx, exchangeScript, exchangeArgs(&x, class, order)...)
	if err != nil {
		return task.Exchanged{}, s.fail(ctx, "exchange", err)
	}
	got, joined, err := decodeExchange(reply, &x, order)
	if err == nil && !joined {
		err = s.fail(ctx, "exchange", task.ErrNotJoined)
	}
	return got, err
}

// checkExchange returns an error for a call that would take too long.
func checkExchange(x *task.Exchange) error {
	tasks := 0
	for _, c := range x.Claims {
		tasks += c.N
	}
	if len(x.Reports) > task.MaxReports || len(x.Claims) > task.MaxQueues || tasks > task.MaxClaim || len(x.Busy) > 4*task.MaxQueues {
		return fmt.Errorf("exchange: %d reports, %d claims of %d tasks and %d busy queues are too many for one call: at most %d, %d of %d and %d",
			len(x.Reports), len(x.Claims), tasks, len(x.Busy), task.MaxReports, task.MaxQueues, task.MaxClaim, 4*task.MaxQueues)
	}
	return nil
}

// reportOrder returns the indexes of the reports in the order in which they are sent: by
// queue, claim and op.
func reportOrder(reports []task.Report) []int {
	order := make([]int, len(reports))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		a, b := &reports[i], &reports[j]
		if c := strings.Compare(a.Queue, b.Queue); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(a.Fence, b.Fence), strings.Compare(opOf(a), opOf(b)), cmp.Compare(i, j))
	})
	return order
}

// opOf returns the op of a report as the script names it. A + at its end means that the
// meta follows.
func opOf(r *task.Report) string {
	switch {
	case r.Stage && r.Meta != nil:
		return "export+"
	case r.Stage:
		return "export"
	case r.Meta != nil && r.InPlace:
		return "again+"
	case r.Meta != nil:
		return [...]string{task.Succeed: "log+", task.Fail: "fail+", task.Release: "release+", task.Detached: "detach+"}[r.Op]
	case r.Op == task.Fail && r.InPlace:
		return "again"
	case r.Op == task.Fail:
		return "fail"
	case r.Op == task.Release:
		return "release"
	case r.Op == task.Detached:
		return "detach"
	case r.Log != "":
		return "log"
	case r.Result != nil:
		return "result"
	default:
		return "ok"
	}
}

// exchangeArgs returns the arguments of the exchange script. It passes strings by
// reference: a string in an interface would be an allocation each.
func exchangeArgs(x *task.Exchange, class string, order []int) []any {
	args := make([]any, 0, 12+len(x.Busy)+8*len(x.Claims)+3*len(order))
	args = append(args, x.Replica, x.Sequence, x.Call, x.Lease.Milliseconds(), x.Grace.Milliseconds(), class, x.Idle, seed(), len(x.Busy))
	for i := range x.Busy {
		args = append(args, &x.Busy[i])
	}
	args = appendReports(args, x.Reports, order)
	args = append(args, len(x.Claims))
	for i := range x.Claims {
		args = append(args, &x.Claims[i].Queue, x.Claims[i].N)
	}
	return args
}

// appendReports appends the reports, grouped by queue, and within a queue by claim and op.
func appendReports(args []any, reports []task.Report, order []int) []any {
	at := len(args) // index of the number of queues
	args = append(args, 0)
	queues, groups, group := 0, 0, 0 // groups: index of the number of groups; group: index of the first argument of a group
	for n, i := range order {
		r := &reports[i]
		var before *task.Report
		if n > 0 {
			before = &reports[order[n-1]]
		}
		if before == nil || before.Queue != r.Queue {
			queues++
			groups = len(args) + 1
			args = append(args, &r.Queue, 0)
		}
		if op := opOf(r); groups > group || before.Fence != r.Fence || opOf(before) != op {
			args[groups] = args[groups].(int) + 1
			group = len(args)
			args = append(args, op, r.Fence, false, 0)
		}
		if r.Last {
			args[group+2] = true
		}
		args[group+3] = args[group+3].(int) + 1
		args = appendReport(args, r)
	}
	args[at] = queues
	return args
}

func appendReport(args []any, r *task.Report) []any {
	args = append(args, &r.ID)
	switch {
	case r.Op == task.Fail:
		var delay any = ""
		if r.DelaySet {
			delay = r.Delay.Milliseconds()
		}
		args = append(args, &r.Log, logSize(r.LogSize), string(r.Code), &r.Error, delay)
	case r.Op == task.Release:
		code := string(r.Code)
		if r.Elsewhere {
			code = "elsewhere"
		}
		args = append(args, &r.Log, logSize(r.LogSize), code, r.Delay.Milliseconds())
	case r.Op == task.Detached:
		args = append(args, &r.Log, logSize(r.LogSize), r.Delay.Milliseconds())
	case r.Stage:
		args = append(args, &r.Log, logSize(r.LogSize), r.Result, resultForm(r.Result))
	case r.Log != "" || r.Meta != nil:
		result := r.Result
		if result == nil {
			result = []byte{}
		}
		args = append(args, &r.Log, logSize(r.LogSize), r.Result != nil, result, resultForm(result))
	case r.Result != nil:
		args = append(args, r.Result, resultForm(r.Result))
	}
	if r.Meta != nil {
		args = append(args, metaJSON(r.Meta))
	}
	return args
}

// metaJSON encodes the meta of a report: strings in UTF-8, which always encode.
func metaJSON(m task.Meta) []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// resultForm returns how a reply list contains a result: as JSON, as a string (text), or
// only its length (bytes).
func resultForm(result []byte) string {
	switch {
	case !utf8.Valid(result):
		return "bytes"
	case json.Valid(result):
		return "json"
	default:
		return "text"
	}
}

// The verdicts by the letters that the scripts return.
var (
	reportVerdicts = map[byte]task.Verdict{'o': task.Accepted, 'a': task.Again, 'l': task.LeaseLost, 'g': task.Gone}
	claimVerdicts  = map[byte]task.Verdict{'k': task.Kept, 'l': task.LeaseLost, 'r': task.Recount}
)

// decodeExchange decodes the reply to a call whose reports were sent in the given order.
// joined is true if the replica is on the list of the pool.
func decodeExchange(reply any, x *task.Exchange, order []int) (got task.Exchanged, joined bool, err error) {
	r := readReply("exchange", reply)
	got.Now = time.UnixMilli(r.int())
	got.Next = time.Duration(r.int()) * time.Millisecond
	got.Verdicts = r.reportVerdicts(order)
	got.Short = r.short(len(x.Claims))
	got.Ready = strings.Fields(r.string())
	got.Stops = r.attempts()
	state := r.int()
	got.Drain = state == 1
	if n := len(r.vals) / 4; n > 0 {
		got.Claimed = make([]task.Claimed, 0, n)
	}
	for r.more() {
		got.Claimed = append(got.Claimed, r.claimed(x.Replica))
	}
	if r.err != nil {
		return task.Exchanged{}, false, r.err
	}
	return got, state != 2, nil
}

// reportVerdicts takes the verdicts on the reports that were sent in the given order. An
// empty string means that all were accepted.
func (r *replyReader) reportVerdicts(order []int) []task.Verdict {
	verdicts := make([]task.Verdict, len(order))
	text := r.string()
	for i, at := range order {
		verdicts[at] = task.Accepted
		if text != "" {
			verdicts[at] = r.verdict(text, i, reportVerdicts)
		}
	}
	return verdicts
}

// verdict returns the verdict for the i-th letter of a text.
func (r *replyReader) verdict(text string, i int, letters map[byte]task.Verdict) task.Verdict {
	if i >= len(text) || letters[text[i]] == "" {
		r.fail("a verdict", text)
		return ""
	}
	return letters[text[i]]
}

// short takes a letter per claim: whether its queue has no more claimable tasks for now.
func (r *replyReader) short(n int) []bool {
	text := r.string()
	short := make([]bool, n)
	for i := range short {
		short[i] = i >= len(text) || text[i] == 's' // fewer letters: nothing was claimed
	}
	return short
}

// attempts takes lines with a fence and an id. It leaves out damaged ones.
func (r *replyReader) attempts() (attempts []task.Attempt) {
	for line := range strings.Lines(r.string()) {
		w := words{rest: strings.TrimSuffix(line, "\n")}
		a := task.Attempt{Fence: w.int(), ID: w.next()}
		if w.bad || w.rest != "" {
			continue // the set was damaged
		}
		if a.Fence < 0 {
			a.Fence, a.Reported = -a.Fence, true
		}
		attempts = append(attempts, a)
	}
	return attempts
}
