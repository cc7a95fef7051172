package redisstore

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// rateStep is the time that one of the keys load:N counts: see lua/lib/totals.lua.
const rateStep = 5 * time.Second

// Rates returns how many tasks per second were made and ended in each queue, on average
// over the window that ends now. It counts in steps of five seconds, so the window is
// extended to the beginning of a step. The counts are kept for 90 seconds.
func (s *Store) Rates(ctx context.Context, window time.Duration) (map[string]task.QueueRate, error) {
	rates, err := s.rates(ctx, window)
	return rates, s.fail(ctx, "rates", err)
}

func (s *Store) rates(ctx context.Context, window time.Duration) (map[string]task.QueueRate, error) {
	now, err := s.now(ctx)
	if err != nil {
		return nil, err
	}
	step := rateStep.Milliseconds()
	last := now.UnixMilli() / step
	first := last - window.Milliseconds()/step
	var steps []string
	for n := first; n <= last; n++ {
		steps = append(steps, strconv.FormatInt(n, 10))
	}
	counts, cursors := map[string]string{}, map[string]uint64{} // by step and field; by step
	for len(steps) > 0 {
		var more []string
		err := s.pipeline(ctx, steps, len(steps), func(p redis.Pipeliner, n string) func() {
			page := p.HScan(ctx, s.key("load:", n), cursors[n], "", scanPage)
			return func() {
				var flat []string
				if flat, cursors[n] = page.Val(); cursors[n] != 0 {
					more = append(more, n)
				}
				for i := 0; i+1 < len(flat); i += 2 {
					counts[n+" "+flat[i]] = flat[i+1] // a scan may return a field twice
				}
			}
		})
		if err != nil {
			return nil, err
		}
		steps = more
	}
	share := 1 / now.Sub(time.UnixMilli(first*step)).Seconds()
	rates := map[string]task.QueueRate{}
	for field, text := range counts {
		_, field, _ = strings.Cut(field, " ")
		way, queue, _ := strings.Cut(field, ":")
		n, _ := strconv.ParseFloat(text, 64)
		rate := rates[queue]
		if way == "in" {
			rate.In += n * share
		} else {
			rate.Out += n * share
		}
		rates[queue] = rate
	}
	return rates, nil
}
