package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/console"
	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/internal/config"
	"github.com/ltsworker/ltsworker/internal/logging"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger/calendar"
)

// consoleAddress is where the console listens unless another address is given.
const consoleAddress = "127.0.0.1:8380"

// consoleFlags are the flags of the console that serves pages. They override the file.
type consoleFlags struct {
	file, listen string
	pools        []string
	open         bool
}

func (f *consoleFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.VarP((*textFlag)(&f.file), "config", "c", "config `FILE` of the console")
	flags.Var((*textFlag)(&f.listen), "listen", "serve at `HOST:PORT` (default "+consoleAddress+")")
	flags.StringSliceVar(&f.pools, "pools", nil, "`POOLS` to show, separated by commas (default that of --pool)")
	flags.BoolVar(&f.open, "open", false, "no login: every program of this machine is admin")
}

// settings returns the file with the flags applied. users is the password file of the flag, ""
// for none.
func (f *consoleFlags) settings(g *globals, users string) (c consoleFile, err error) {
	if f.file != "" {
		if c, err = readConsoleFile(f.file); err != nil {
			return c, err
		}
	}
	if f.listen != "" {
		c.Listen = f.listen
	}
	if c.Listen == "" {
		c.Listen = consoleAddress
	}
	c.Open = c.Open || f.open
	if users != "" {
		c.Users = users
	}
	if c.Users == "" && c.OIDC == nil && c.Proxy == nil && !c.Open {
		c.Users = defaultUsersFile
	}
	if f.pools != nil {
		c.Pools = f.pools
	}
	if len(c.Pools) == 0 {
		name, err := g.poolName("")
		if err != nil {
			return c, err
		}
		c.Pools = []string{name}
	}
	for _, name := range c.Pools {
		if err := task.CheckName(name); err != nil {
			return c, usagef("pool %q %v", name, err)
		}
	}
	return c, nil
}

// serve serves the console until the command is interrupted.
func (f *consoleFlags) serve(cmd *cobra.Command, g *globals, users string) error {
	c, err := f.settings(g, users)
	if err != nil {
		return err
	}
	at, err := g.target("")
	if err != nil {
		return err
	}
	if err := at.Reach(cmd.Context()); err != nil {
		return err
	}
	log := logging.New(os.Stderr, slog.LevelInfo)
	if c.Users != "" {
		if err := firstUser(cmd, c.Users); err != nil {
			return err
		}
	}
	o, err := c.access()
	if err != nil {
		return err
	}
	o.Log = log
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		return usagef("tls needs both cert and key")
	}
	gate, err := access.New(o)
	if err != nil {
		return usagef("%v", err)
	}
	if err := gate.CheckListen(c.Listen); err != nil {
		return usagef("--listen %v", err)
	}
	opts := console.Options{Gate: gate, Prefix: c.Prefix, Logger: log, Calendars: calendar.Builtin()}
	if len(c.Redact) > 0 {
		if opts.Redact, err = console.RedactKeys(c.Redact...); err != nil {
			return usagef("%v", err)
		}
	}
	rdb := at.Client()
	defer rdb.Close()
	for _, name := range slices.Compact(c.Pools) {
		store := redisstore.New(rdb, name)
		defer store.Close()
		opts.Stores = append(opts.Stores, store)
	}
	pages, err := console.New(opts)
	if err != nil {
		return usagef("%v", err)
	}
	defer pages.Close()
	runners, err := consoleAlerts(c.Alerts, opts.Stores, log)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(cmd.Context())
	var running sync.WaitGroup
	defer func() { stop(); running.Wait() }()
	for _, r := range runners {
		running.Go(func() {
			if err := r.Run(ctx); err != nil {
				log.Error("the alert rules do not run", "err", err)
			}
		})
	}
	return listen(ctx, &c, pages, log)
}

// consoleAlerts returns what runs the alert rules of a file, for the pool that it names or else for
// all pools of the console. It returns none if there is no file.
func consoleAlerts(file string, stores []*redisstore.Store, log *slog.Logger) (runners []*alert.Runner, err error) {
	if file == "" {
		return nil, nil
	}
	c, err := config.ReadAlerts(file)
	if err != nil {
		return nil, &inputError{err}
	}
	o := c.OpenAlerts(log)
	if c.PoolName != "" && !slices.ContainsFunc(stores, func(s *redisstore.Store) bool { return s.Pool() == c.PoolName }) {
		c.Refuse("pool", "is no pool of the console: remove the key, and the rules are for all its pools")
	}
	if err := c.Err(); err != nil {
		return nil, &inputError{err}
	}
	for _, s := range stores {
		if c.PoolName == "" || c.PoolName == s.Pool() {
			r, err := alert.New(s, *o)
			if err != nil {
				return nil, err
			}
			runners = append(runners, r)
		}
	}
	return runners, nil
}

// firstUser makes the password file with a first user if there is none, and prints the
// password once.
func firstUser(cmd *cobra.Command, file string) error {
	password, err := access.FirstStart(file)
	if err != nil {
		return fmt.Errorf("password file: %w", err)
	}
	if password == "" {
		return nil
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "made %s with the user admin, who has to change this password at the first login: %s\n", file, password)
	return err
}

// listen serves until ctx ends.
func listen(ctx context.Context, c *consoleFile, pages *console.Console, log *slog.Logger) error {
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		// Not wrapped, so that it is not taken for an error of the connection to Redis.
		return fmt.Errorf("console: %v", err)
	}
	server := &http.Server{
		Handler: pages, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		pages.Close() // ends the streams, which Shutdown would wait for
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if server.Shutdown(end) != nil {
			server.Close()
		}
	}()
	scheme := "http"
	if c.TLS.Cert != "" {
		scheme = "https"
	}
	log.Info("console", "url", scheme+"://"+listener.Addr().String()+c.Prefix+"/", "pools", strings.Join(c.Pools, ","))
	if c.TLS.Cert != "" {
		err = server.ServeTLS(listener, c.TLS.Cert, c.TLS.Key)
	} else {
		err = server.Serve(listener)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("console: %v", err)
	}
	<-stopped
	return nil
}
