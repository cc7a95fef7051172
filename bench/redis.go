package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience bounds the start of a server.
const patience = 30 * time.Second

// redisServer is a redis-server without persistence. All settings other than args are defaults.
type redisServer struct {
	cmd    *exec.Cmd
	output bytes.Buffer
	addr   string
	rdb    *redis.Client
}

func startRedis(ctx context.Context, dir string, args ...string) (*redisServer, error) {
	program, err := exec.LookPath(cmp.Or(os.Getenv("REDIS_SERVER"), "redis-server"))
	if err != nil {
		return nil, fmt.Errorf("%w: install Redis 7.0 or newer, or name the program in REDIS_SERVER", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &redisServer{addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	args = append([]string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no"}, args...)
	s.cmd = exec.Command(program, args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	dieWithParent(s.cmd)
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.rdb = redis.NewClient(&redis.Options{Addr: s.addr})
	err = await(ctx, patience, func() error {
		info, err := s.rdb.Info(ctx, "server").Result()
		if err == nil && field(info, "process_id") != strconv.Itoa(s.cmd.Process.Pid) {
			err = errors.New("another server has the port")
		}
		return err
	})
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("redis-server does not start: %w\n%s", err, s.output.Bytes())
	}
	return s, nil
}

func (s *redisServer) stop() {
	if s.rdb != nil {
		s.rdb.Close()
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// clear removes all data and scripts and frees unused pages.
func (s *redisServer) clear(ctx context.Context) error {
	if err := s.rdb.FlushAll(ctx).Err(); err != nil {
		return err
	}
	if err := s.rdb.ScriptFlush(ctx).Err(); err != nil {
		return err
	}
	return s.rdb.Do(ctx, "MEMORY", "PURGE").Err()
}

// info reads one field of a section of INFO as a number.
func (s *redisServer) info(ctx context.Context, section, name string) (float64, error) {
	text, err := s.rdb.Info(ctx, section).Result()
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(field(text, name), 64)
}

func field(info, name string) string {
	for l := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(l, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// cpu returns the total processor time of the server in seconds.
func (s *redisServer) cpu(ctx context.Context) (float64, error) {
	user, err := s.info(ctx, "cpu", "used_cpu_user")
	if err != nil {
		return 0, err
	}
	sys, err := s.info(ctx, "cpu", "used_cpu_sys")
	return user + sys, err
}

// longest monitors script calls until the returned function is called. That function returns the
// longest time of a call inside the server. Calls under 100 µs are not recorded.
func (s *redisServer) longest(ctx context.Context) (func() (time.Duration, error), error) {
	set := func(slowerThan, most string) error {
		return errors.Join(
			s.rdb.ConfigSet(ctx, "slowlog-log-slower-than", slowerThan).Err(),
			s.rdb.ConfigSet(ctx, "slowlog-max-len", most).Err(),
			s.rdb.Do(ctx, "SLOWLOG", "RESET").Err(),
		)
	}
	if err := set("100", "1000000"); err != nil {
		return nil, err
	}
	return func() (time.Duration, error) {
		calls, err := s.rdb.SlowLogGet(ctx, -1).Result()
		if err != nil {
			return 0, err
		}
		var most time.Duration
		for _, c := range calls {
			if strings.EqualFold(c.Args[0], "evalsha") || strings.EqualFold(c.Args[0], "eval") {
				most = max(most, c.Duration)
			}
		}
		return most, set("10000", "128")
	}, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// await repeats f until it succeeds. After the limit it returns f's error.
func await(ctx context.Context, limit time.Duration, f func() error) error {
	late := time.After(limit)
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return err
		case <-again.C:
		}
	}
}

func tempDir(root, name string) (string, error) {
	dir := filepath.Join(root, name)
	return dir, os.Mkdir(dir, 0o755)
}
