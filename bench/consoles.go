package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// webConsole is a console beside the others. Its pages are what its own interface asks for.
type webConsole struct {
	title, program string
	pages          [][]string    // paths of the overview, a list of waiting tasks, a search, and a task
	poll           time.Duration // between two reads of a viewer by default; 0 if the viewer follows a stream
	start          func(ctx context.Context, b *bench, n int) (*consoleSite, error)
}

// consoleSite is a console that runs, with its data.
type consoleSite struct {
	args     []string
	env      []string
	enqueue  func(ctx context.Context, i int) error // one more waiting task
	database func() (cpu time.Duration, err error)
	end      func()

	url string
	cmd *exec.Cmd
}

// pageNames are the titles of webConsole.pages.
var pageNames = []string{"overview", "list of waiting tasks", "search by kind", "a task"}

const (
	viewersOf = 200
	watching  = 16 * time.Second // two reads of the slowest poll
)

// compareConsoles fills each system with n waiting tasks of ten queues and three kinds, and prints a table.
func compareConsoles(ctx context.Context, programs string, n int) (err error) {
	b := &bench{ctx: ctx}
	if programs, err = filepath.Abs(programs); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "consoles"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	for _, c := range webConsoles {
		path := filepath.Join(programs, c.program)
		if _, err := os.Stat(path); err != nil {
			fmt.Printf("%s: not measured: %v\n", c.title, err)
			continue
		}
		if err := b.measureConsole(ctx, c, path, n); err != nil {
			return fmt.Errorf("%s: %w", c.title, err)
		}
	}
	return nil
}

func (b *bench) measureConsole(ctx context.Context, c webConsole, path string, n int) error {
	began := time.Now()
	s, err := c.start(ctx, b, n)
	if err != nil {
		return err
	}
	defer s.end()
	fmt.Printf("\n%s: %d tasks made in %.0f s\n", c.title, n, time.Since(began).Seconds())
	port, err := freePort()
	if err != nil {
		return err
	}
	s.url = fmt.Sprintf("http://127.0.0.1:%d/", port)
	for i, arg := range s.args {
		s.args[i] = strings.ReplaceAll(arg, "PORT", strconv.Itoa(port))
	}
	s.cmd = exec.Command(path, s.args...)
	s.cmd.Dir, s.cmd.Env = b.dir, append(os.Environ(), s.env...)
	s.cmd.Env = append(s.cmd.Env, fmt.Sprint("PORT=", port), "RIVER_LOG_LEVEL=error")
	dieWithParent(s.cmd)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = s.cmd.Process.Kill(); _ = s.cmd.Wait() }()
	if err := await(ctx, patience, func() error { _, err := s.get(ctx, "x", ""); return err }); err != nil {
		return err
	}
	files, bytes, err := s.assets(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("  files of the interface: %d, %.0f kB\n", files, float64(bytes)/1000)
	for i, page := range c.pages {
		if len(page) == 0 {
			fmt.Printf("  %s: none\n", pageNames[i])
			continue
		}
		if err := s.page(ctx, pageNames[i], page); err != nil {
			return err
		}
	}
	for _, viewers := range []int{1, viewersOf} {
		if err := s.watch(ctx, c, viewers); err != nil {
			return err
		}
	}
	return nil
}

// get reads a path as a viewer and returns how many bytes it has.
func (s *consoleSite) get(ctx context.Context, viewer, path string) (int, error) {
	body, err := s.read(ctx, viewer, path)
	return len(body), err
}

func (s *consoleSite) read(ctx context.Context, viewer, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+strings.TrimPrefix(path, "/"), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-User", viewer)
	if path != "" {
		req.Header.Set("HX-Target", "main") // as the pages of ltsworker read themselves again
	}
	req.Header.Set("Accept", "text/html,*/*")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.200s", path, resp.Status, body)
	}
	return body, err
}

// client keeps a connection for each viewer.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * viewersOf, DisableCompression: true}}

var linked = regexp.MustCompile(`(?:src|href)="([^"]+\.(?:js|css))"`)

// assets reads the scripts and styles that the first page names.
func (s *consoleSite) assets(ctx context.Context) (files, bytes int, err error) {
	page, err := s.read(ctx, "x", "")
	if err != nil {
		return 0, 0, err
	}
	for _, m := range linked.FindAllStringSubmatch(string(page), -1) {
		n, err := s.get(ctx, "x", m[1])
		if err != nil {
			return 0, 0, err
		}
		files, bytes = files+1, bytes+n
	}
	return files, bytes, nil
}

// page measures a page ten times, more than a second apart: consoles may keep for a second what they have read.
func (s *consoleSite) page(ctx context.Context, name string, paths []string) error {
	var took []time.Duration
	var bytes int
	from, err := s.database()
	if err != nil {
		return err
	}
	for range 10 {
		time.Sleep(1100 * time.Millisecond)
		began := time.Now()
		bytes = 0
		for _, path := range paths {
			n, err := s.get(ctx, "x", path)
			if err != nil {
				return err
			}
			bytes += n
		}
		took = append(took, time.Since(began))
	}
	to, err := s.database()
	if err != nil {
		return err
	}
	slices.Sort(took)
	fmt.Printf("  %s: median %.0f ms, longest %.0f ms, %d requests, %.1f kB, %.1f ms of the database each\n", name,
		float64(took[5].Microseconds())/1000, float64(took[9].Microseconds())/1000, len(paths), float64(bytes)/1000, (to-from).Seconds()*100)
	return nil
}

// watch measures viewers of the list of waiting tasks while two tasks a second are made.
func (s *consoleSite) watch(ctx context.Context, c webConsole, viewers int) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var reads atomic.Int64
	var all sync.WaitGroup
	errs := make(chan error, 3*viewers)
	paths := c.pages[1]
	look := func(viewer string) {
		for _, path := range paths {
			if _, err := s.get(ctx, viewer, path); err != nil && ctx.Err() == nil {
				errs <- err
			}
		}
		reads.Add(1)
	}
	for i := range viewers {
		viewer := fmt.Sprint("viewer-", i)
		all.Go(func() {
			var changed <-chan struct{}
			if c.poll == 0 {
				var err error
				if changed, err = s.follow(ctx, viewer); err != nil {
					errs <- err
					return
				}
			} else {
				time.Sleep(time.Duration(i) * c.poll / time.Duration(viewers)) // viewers do not read at the same time
			}
			for ctx.Err() == nil {
				look(viewer)
				next := max(c.poll, 500*time.Millisecond)
				select {
				case <-time.After(next):
				case <-ctx.Done():
				}
				if changed != nil {
					select {
					case <-changed:
					case <-ctx.Done():
					}
				}
			}
		})
	}
	all.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if err := s.enqueue(ctx, i); err != nil && ctx.Err() == nil {
				errs <- err
			}
			select {
			case <-time.After(500 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	time.Sleep(max(c.poll, 3*time.Second)) // each viewer has read the list once
	from, err := s.database()
	if err != nil {
		return err
	}
	began, read, own := time.Now(), reads.Load(), processCPU(s.cmd.Process.Pid)
	select {
	case err := <-errs:
		return err
	case <-time.After(watching):
	}
	took := time.Since(began).Seconds()
	to, err := s.database()
	if err != nil {
		return err
	}
	fmt.Printf("  %d viewers: database %.1f %% of a processor, console %.1f %%, %.1f pages a second, console %d MB\n", viewers, (to-from).Seconds()/took*100,
		(processCPU(s.cmd.Process.Pid)-own).Seconds()/took*100, float64(reads.Load()-read)/took, memoryOf(s.cmd.Process.Pid))
	stop()
	all.Wait()
	return nil
}

// follow opens the stream of a viewer. The channel gets a value when something has changed.
func (s *consoleSite) follow(ctx context.Context, viewer string) (<-chan struct{}, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"p/default/live", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-User", viewer)
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	changed := make(chan struct{}, 1)
	go func() {
		defer resp.Body.Close()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "data:") {
				select {
				case changed <- struct{}{}:
				default:
				}
			}
		}
	}()
	return changed, nil
}

// processCPU returns the processor time of a process and of those that it has started and waited for.
func processCPU(pid int) time.Duration {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	var ticks int
	for _, i := range []int{11, 12, 13, 14} {
		if i < len(fields) {
			n, _ := strconv.Atoi(fields[i])
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// groupCPU returns the processor time of a process and its children.
func groupCPU(pid int) (cpu time.Duration) {
	cpu = processCPU(pid)
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for child := range strings.FieldsSeq(string(text)) {
		if n, err := strconv.Atoi(child); err == nil && syscall.Kill(n, 0) == nil {
			cpu += processCPU(n)
		}
	}
	return cpu
}

// memoryOf returns the memory of a process in MB.
func memoryOf(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kb, _ := strconv.Atoi(strings.Fields(rest + " 0")[0])
	return kb / 1000
}
