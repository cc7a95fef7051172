package redisstore

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/worker"
)

// The bounds of one script call: it keeps Redis from everything else, for less
// than ten milliseconds also in a pool of a million tasks.
const (
	maxReports     = 250
	maxReportBytes = 4 << 20 // of results, errors and logs; one report always fits
	maxHeld        = 250
)

// Exchange delivers reports and claims tasks in one round trip: one call or a few
// per kind of report and one per claim, reports first.
func (s *Store) Exchange(ctx context.Context, reports []worker.Report, claims []worker.Claim) ([]worker.Verdict, []worker.Claimed, error) {
	asked := claimedQueues(claims)
	parts := split(reports)
	steps := make([]*step, 0, len(parts)+len(claims))
	for _, at := range parts {
		steps = append(steps, reportStep(asked, reports, at))
	}
	for _, c := range claims {
		steps = append(steps, &step{script: claimScript, args: []any{
			c.Replica, c.Queue, c.N, c.Lease.Milliseconds(), c.Grace.Milliseconds(), c.Call,
		}})
	}
	if len(steps) == 0 {
		return nil, nil, nil
	}
	if err := s.knowsSchema(ctx); err != nil {
		return nil, nil, s.fail(ctx, "exchange", err)
	}
	if err := s.pipe(ctx, s.rdb, steps...); err != nil {
		return nil, nil, s.fail(ctx, "exchange", err)
	}

	verdicts := make([]worker.Verdict, len(reports))
	for part, at := range parts {
		r := readReply("report", steps[part].reply)
		for j, v := range r.verdicts(len(at)) {
			verdicts[at[j]] = v
		}
		if r.err != nil {
			return nil, nil, r.err
		}
	}
	answers := make([]worker.Claimed, len(claims))
	for i := range claims {
		var err error
		if answers[i], err = decodeClaimed(steps[len(parts)+i].reply, claims[i]); err != nil {
			return nil, nil, err
		}
	}
	return verdicts, answers, nil
}

// split puts the indexes of the reports into parts, one per script call: of one Op
// each, in their order.
func split(reports []worker.Report) [][]int {
	var parts [][]int
	for _, op := range []worker.Op{worker.Succeed, worker.Fail, worker.Release} {
		var part []int
		bytes := 0
		for i := range reports {
			r := &reports[i]
			if r.Op != op {
				continue
			}
			size := len(r.Result) + len(r.Error) + len(r.Log)
			if len(part) == maxReports || len(part) > 0 && bytes+size > maxReportBytes {
				parts, part, bytes = append(parts, part), nil, 0
			}
			part, bytes = append(part, i), bytes+size
		}
		if len(part) > 0 {
			parts = append(parts, part)
		}
	}
	return parts
}

// claimedQueues names the queues that the same round trip claims from: reports
// need not leave markers there.
func claimedQueues(claims []worker.Claim) string {
	var names []string
	for _, c := range claims {
		if c.N > 0 {
			names = append(names, c.Queue)
		}
	}
	return strings.Join(names, " ")
}

// reportStep is the call for the reports at some indexes, all of one Op.
func reportStep(asked string, reports []worker.Report, at []int) *step {
	st := &step{args: make([]any, 0, 2+6*len(at))}
	st.args = append(st.args, asked)
	switch reports[at[0]].Op {
	case worker.Succeed:
		st.script = succeedScript
		for _, i := range at {
			r := &reports[i]
			st.args = append(st.args, r.ID, r.Fence, string(r.Result), r.Result != nil)
		}
	case worker.Fail:
		st.script = failScript
		st.args = append(st.args, seed())
		for _, i := range at {
			r := &reports[i]
			var delay any = ""
			if r.DelaySet {
				delay = r.Delay.Milliseconds()
			}
			st.args = append(st.args, r.ID, r.Fence, string(r.Code), r.Error, r.Log, delay)
		}
	default:
		st.script = releaseScript
		for _, i := range at {
			r := &reports[i]
			st.args = append(st.args, r.ID, r.Fence, string(r.Code), r.Delay.Milliseconds())
		}
	}
	return st
}

// seed feeds the scripts' random numbers, which would be the same in every call
// without it.
func seed() int { return int(rand.Int32()) }

// verdicts takes the next n values as verdicts.
func (r *replyReader) verdicts(n int) []worker.Verdict {
	vs := make([]worker.Verdict, n)
	for i := range vs {
		vs[i] = worker.Verdict(r.string())
	}
	return vs
}

func decodeClaimed(reply any, claim worker.Claim) (worker.Claimed, error) {
	r := readReply("claim", reply)
	nowMS := r.int()
	c := worker.Claimed{Now: time.UnixMilli(nowMS), Next: time.Duration(r.int()) * time.Millisecond}
	if r.more() {
		c.Tasks = make([]*worker.Task, 0, len(r.vals)/5)
	}
	for r.more() {
		id, attempt, fence, left := r.string(), r.int(), r.int(), r.int()
		t := r.task(id, claim.Queue)
		if r.err != nil {
			break
		}
		if t.State != worker.Running {
			t.StartedAt = c.Now // else it is the answer to a repeated call, and its lease began long ago
		}
		t.State, t.Attempt, t.Fence, t.Replica = worker.Running, attempt, fence, claim.Replica
		t.TimeLeft = worker.Forever
		if left > 0 {
			t.TimeLeft = time.Duration(left) * time.Millisecond
		}
		c.Tasks = append(c.Tasks, t)
	}
	return c, r.err
}

// task takes the rest of a claimed task: kind, payload and created_at of a plain
// one, or a list of all fields and values.
func (r *replyReader) task(id, queue string) *worker.Task {
	what := r.next()
	if kind, ok := what.(string); ok {
		t := &worker.Task{Version: 1}
		t.ID, t.Queue, t.Kind, t.Payload = id, queue, kind, []byte(r.string())
		t.CreatedAt = time.UnixMilli(r.int())
		return t
	}
	flat := readReply(r.what, what)
	values := flat.strings()
	if flat.err != nil && r.err == nil {
		r.err = flat.err
	}
	return decodeTask(id, values)
}

// Renew extends leases and is the replica's heartbeat. The verdicts are valid with
// ErrNotJoined and ErrDrain, too.
func (s *Store) Renew(ctx context.Context, r worker.Renewal) ([]worker.Verdict, error) {
	parts := slices.Collect(slices.Chunk(r.Held, maxHeld))
	if len(parts) == 0 {
		parts = append(parts, nil)
	}
	if err := s.knowsSchema(ctx); err != nil {
		return nil, s.fail(ctx, "renew", err)
	}
	steps := make([]*step, len(parts))
	for i, held := range parts {
		args := make([]any, 0, 6+4*len(held))
		args = append(args, r.Replica, r.Lease.Milliseconds(), r.Grace.Milliseconds(), r.Stuck, len(r.Held), r.Draining)
		for _, h := range held {
			args = append(args, h.ID, h.Fence, string(h.Progress), h.Slow)
		}
		steps[i] = &step{script: renewScript, args: args}
	}
	if err := s.pipe(ctx, s.rdb, steps...); err != nil {
		return nil, s.fail(ctx, "renew", err)
	}
	verdicts := make([]worker.Verdict, 0, len(r.Held))
	joined, drain := true, false
	for i, held := range parts {
		reply := readReply("renew", steps[i].reply)
		verdicts = append(verdicts, reply.verdicts(len(held))...)
		listed := reply.int()
		joined, drain = joined && listed > 0, drain || listed == 2
		if reply.err != nil {
			return nil, reply.err
		}
	}
	if !joined {
		return verdicts, s.fail(ctx, "renew", worker.ErrNotJoined)
	}
	if drain {
		return verdicts, s.fail(ctx, "renew", worker.ErrDrain)
	}
	return verdicts, nil
}
