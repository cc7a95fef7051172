package count

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
	"time"

	"github.com/redis/go-redis/v9"
)

// patience bounds the start of the server, which valgrind makes slow.
const patience = time.Minute

// server is a redis-server under callgrind.
type server struct {
	cmd    *exec.Cmd
	out    string // path of callgrind's files, without their numbers
	addr   string
	rdb    *redis.Client
	output bytes.Buffer
}

func start(ctx context.Context, dir string) (*server, error) {
	program, err := exec.LookPath(cmp.Or(os.Getenv("REDIS_SERVER"), "redis-server"))
	if err != nil {
		return nil, fmt.Errorf("%w: install Redis 7.0 or newer, or name the program in REDIS_SERVER", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	l.Close()

	s := &server{out: filepath.Join(dir, "callgrind"), addr: net.JoinHostPort("127.0.0.1", port)}
	s.cmd = exec.CommandContext(ctx, "valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file="+s.out,
		program, "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no")
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: install valgrind", err)
	}
	s.rdb = redis.NewClient(&redis.Options{Addr: s.addr, ReadTimeout: time.Minute})
	for late := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			c.Close()
			return s, nil
		}
		if time.Now().After(late) {
			s.stop()
			return nil, errors.Join(err, errors.New(s.output.String()))
		}
	}
}

func (s *server) stop() {
	s.rdb.Close()
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *server) control(args ...string) error {
	out, err := exec.Command("callgrind_control", append(args, strconv.Itoa(s.cmd.Process.Pid))...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("callgrind_control: %w: %s", err, out)
	}
	return nil
}

// count switches the counting on or off, with counters at zero.
func (s *server) count(on bool) error {
	if on {
		return errors.Join(s.control("-i", "on"), s.control("-z"))
	}
	return s.control("-i", "off")
}

// dump ends the n-th counting and returns the name of its file.
func (s *server) dump(n int) (string, error) {
	err := errors.Join(s.control("-d"), s.count(false))
	return fmt.Sprintf("%s.%d", s.out, n+1), err
}
