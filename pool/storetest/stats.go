package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var statsRules = []rule{
	{"StatsCountEveryState", statsCountEveryState},
	{"CountsAddUpAtEverySample", countsAddUp},
	{"WaitingSinceChecksEveryPriority", waitingSince},
	{"RatesCountEnqueuedAndEndedTasks", ratesCountTasks},
}

func ratesCountTasks(fx *fixture) {
	specs := make([]task.Spec, 30)
	for i := range specs {
		specs[i].Queue = []string{"q", "q", "p"}[i%3]
	}
	fx.enqueueAll(specs...)
	fx.Push(fx, `{"kind":"k","queue":"i"}`)
	fx.admit()
	for _, t := range fx.claim("q", 8) {
		fx.accept(succeed(t))
	}
	fx.stop(fx.enqueue(task.Spec{Queue: "p", Delay: time.Hour}))
	fx.accept(fail(fx.claim("p", 1)[0], task.CodePermanent))
	rates, err := fx.Store.Rates(fx.ctx, time.Minute)
	fx.noError(err)
	for queue, want := range map[string]task.QueueRate{"q": {In: 20, Out: 8}, "p": {In: 11, Out: 2}, "i": {In: 1}, "none": {}} {
		// The current step counts too, so the window is slightly longer than a minute.
		got := rates[queue]
		for _, r := range [][2]float64{{got.In, want.In}, {got.Out, want.Out}} {
			if r[0] > r[1]/60 || r[0] < r[1]/66 {
				fx.Errorf("%s: %+v, want %+v by about a minute", queue, got, want)
			}
		}
	}
}

func statsCountEveryState(fx *fixture) {
	fx.limit(task.GroupScope, "g", 1)
	fx.enqueueAll(task.Spec{Queue: "q", Group: "g"}, task.Spec{Queue: "q", Group: "g"}, task.Spec{Queue: "q"},
		task.Spec{Queue: "q", Delay: time.Hour}, task.Spec{Queue: "p"})
	fx.claim("q", 1)
	fx.accept(succeed(fx.claim("p", 1)[0]))
	fx.stop(fx.enqueue(task.Spec{Queue: "p"}))
	fx.enqueue(task.Spec{Queue: "held", Group: "g"})
	s := fx.stats()
	want := []task.QueueInfo{{Name: "held", Waiting: 1, GroupsFull: true}, {Name: "p"}, {Name: "q", Waiting: 2, Running: 1}}
	if d := cmp.Diff(want, s.Queues); d != "" {
		fx.Error("queues (-want +got):\n", d)
	}
	if s.Scheduled != 1 || s.Waiting != 3 || s.Running != 1 || s.Enqueued != 7 || s.Ended[task.Succeeded] != 1 ||
		s.Ended[task.Stopped] != 1 || s.Kept[task.Stopped] != 1 || s.Kept[task.Succeeded] != 0 || s.Events == 0 {
		fx.Errorf("stats %+v", s)
	}
}

func countsAddUp(fx *fixture) {
	fx.limit(task.GroupsScope, "", 2)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range 3 {
		replica := fmt.Sprint("r", i)
		fx.ensureJoined(replica)
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			for call := int64(1); call < 25; call++ {
				specs := make([]task.Spec, rng.IntN(8))
				for i := range specs {
					specs[i] = task.Spec{Kind: "k", Group: []string{"", "g", "h"}[rng.IntN(3)], Delay: time.Duration(rng.IntN(2)) * time.Millisecond,
						MaxAttempts: 1 + rng.IntN(2), TTL: time.Duration(2+rng.IntN(20)) * time.Millisecond}
				}
				if _, err := fx.Store.Enqueue(fx.ctx, specs); err != nil {
					fx.Error(err)
				}
				got, err := fx.Store.Exchange(fx.ctx, task.Exchange{Replica: replica, Sequence: 1, Call: call, Lease: 10 * time.Millisecond, Grace: grace,
					Claims: []task.Claim{{Queue: task.DefaultQueue, N: 6}}})
				if err != nil {
					fx.Error(err)
					return
				}
				var reports []task.Report
				for _, t := range tasks(got) {
					switch rng.IntN(5) {
					case 0:
						reports = append(reports, succeed(t))
					case 1:
						reports = append(reports, failIn(t, 0))
					case 2:
						reports = append(reports, release(t, time.Millisecond))
					case 3:
						cs, err := fx.Store.Stop(fx.ctx, "", t.ID)
						if err != nil || len(cs) != 1 {
							fx.Error(cs, err)
						}
						reports = append(reports, fail(t, task.CodeStopped))
					} // other tasks are not reported: their leases end
				}
				if _, err := fx.Store.Exchange(fx.ctx, task.Exchange{Replica: replica, Sequence: 2, Call: call, Lease: lease, Grace: grace, Reports: reports}); err != nil {
					fx.Error(err)
				}
				if _, err := fx.Store.Maintain(fx.ctx, "keeper"); err != nil {
					fx.Error(err)
				}
				for _, r := range reports {
					if _, err := fx.Store.Retry(fx.ctx, task.Edit{}, r.ID); err != nil {
						fx.Error(err)
					}
				}
			}
		})
	}
	sampled := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				sampled <- n
				return
			default:
				n++
				fx.checkTotals()
			}
		}
	}()
	wg.Wait()
	close(stop)
	if n := <-sampled; n == 0 {
		fx.Error("no sample was taken")
	}
}

func waitingSince(fx *fixture) {
	begin := fx.Now(fx)
	first := fx.enqueue(task.Spec{Queue: "q", Priority: -128})
	fx.enqueueAll(task.Spec{Queue: "q", Priority: 127}, task.Spec{Queue: "q"}, task.Spec{Queue: "p", Delay: time.Hour})
	since, now, err := fx.Store.WaitingSince(fx.ctx, "p", "q", "none")
	fx.noError(err)
	created := func(id string) time.Time {
		tasks, err := fx.Store.Get(fx.ctx, id)
		fx.noError(err)
		return tasks[0].CreatedAt
	}
	if d := cmp.Diff(map[string]time.Time{"q": created(first)}, since); d != "" {
		fx.Error("waiting since (-want +got):\n", d)
	}
	if now.Before(begin.Add(-time.Millisecond)) || now.Before(since["q"]) {
		fx.Errorf("now is %v, before %v", now, begin)
	}
	fx.claim("q", 3)
	if since, _, err = fx.Store.WaitingSince(fx.ctx, "q"); err != nil || len(since) > 0 {
		fx.Errorf("nothing waits, but got %v, %v", since, err)
	}
}
