package async

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// saved is the checkpoint of an attempt. Without a reference it is an intent.
type saved struct {
	Version int           `json:"async"` // savedVersion
	Name    string        `json:"name"`
	At      string        `json:"at,omitempty"` // Location of the remote of a Locator
	Ref     string        `json:"ref,omitempty"`
	Limit   time.Duration `json:"limit,omitempty"` // how long the job may run, in ns; 0 for no limit
	Age     time.Duration `json:"age,omitempty"`   // of the job when the reference was saved
}

const savedVersion = 1

// load returns what the task's attempts have saved; a zero saved if they saved nothing.
func load(t *task.Task) (saved, error) {
	var s saved
	if t.LastCheckpoint == nil {
		return s, nil
	}
	d := json.NewDecoder(bytes.NewReader(t.LastCheckpoint))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil || s.Version != savedVersion || s.Name == "" {
		return saved{}, fmt.Errorf("the task has a checkpoint of another handler or version: %.100q", t.LastCheckpoint)
	}
	return s, nil
}

// text returns the text that names the job to the store and to operators.
func (s *saved) text() string {
	if s.Ref == "" {
		return s.Name
	}
	return task.CutHead(s.Name+" "+s.Ref, task.MaxJob)
}

// intent returns what the first owner of an attempt saves before it starts the job.
func intent(pool string, t *task.Task) saved {
	s := saved{Version: savedVersion, Name: jobName(pool, t)}
	if t.TimeLeft > 0 && t.TimeLeft != task.Forever {
		s.Limit = t.TimeLeft
	}
	return s
}

// age returns how old the job was at the start of this attempt. Both times are times of
// the store, so the clocks of the replicas do not matter.
func (s *saved) age(t *task.Task) time.Duration {
	if t.CheckpointAt.IsZero() || t.StartedAt.IsZero() {
		return s.Age
	}
	return s.Age + max(0, t.StartedAt.Sub(t.CheckpointAt))
}

// maxPoolPart is how much of the name of the pool is part of the name of a job.
const maxPoolPart = 20

// jobName returns the name of a job: lts-POOL-FENCE-HASH. The hash has the number of the
// attempt, because retries in place have one fence, and the time at which the task was
// enqueued, because fences repeat if the store is emptied.
func jobName(pool string, t *task.Task) string {
	var clean strings.Builder
	for _, r := range strings.ToLower(pool) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			r = '-'
		}
		if clean.Len() < maxPoolPart {
			clean.WriteRune(r)
		}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %d %d", pool, t.ID, t.Fence, t.Attempt, t.CreatedAt.UnixMilli()))
	return fmt.Sprintf("lts-%s-%d-%s", clean.String(), t.Fence, hex.EncodeToString(sum[:8]))
}
