// Package redisserver gives tests and benchmarks a real redis-server.
//
//	s := redisserver.Start(t)        // a new server, which ends with t
//	rdb := s.Client(t)
//
// A package whose tests can share a server starts it once:
//
//	func TestMain(m *testing.M) { os.Exit(redisserver.Main(m)) }
//
//	s := redisserver.Shared(t)       // in a test; use a separate pool name, or s.Flush(t)
//
// REDIS_SERVER names the program; the default is redis-server in PATH. Without
// it a test fails and reports what to install. It is never skipped.
package redisserver

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server is a running redis-server on a loopback port. Only Addr and Client are
// safe for concurrent use; the other methods are for the goroutine of one test.
type Server struct {
	program string
	dir     string
	port    int
	bus     int // of a node of a Cluster: the port for the other nodes
	options options
	process *process // nil while stopped
}

type options struct {
	config   [][2]string
	tls      *tls.Config // how clients connect; nil for plain TCP
	sentinel string      // the config file, if the program is to be a Sentinel
	clock    string      // the file with the offset of its clock; "" for none
	cluster  bool        // whether it is a node of a Cluster
	env      []string    // added to the environment
}

// Option is an option of Start.
type Option func(*options)

// Config sets a line of redis.conf, such as Config("maxmemory", "64mb"). The
// last value of a key wins.
func Config(key, value string) Option {
	return func(o *options) { o.config = append(o.config, [2]string{key, value}) }
}

// AOF makes the server keep its data across Stop, Kill and Restart: it writes
// every change to disk before it answers. Without AOF a restarted server is
// empty.
func AOF() Option {
	return func(o *options) {
		Config("appendonly", "yes")(o)
		Config("appendfsync", "always")(o)
	}
}

// Start starts a server and ends this server when the test ends.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s, err := start(t.TempDir(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Kill(t) })
	return s
}

// ports is how many times free ports are tried: another program may take one
// before the server starts.
const ports = 10

func start(dir string, opts ...Option) (*Server, error) {
	program, err := find()
	if err != nil {
		return nil, err
	}
	s := &Server{program: program, dir: dir}
	for _, o := range opts {
		o(&s.options)
	}
	for range ports {
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
		if s.options.cluster { // the default, the other port plus 10,000, may not exist
			if s.bus, err = freePort(); err != nil {
				return nil, err
			}
		}
		if err = s.launch(); err != errPortTaken {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Addr returns the server's host:port. Restart does not change it.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Client returns a new client, closed when the test ends.
func (s *Server) Client(t testing.TB) *redis.Client {
	t.Helper()
	c := redis.NewClient(s.clientOptions())
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Pid returns the server's process id, 0 while it is stopped.
func (s *Server) Pid() int {
	if s.process == nil {
		return 0
	}
	return s.process.cmd.Process.Pid
}

// Flush removes all data and scripts of the server.
func (s *Server) Flush(t testing.TB) {
	t.Helper()
	c := s.Client(t)
	if err := c.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal("flushing redis-server: ", err)
	}
	if err := c.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal("flushing the scripts of redis-server: ", err)
	}
}

// Stop ends the server with SIGTERM and waits until it has ended.
func (s *Server) Stop(t testing.TB) { s.end(t, syscall.SIGTERM) }

// Kill ends the server with SIGKILL and waits until it has ended.
func (s *Server) Kill(t testing.TB) { s.end(t, os.Kill) }

func (s *Server) end(t testing.TB, sig os.Signal) {
	t.Helper()
	if s.process == nil {
		return
	}
	if err := s.process.end(sig); err != nil {
		t.Error(err)
	}
	s.process = nil
}

// Restart starts the server again, on the same port and with the same
// directory. It stops a running server first.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	err := s.launch()
	// Clients use this port, so the server must get it again. If an outgoing
	// connection has it by chance, that connection will end.
	for late := time.Now().Add(patience); err == errPortTaken && time.Now().Before(late); err = s.launch() {
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		t.Fatal("restarting: ", err)
	}
}
