package cutter

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// cut is the payload of a task.
type cut struct {
	Video    string  `json:"video"`    // the name of a file in the directory of the videos
	From     float64 `json:"from"`     // in seconds
	Seconds  float64 `json:"seconds"`  // the length of the cut
	Realtime bool    `json:"realtime"` // cut only as fast as the video plays
}

// videoRule is what names of videos look like: no part of a path, no option of ffmpeg and
// no protocol.
var videoRule = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}\.mp4$`)

func (c *cut) check() error {
	switch {
	case !videoRule.MatchString(c.Video):
		return errors.New("video must be a name such as film.mp4")
	case !(c.From >= 0 && c.From <= 1e6):
		return errors.New("from must not be negative")
	case !(c.Seconds > 0 && c.Seconds <= 1e6):
		return errors.New("seconds must be more than 0")
	}
	return nil
}

// job is a running or ended ffmpeg.
type job struct {
	life   context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed at the end

	mu  sync.Mutex
	now state
}

func newJob() *job {
	j := &job{done: make(chan struct{}), now: state{State: "running"}}
	j.life, j.cancel = context.WithCancel(context.Background())
	return j
}

func (j *job) current() state {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.now
}

func (j *job) set(change func(*state)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(&j.now)
}

// run runs the job to its end.
func (s *Service) run(j *job, name string, c cut) {
	defer close(j.done)
	defer j.cancel()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-j.life.Done():
	}
	stderr, err := s.cut(j, name, c)
	j.set(func(now *state) {
		now.Log = stderr
		switch {
		case j.life.Err() != nil:
			now.State, now.Error = "failed", "the job was stopped"
		case err != nil:
			now.State, now.Error = "failed", err.Error()
		default:
			now.State, now.Progress = "succeeded", &progress{Done: 1}
		}
	})
}

// cut makes the cut video. It returns what ffmpeg has written to its standard error.
func (s *Service) cut(j *job, name string, c cut) (stderr string, err error) {
	from := filepath.Join(s.videos, c.Video)
	if _, err := os.Stat(from); err != nil {
		j.set(func(now *state) { now.Permanent = true })
		return "", fmt.Errorf("there is no video %s", c.Video)
	}
	part := filepath.Join(s.cuts, name+".part")
	defer os.Remove(part)
	args := []string{"-nostdin", "-hide_banner", "-loglevel", "error", "-progress", "pipe:1", "-protocol_whitelist", "file,pipe"}
	if c.Realtime {
		args = append(args, "-re")
	}
	args = append(args, "-ss", seconds(c.From), "-t", seconds(c.Seconds), "-i", from,
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-an", "-f", "mp4", "-y", part)
	cmd := exec.CommandContext(j.life, s.ffmpeg, args...)
	cmd.WaitDelay = time.Second
	var messages bytes.Buffer
	cmd.Stderr = &messages
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "out_time_us="); ok {
			if us, err := strconv.ParseFloat(text, 64); err == nil {
				j.set(func(now *state) { now.Progress = &progress{Done: min(1, max(0, us/1e6/c.Seconds))} })
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		return messages.String(), fmt.Errorf("ffmpeg: %w", err)
	}
	return messages.String(), os.Rename(part, filepath.Join(s.cuts, file(name)))
}

func seconds(n float64) string { return strconv.FormatFloat(n, 'f', 3, 64) }
