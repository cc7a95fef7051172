package redisstore

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

// rateStep is how much time one of the keys load:N counts: see moved in
// lua/lib/base.lua.
const rateStep = 5 * time.Second

// Rates reads what came and went in each queue, on average over the window, whole
// steps and the begun one, that ends now. The counts are kept for 90 seconds.
func (s *Store) Rates(ctx context.Context, window time.Duration) (map[string]worker.QueueRate, error) {
	if err := s.checkName(); err != nil {
		return nil, err
	}
	rates, err := s.rates(ctx, window)
	return rates, s.fail(ctx, "rates", err)
}

func (s *Store) rates(ctx context.Context, window time.Duration) (map[string]worker.QueueRate, error) {
	home, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	now, err := home.Time(ctx).Result()
	if err != nil {
		return nil, err
	}
	step := rateStep.Milliseconds()
	last := now.UnixMilli() / step
	first := last - window.Milliseconds()/step
	p := s.rdb.Pipeline()
	var counts []*redis.MapStringStringCmd
	for n := first; n <= last; n++ {
		counts = append(counts, p.HGetAll(ctx, s.key("load:", strconv.FormatInt(n, 10))))
	}
	// A key of another type is the doctor's.
	if _, err := p.Exec(ctx); err != nil && !isWrongType(err) {
		return nil, err
	}
	share := 1 / now.Sub(time.UnixMilli(first*step)).Seconds()
	rates := map[string]worker.QueueRate{}
	for _, c := range counts {
		for field, text := range c.Val() {
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
	}
	return rates, nil
}
