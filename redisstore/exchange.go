package redisstore

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/worker"
)

// Exchange delivers reports and claims tasks in one round trip: at most one call
// per kind of report and one per claim, reports first.
func (s *Store) Exchange(ctx context.Context, reports []worker.Report, claims []worker.Claim) ([]worker.Verdict, []worker.Claimed, error) {
	steps := make([]*step, 0, 3+len(claims))
	asked := claimedQueues(claims)
	groups := [3][]int{} // indexes of the reports by Op
	for i := range reports {
		op := reports[i].Op
		groups[op] = append(groups[op], i)
	}
	for op, at := range groups {
		if len(at) > 0 {
			steps = append(steps, reportStep(worker.Op(op), asked, reports, at))
		}
	}
	reportSteps := len(steps)
	for _, c := range claims {
		steps = append(steps, &step{script: claimScript, args: []any{
			c.Replica, c.Queue, c.N, c.Lease.Milliseconds(), c.Grace.Milliseconds(), c.Call,
		}})
	}
	if len(steps) == 0 {
		return nil, nil, nil
	}
	if err := s.pipe(ctx, s.rdb, steps...); err != nil {
		return nil, nil, s.fail("exchange", err)
	}

	verdicts := make([]worker.Verdict, len(reports))
	done := 0
	for _, at := range groups {
		if len(at) == 0 {
			continue
		}
		got, err := decodeVerdicts("report", steps[done].reply, len(at))
		if err != nil {
			return nil, nil, err
		}
		for j, i := range at {
			verdicts[i] = got[j]
		}
		done++
	}
	answers := make([]worker.Claimed, len(claims))
	for i := range claims {
		var err error
		if answers[i], err = decodeClaimed(steps[reportSteps+i].reply, claims[i].Replica); err != nil {
			return nil, nil, err
		}
	}
	return verdicts, answers, nil
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

func reportStep(op worker.Op, asked string, reports []worker.Report, at []int) *step {
	st := &step{args: make([]any, 0, 2+6*len(at))}
	st.args = append(st.args, asked)
	switch op {
	case worker.Succeed:
		st.script = succeedScript
		for _, i := range at {
			r := &reports[i]
			has := 0
			if r.Result != nil {
				has = 1
			}
			st.args = append(st.args, r.ID, r.Fence, string(r.Result), has)
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

func decodeVerdicts(what string, reply any, n int) ([]worker.Verdict, error) {
	r := readReply(what, reply)
	verdicts := make([]worker.Verdict, n)
	for i := range verdicts {
		verdicts[i] = worker.Verdict(r.string())
	}
	return verdicts, r.err
}

func decodeClaimed(reply any, replica string) (worker.Claimed, error) {
	r := readReply("claim", reply)
	nowMS := r.int()
	c := worker.Claimed{Now: time.UnixMilli(nowMS), Next: time.Duration(r.int()) * time.Millisecond}
	if r.more() {
		c.Tasks = make([]*worker.Task, 0, len(r.vals))
	}
	for r.more() {
		item := r.list()
		id, fence, left := item.string(), item.int(), item.int()
		flat := item.list()
		values := flat.strings()
		if item.err != nil || flat.err != nil {
			r.fail("a claimed task", item.vals)
			break
		}
		t, err := decodeTask(id, values)
		if err != nil {
			return c, err
		}
		t.State, t.Attempt, t.Replica, t.StartedAt = worker.Running, fence, replica, c.Now
		t.TimeLeft = worker.Forever
		if left > 0 {
			t.TimeLeft = time.Duration(left) * time.Millisecond
		}
		c.Tasks = append(c.Tasks, t)
	}
	return c, r.err
}

// Renew extends leases and is the replica's heartbeat.
func (s *Store) Renew(ctx context.Context, r worker.Renewal) ([]worker.Verdict, error) {
	args := make([]any, 0, 4+4*len(r.Held))
	args = append(args, r.Replica, r.Lease.Milliseconds(), r.Grace.Milliseconds(), r.Stuck)
	for _, h := range r.Held {
		slow := 0
		if h.Slow {
			slow = 1
		}
		args = append(args, h.ID, h.Fence, string(h.Progress), slow)
	}
	reply, err := s.run(ctx, renewScript, args...)
	if err != nil {
		return nil, s.fail("renew", err)
	}
	return decodeVerdicts("renew", reply, len(r.Held))
}
