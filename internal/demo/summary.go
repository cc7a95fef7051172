package demo

import "github.com/ltsworker/ltsworker/internal/latency"

// Summary is the outcome of a demo. Every figure was observed, not computed from
// settings.
type Summary struct {
	Tasks      int     `json:"tasks"`
	Succeeded  int     `json:"succeeded"`
	Failed     int     `json:"failed"`
	Replicas   int     `json:"replicas"`
	Killed     int     `json:"killed"`
	Recovered  int     `json:"recovered"`
	Limit      int     `json:"limit"`
	MaxRunning int     `json:"max_running"`
	WaitP50MS  float64 `json:"wait_p50_ms"`
	WaitP99MS  float64 `json:"wait_p99_ms"`
	ElapsedMS  int64   `json:"elapsed_ms"`
}

// summary returns the outcome. limit is the limit of the queue as Redis holds it.
func (w *watch) summary(t *team, limit int) Summary {
	s := Summary{
		Tasks: w.tasks, Succeeded: w.succeeded, Failed: w.ended - w.succeeded,
		Replicas: len(t.members), Limit: limit, MaxRunning: w.maxRunning,
		WaitP50MS: latency.Milliseconds(latency.Percentile(w.waits, 50)), WaitP99MS: latency.Milliseconds(latency.Percentile(w.waits, 99)),
		ElapsedMS: w.elapsed.Milliseconds(),
	}
	if t.killed != "" {
		s.Killed, s.Recovered = 1, w.recovered[t.killed]
	}
	return s
}
