// Package cutter is a service that cuts videos with ffmpeg, as docs/remote.md describes
// services with jobs. It knows nothing of the pool.
package cutter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// maxBody is the size of a request in bytes.
const maxBody = 1 << 20

// Service answers signed requests. Make it with New.
type Service struct {
	ffmpeg string
	videos string // the directory of the videos to cut
	cuts   string // the directory of the cut videos
	verify *standardwebhooks.Webhook
	slots  chan struct{} // holds one value per running ffmpeg

	mu   sync.Mutex
	jobs map[string]*job // by name
}

// New returns a service that cuts the videos of one directory into another one, most at
// once. secret verifies the requests.
func New(ffmpeg, videos, cuts, secret string, most int) (*Service, error) {
	verify, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, err
	}
	return &Service{ffmpeg: ffmpeg, videos: videos, cuts: cuts, verify: verify, slots: make(chan struct{}, most), jobs: map[string]*job{}}, nil
}

// message is a request.
type message struct {
	Type    string
	Name    string
	Payload json.RawMessage
	Jobs    []struct{ Name string }
	Job     struct{ Name string }
}

// state is the answer about one job.
type state struct {
	State     string    `json:"state"`
	Error     string    `json:"error,omitempty"`
	Permanent bool      `json:"permanent,omitempty"`
	Progress  *progress `json:"progress,omitempty"`
	Log       string    `json:"log,omitempty"`
}

type progress struct {
	Done float64 `json:"done"` // from 0 to 1
}

// Result is the result of a job that has succeeded.
type Result struct {
	File  string `json:"file"` // in the directory of the cut videos
	Bytes int64  `json:"bytes"`
}

// nameRule is what names of jobs look like. They become names of files.
var nameRule = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil || r.Method != http.MethodPost {
		http.Error(w, "a POST of at most 1 MiB is needed", http.StatusBadRequest)
		return
	}
	if err := s.verify.Verify(body, r.Header); err != nil {
		http.Error(w, "the signature is wrong", http.StatusUnauthorized)
		return
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		http.Error(w, "the body is not JSON", http.StatusBadRequest)
		return
	}
	answer, err := s.answer(&m)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the client is gone
}

// answer does what a request asks for.
func (s *Service) answer(m *message) (any, error) {
	switch m.Type {
	case "task.start":
		return struct{}{}, s.start(m.Name, m.Payload)
	case "task.status":
		states := map[string]state{}
		for _, j := range m.Jobs {
			states[j.Name] = s.state(j.Name)
		}
		return map[string]any{"jobs": states}, nil
	case "task.output":
		result, err := s.result(m.Job.Name)
		return map[string]any{"result": result}, err
	case "task.stop":
		s.stop(m.Job.Name)
		return struct{}{}, nil
	}
	return nil, fmt.Errorf("the type %.40q is not known", m.Type)
}

// start starts a job, unless there is one of that name.
func (s *Service) start(name string, payload []byte) error {
	if !nameRule.MatchString(name) {
		return errors.New("the name of the job cannot be used")
	}
	var c cut
	if err := json.Unmarshal(payload, &c); err != nil {
		return errors.New("the payload is not that of a cut")
	}
	if err := c.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.jobs[name] != nil || s.has(name) {
		return nil
	}
	j := newJob()
	s.jobs[name] = j
	go s.run(j, name, c)
	return nil
}

// file returns the name of the cut video of a job.
func file(name string) string { return name + ".mp4" }

// has reports whether the cut video of a job is complete, also if an earlier process made it.
func (s *Service) has(name string) bool {
	_, err := os.Stat(filepath.Join(s.cuts, file(name)))
	return nameRule.MatchString(name) && err == nil
}

func (s *Service) state(name string) state {
	s.mu.Lock()
	j := s.jobs[name]
	s.mu.Unlock()
	switch {
	case j != nil:
		return j.current()
	case s.has(name):
		return state{State: "succeeded"}
	}
	return state{State: "gone"}
}

func (s *Service) result(name string) (*Result, error) {
	if !s.has(name) {
		return nil, nil
	}
	info, err := os.Stat(filepath.Join(s.cuts, file(name)))
	if err != nil {
		return nil, errors.New("the cut video cannot be read")
	}
	return &Result{File: file(name), Bytes: info.Size()}, nil
}

// stop stops a job and returns when it has ended.
func (s *Service) stop(name string) {
	s.mu.Lock()
	j := s.jobs[name]
	s.mu.Unlock()
	if j != nil {
		j.cancel()
		<-j.done
	}
}

// Close stops all jobs.
func (s *Service) Close() {
	s.mu.Lock()
	jobs := s.jobs
	s.jobs = map[string]*job{}
	s.mu.Unlock()
	for _, j := range jobs {
		j.cancel()
		<-j.done
	}
}
