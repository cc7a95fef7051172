package integration

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// longest returns the processor time of the longest command since the last
// reset. It scales the duration that Redis measured by the share of all
// durations in which Redis had a processor. spent is the processor time since
// the reset.
func (s *scaled) longest(spent time.Duration) time.Duration {
	s.t.Helper()
	entries, err := s.rdb.SlowLogGet(context.Background(), -1).Result()
	s.must(err)
	longest, sum := time.Duration(0), time.Duration(0)
	for _, e := range entries {
		longest = max(longest, e.Duration)
		sum += e.Duration
	}
	if sum <= spent {
		return longest
	}
	return time.Duration(float64(longest) * float64(spent) / float64(sum))
}

// yardstick is a script that took yardstickTime on an idle processor of 2024,
// and twice as long while another program ran on the other half of its core.
var yardstick = redis.NewScript(`
for i = 1, 5000 do redis.call('HSET', KEYS[1], i % 100, i) end
return redis.call('DEL', KEYS[1])
`)

const yardstickTime = 7 * time.Millisecond

// slowness returns how many times as long as on an idle machine Redis takes
// now, at least 1.
func (s *scaled) slowness() float64 {
	s.t.Helper()
	cpu := s.processorTime()
	s.must(yardstick.Run(context.Background(), s.rdb, []string{s.key("yardstick")}).Err())
	return max(1, float64(s.processorTime()-cpu)/float64(yardstickTime))
}

// processorTime returns the processor time of the thread that runs the
// commands, since the server started.
func (s *scaled) processorTime() time.Duration {
	s.t.Helper()
	info, err := s.rdb.InfoMap(context.Background(), "cpu").Result()
	s.must(err)
	seconds := 0.0
	for _, name := range []string{"used_cpu_user_main_thread", "used_cpu_sys_main_thread"} {
		n, err := strconv.ParseFloat(info["CPU"][name], 64)
		s.must(err)
		seconds += n
	}
	return time.Duration(seconds * float64(time.Second))
}
