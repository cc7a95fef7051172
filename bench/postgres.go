package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// postgres is the PostgreSQL server for River: a cluster of its own on a loopback port, with the
// settings that initdb writes.
type postgres struct {
	cmd    *exec.Cmd
	output bytes.Buffer
	url    string
}

func startPostgres(ctx context.Context, root string) (*postgres, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	dir, err := tempDir(root, "postgres")
	if err != nil {
		return nil, err
	}
	cred, err := notRoot(dir)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	init := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", namespace, "--auth=trust", "--encoding=UTF8", "--locale=C")
	init.Dir, init.SysProcAttr = dir, &syscall.SysProcAttr{Credential: cred}
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	p := &postgres{url: fmt.Sprintf("postgres://%s@127.0.0.1:%d/postgres?sslmode=disable", namespace, port)}
	p.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(port), "-h", "127.0.0.1", "-k", dir)
	p.cmd.Dir, p.cmd.SysProcAttr = dir, &syscall.SysProcAttr{Credential: cred}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	err = await(ctx, patience, func() error {
		c, err := pgx.Connect(ctx, p.url)
		if err == nil {
			err = c.Close(ctx)
		}
		return err
	})
	if err == nil {
		err = migrateRiver(ctx, p.url)
	}
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("postgres does not start: %w\n%s", err, p.output.Bytes())
	}
	return p, nil
}

// stop shuts the server down without waiting for clients.
func (p *postgres) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	_ = p.cmd.Wait()
}

// postgresBin returns the folder with initdb and postgres, which is not in PATH on Debian.
func postgresBin() (string, error) {
	if dir := os.Getenv("POSTGRES_BIN"); dir != "" {
		return dir, nil
	}
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(dirs) > 0 {
		return slices.Max(dirs), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", errors.New("no PostgreSQL for River: install it (Debian: apt-get install postgresql), name its bin folder in POSTGRES_BIN, or leave River out with -systems")
	}
	return filepath.Dir(path), nil
}

// notRoot gives the folder to the postgres user if this program runs as root, because PostgreSQL
// does not run as root. A nil credential means that the server runs as the same user.
func notRoot(dir string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("postgres does not run as root: %w", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, uid, gid)
}
