//go:build unix

// Package postgresserver gives tests a real PostgreSQL.
//
//	func TestMain(m *testing.M) { os.Exit(postgresserver.Main(m.Run)) }
//
//	dsn := postgresserver.Database(t)    // in a test: an empty database
//
// All tests of a package share one server, which the first test starts in a directory of
// its own. It listens on a Unix socket there. If the test runs as root, the server
// runs as the user postgres or, without one, as the user "nobody".
//
// POSTGRES_BIN names the directory of the programs. The default is the directory of
// postgres in PATH, else the newest in /usr/lib/postgresql. Without them a test fails and
// reports what to install. It is never skipped.
package postgresserver

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/maruel/natural"
)

const install = "install PostgreSQL (Debian and Ubuntu: apt-get install postgresql; macOS: brew install postgresql), or name the directory of its programs in POSTGRES_BIN"

// patience bounds the start and the end of a server.
const patience = 60 * time.Second

var shared struct {
	sync.Mutex
	server *Server
	err    error
	n      int // number of databases
}

// Main runs the tests of a package and ends the server afterwards. It returns the exit
// code.
func Main(run func() int) int {
	code := run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		if err := errors.Join(shared.server.end(), os.RemoveAll(shared.server.dir)); err != nil {
			fmt.Fprintln(os.Stderr, "postgresserver:", err)
			return max(code, 1)
		}
	}
	return code
}

// Database makes an empty database on the shared server and returns its DSN.
func Database(t testing.TB) string {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = start()
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	shared.n++
	return shared.server.database(t, "test"+strconv.Itoa(shared.n))
}

// Server is a PostgreSQL.
type Server struct {
	bin, dir string
	as       *syscall.Credential // nil for the user of the test
	cmd      *exec.Cmd
	output   bytes.Buffer
	exited   chan struct{}
}

// Start starts a server that only this test uses, and returns it with the DSN of an empty
// database. It ends the server when the test ends.
func Start(t testing.TB) (*Server, string) {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Stop(t)
		os.RemoveAll(s.dir)
	})
	return s, s.database(t, "test")
}

// Stop ends the server at once, as after a crash.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.end(); err != nil {
		t.Error(err)
	}
}

// Restart starts a server that was stopped, with its data.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.launch(); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) database(t testing.TB, name string) string {
	t.Helper()
	db, err := sql.Open("pgx", s.dsn("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	return s.dsn(name)
}

func (s *Server) dsn(database string) string {
	return "postgres:///" + database + "?" + url.Values{"host": {s.dir}, "user": {"test"}}.Encode()
}

func start() (*Server, error) {
	bin, err := find()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "postgresserver")
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, dir: dir}
	if os.Getuid() == 0 {
		if s.as, err = unprivileged(); err == nil {
			err = os.Chown(dir, int(s.as.Uid), int(s.as.Gid))
		}
	}
	if err == nil {
		err = s.initialize()
	}
	if err == nil {
		err = s.launch()
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// unprivileged returns the user that runs the server, which refuses to run as root.
func unprivileged() (*syscall.Credential, error) {
	var errs []error
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
	}
	return nil, fmt.Errorf("PostgreSQL does not run as root: %w", errors.Join(errs...))
}

func find() (string, error) {
	var dirs []string
	if bin := os.Getenv("POSTGRES_BIN"); bin != "" {
		dirs = []string{bin}
	} else {
		if path, err := exec.LookPath("initdb"); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
		packaged, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
		slices.SortFunc(packaged, func(a, b string) int {
			if natural.Less(a, b) {
				return 1
			}
			return -1
		})
		dirs = append(dirs, packaged...)
	}
	for _, dir := range dirs {
		_, err1 := exec.LookPath(filepath.Join(dir, "initdb"))
		_, err2 := exec.LookPath(filepath.Join(dir, "postgres"))
		if err1 == nil && err2 == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("this test needs a real PostgreSQL: no initdb and postgres in %q; %s", dirs, install)
}

// program returns a command that runs as the user of the server.
func (s *Server) program(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	return cmd
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) initialize() error {
	out, err := s.program("initdb", "--pgdata", s.data(), "--username", "test", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// launch starts the server and waits until it answers.
func (s *Server) launch() error {
	s.output.Reset()
	s.cmd = s.program("postgres", "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=50", "-c", "shared_buffers=32MB")
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	s.exited = make(chan struct{})
	if err := launch(s.cmd, s.exited); err != nil {
		return fmt.Errorf("starting postgres: %w", err)
	}
	db, err := sql.Open("pgx", s.dsn("postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for late := time.Now().Add(patience); ; {
		if err = db.Ping(); err == nil {
			return nil
		}
		if time.Now().After(late) {
			return errors.Join(fmt.Errorf("postgres does not answer: %w", err), s.end())
		}
		select {
		case <-s.exited:
			return fmt.Errorf("postgres ended with %s:\n%s", s.cmd.ProcessState, s.output.Bytes())
		case <-again.C:
		}
	}
}

// end makes the server end its sessions at once, and waits until it has ended.
func (s *Server) end() error {
	_ = s.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-s.exited:
		return nil
	case <-time.After(patience):
		_ = s.cmd.Process.Kill()
		return fmt.Errorf("postgres (process %d) did not end within %v", s.cmd.Process.Pid, patience)
	}
}
