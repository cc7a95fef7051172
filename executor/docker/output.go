package docker

import (
	"strings"
	"sync"
	"unicode"

	"github.com/ltsworker/ltsworker/task"
)

// output is what a container has written, as far as it is kept: the beginning of its
// standard output and the end of its standard error.
type output struct {
	large                task.LargeResult
	maxResult            int // of the config
	maxStdout, maxStderr int

	mu     sync.Mutex
	stdout []byte
	total  int64 // of stdout
	stderr []byte
	fresh  bool // stderr has changed since log returned it
}

func newOutput(cfg *Config, large task.LargeResult) *output {
	return &output{large: large, maxResult: cfg.MaxResult, maxStdout: large.Limit(cfg.MaxResult), maxStderr: max(cfg.MaxLog, 0)}
}

type stdoutOf struct{ *output }

func (o stdoutOf) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.total += int64(len(p))
	o.stdout = append(o.stdout, p[:min(len(p), o.maxStdout-len(o.stdout))]...)
	return len(p), nil
}

type stderrOf struct{ *output }

func (o stderrOf) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stderr = append(o.stderr, p[max(0, len(p)-o.maxStderr):]...)
	// Moving only when the buffer has doubled makes the cost per byte constant.
	if len(o.stderr) > 2*o.maxStderr {
		o.stderr = o.stderr[:copy(o.stderr, o.stderr[len(o.stderr)-o.maxStderr:])]
	}
	o.fresh = true
	return len(p), nil
}

// restore takes the standard output of other, which was read while the container ran, if
// the engine does not have all of it any more.
func (o *output) restore(other *output) {
	other.mu.Lock()
	stdout, total := other.stdout, other.total
	other.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if total > o.total {
		o.stdout, o.total = stdout, total
	}
}

// result returns the standard output, nil if there was none. One that is too long is cut and
// marked, or an error.
func (o *output) result() ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.large.Fit(o.stdout, o.total, o.maxResult)
}

// log returns the end of the standard error.
func (o *output) log() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fresh = false
	return []byte(task.CutLog(string(o.stderr), o.maxStderr))
}

// newLog returns the log if it has changed since the last call; nil if it has not.
func (o *output) newLog() []byte {
	o.mu.Lock()
	fresh := o.fresh
	o.mu.Unlock()
	if !fresh {
		return nil
	}
	return o.log()
}

// maxLastLine is the length, in bytes, at which the last line is cut in an error.
const maxLastLine = 256

// lastLine returns the last line of the log that is not empty, without control characters.
func (o *output) lastLine() string {
	log := strings.TrimSpace(string(o.log()))
	line := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, log[strings.LastIndexAny(log, "\r\n")+1:])
	if len(line) > maxLastLine {
		line = strings.ToValidUTF8(line[:maxLastLine], "") + "…"
	}
	return strings.TrimSpace(line)
}
