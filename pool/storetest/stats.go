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
	{"WaitingSinceLooksAtEveryPriority", waitingSince},
	{"RatesCountWhatCameAndWent", ratesCount},
}

func ratesCount(b *bundle) {
	specs := make([]task.Spec, 30)
	for i := range specs {
		specs[i].Queue = []string{"q", "q", "p"}[i%3]
	}
	b.enqueueAll(specs...)
	b.Push(b, `{"kind":"k","queue":"i"}`)
	b.admit()
	for _, t := range b.claim("q", 8) {
		b.accept(succeed(t))
	}
	b.stop(b.enqueue(task.Spec{Queue: "p", Delay: time.Hour}))
	b.accept(fail(b.claim("p", 1)[0], task.CodePermanent))
	rates, err := b.Store.Rates(b.ctx, time.Minute)
	b.ok(err)
	for queue, want := range map[string]task.QueueRate{"q": {In: 20, Out: 8}, "p": {In: 11, Out: 2}, "i": {In: 1}, "none": {}} {
		// The begun step counts too, so the time is somewhat longer than a minute.
		got := rates[queue]
		for _, r := range [][2]float64{{got.In, want.In}, {got.Out, want.Out}} {
			if r[0] > r[1]/60 || r[0] < r[1]/66 {
				b.Errorf("%s: %+v, want %+v by about a minute", queue, got, want)
			}
		}
	}
}

func statsCountEveryState(b *bundle) {
	b.limit(task.GroupScope, "g", 1)
	b.enqueueAll(task.Spec{Queue: "q", Group: "g"}, task.Spec{Queue: "q", Group: "g"}, task.Spec{Queue: "q"},
		task.Spec{Queue: "q", Delay: time.Hour}, task.Spec{Queue: "p"})
	b.claim("q", 1)
	b.accept(succeed(b.claim("p", 1)[0]))
	b.stop(b.enqueue(task.Spec{Queue: "p"}))
	b.enqueue(task.Spec{Queue: "held", Group: "g"})
	s := b.stats()
	want := []task.QueueInfo{{Name: "held", Waiting: 1, GroupsFull: true}, {Name: "p"}, {Name: "q", Waiting: 2, Running: 1}}
	if d := cmp.Diff(want, s.Queues); d != "" {
		b.Error("queues (-want +got):\n", d)
	}
	if s.Scheduled != 1 || s.Waiting != 3 || s.Running != 1 || s.Enqueued != 7 || s.Ended[task.Succeeded] != 1 ||
		s.Ended[task.Stopped] != 1 || s.Kept[task.Stopped] != 1 || s.Kept[task.Succeeded] != 0 || s.Events == 0 {
		b.Errorf("stats %+v", s)
	}
}

func countsAddUp(b *bundle) {
	b.limit(task.GroupsScope, "", 2)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range 3 {
		replica := fmt.Sprint("r", i)
		b.present(replica)
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			for call := int64(1); call < 25; call++ {
				specs := make([]task.Spec, rng.IntN(8))
				for i := range specs {
					specs[i] = task.Spec{Kind: "k", Group: []string{"", "g", "h"}[rng.IntN(3)], Delay: time.Duration(rng.IntN(2)) * time.Millisecond,
						MaxAttempts: 1 + rng.IntN(2), TTL: time.Duration(1+rng.IntN(20)) * time.Millisecond}
				}
				if _, err := b.Store.Enqueue(b.ctx, specs); err != nil {
					b.Error(err)
				}
				got, err := b.Store.Exchange(b.ctx, task.Exchange{Replica: replica, Sequence: 1, Call: call, Lease: 10 * time.Millisecond, Grace: grace,
					Claims: []task.Claim{{Queue: task.DefaultQueue, N: 6}}})
				if err != nil {
					b.Error(err)
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
						cs, err := b.Store.Stop(b.ctx, "", t.ID)
						if err != nil || len(cs) != 1 {
							b.Error(cs, err)
						}
						reports = append(reports, fail(t, task.CodeStopped))
					} // and some are lost
				}
				if _, err := b.Store.Exchange(b.ctx, task.Exchange{Replica: replica, Sequence: 2, Call: call, Lease: lease, Grace: grace, Reports: reports}); err != nil {
					b.Error(err)
				}
				if _, err := b.Store.Maintain(b.ctx, "keeper"); err != nil {
					b.Error(err)
				}
				for _, r := range reports {
					if _, err := b.Store.Retry(b.ctx, r.ID); err != nil {
						b.Error(err)
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
				b.addsUp()
			}
		}
	}()
	wg.Wait()
	close(stop)
	if n := <-sampled; n == 0 {
		b.Error("no sample was taken")
	}
}

func waitingSince(b *bundle) {
	begin := b.Now(b)
	first := b.enqueue(task.Spec{Queue: "q", Priority: -128})
	b.enqueueAll(task.Spec{Queue: "q", Priority: 127}, task.Spec{Queue: "q"}, task.Spec{Queue: "p", Delay: time.Hour})
	since, now, err := b.Store.WaitingSince(b.ctx, "p", "q", "none")
	b.ok(err)
	created := func(id string) time.Time {
		tasks, err := b.Store.Get(b.ctx, id)
		b.ok(err)
		return tasks[0].CreatedAt
	}
	if d := cmp.Diff(map[string]time.Time{"q": created(first)}, since); d != "" {
		b.Error("waiting since (-want +got):\n", d)
	}
	if now.Before(begin.Add(-time.Millisecond)) || now.Before(since["q"]) {
		b.Errorf("now is %v, before %v", now, begin)
	}
	b.claim("q", 3)
	if since, _, err = b.Store.WaitingSince(b.ctx, "q"); err != nil || len(since) > 0 {
		b.Errorf("nothing waits, but got %v, %v", since, err)
	}
}
