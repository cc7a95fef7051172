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

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/console"
	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/console/sqlarchive"
	"github.com/ltsworker/ltsworker/internal/config"
	"github.com/ltsworker/ltsworker/internal/health"
	"github.com/ltsworker/ltsworker/internal/logging"
	"github.com/ltsworker/ltsworker/internal/otlp"
	"github.com/ltsworker/ltsworker/observe/traces"
	"github.com/ltsworker/ltsworker/pool"
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
	flags.BoolVar(&f.open, "open", false, "no login: every user and program of this machine is an admin")
}

// settings returns the file with the flags applied. users is the password file of the flag, ""
// for none.
func (f *consoleFlags) settings(g *globals, users string) (c consoleFile, err error) {
	if f.file != "" {
		if c, err = readConsoleFile(f.file); err != nil {
			return c, err
		}
	}
	name := ""
	if f.pools == nil && len(c.Pools) == 0 {
		if name, err = g.poolName(""); err != nil {
			return c, err
		}
	}
	return f.apply(c, name, users)
}

// apply returns the settings with the flags applied. pool is shown unless other pools are named.
func (f *consoleFlags) apply(c consoleFile, pool, users string) (consoleFile, error) {
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
		c.Pools = []string{pool}
	}
	for i, name := range c.Pools {
		if err := task.CheckName(name); err != nil {
			return c, usagef("pool %q %v", name, err)
		}
		if slices.Contains(c.Pools[:i], name) {
			return c, usagef("pools has %s twice", name)
		}
	}
	if c.Metrics != "" {
		if err := health.CheckAddress(c.Metrics); err != nil {
			return c, usagef("metrics %v", err)
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
	var tracer pool.Tracer
	if otlp.Wanted() {
		e, err := otlp.New(cmd.Context(), otlp.Options{Version: version(), Log: log})
		if err != nil {
			return usagef("%v", err)
		}
		defer e.Close()
		tracer = traces.New(traces.Options{Provider: e.Provider()})
	}
	rdb := at.Client()
	defer rdb.Close()
	s, err := openConsole(cmd, &c, rdb, tracer, log)
	if err != nil {
		return err
	}
	defer s.close()
	return s.serve(cmd.Context())
}

// servedConsole is a console that listens.
type servedConsole struct {
	file     *consoleFile
	pages    *console.Console
	listener net.Listener
	stores   []*redisstore.Store
	alerts   []*alert.Runner
	archive  *sqlarchive.Archive // nil for none
	log      *slog.Logger
	stop     func() // of the metrics
}

// openConsole makes the console of a file and listens. It makes no call to Redis.
func openConsole(cmd *cobra.Command, c *consoleFile, rdb redis.UniversalClient, tracer pool.Tracer, log *slog.Logger) (s *servedConsole, err error) {
	s = &servedConsole{file: c, log: log, stop: func() {}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		return s, usagef("tls needs both cert and key")
	}
	if err := health.CheckAddress(c.Listen); err != nil {
		return s, usagef("--listen %v", err)
	}
	if c.Users != "" { // after the checks: the first password is printed once
		if err := firstUser(cmd, c.Users); err != nil {
			return s, err
		}
	}
	o, err := c.access()
	if err != nil {
		return s, err
	}
	o.Log = log
	gate, err := access.New(o)
	if err != nil {
		return s, usagef("%v", err)
	}
	if err := gate.CheckListen(c.Listen); err != nil {
		return s, usagef("--listen %v", err)
	}
	opts := console.Options{Gate: gate, Prefix: c.Prefix, Logger: log, Calendars: calendar.Builtin(), TraceURL: c.TraceURL, Tracer: tracer}
	if len(c.Redact) > 0 {
		if opts.Redact, err = console.RedactKeys(c.Redact...); err != nil {
			return s, usagef("%v", err)
		}
	}
	where, err := c.archive()
	if err != nil {
		return s, err
	}
	if where != "" {
		s.archive = sqlarchive.Open(where)
		opts.Archive = s.archive
	}
	for _, name := range c.Pools {
		s.stores = append(s.stores, redisstore.New(rdb, name))
	}
	opts.Stores = s.stores
	if s.pages, err = console.New(opts); err != nil {
		return s, usagef("%v", err)
	}
	if s.alerts, err = consoleAlerts(c.Alerts, s.stores, log); err != nil {
		return s, err
	}
	if c.Metrics != "" {
		stop, err := serveMetrics(c.Metrics, s.stores, log)
		if err != nil {
			return s, err
		}
		s.stop = stop
	}
	if s.listener, err = net.Listen("tcp", c.Listen); err != nil {
		// Not wrapped, so that it is not taken for an error of the connection to Redis.
		return s, fmt.Errorf("console: %v", err)
	}
	return s, nil
}

func (s *servedConsole) close() {
	s.stop()
	if s.pages != nil {
		s.pages.Close()
	}
	if s.listener != nil {
		s.listener.Close()
	}
	if s.archive != nil {
		s.archive.Close()
	}
	for _, store := range s.stores {
		store.Close()
	}
}

// consoleAlerts returns the runners of the alert rules of a file: for the pool that the file names, or
// for all pools of the console if it names none. Without a file it returns none.
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
		c.Refuse("pool", "is not a pool of the console: without this key the rules are for all its pools")
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

// serve serves until ctx ends.
func (s *servedConsole) serve(ctx context.Context) (err error) {
	c, pages, log := s.file, s.pages, s.log
	server := &http.Server{
		Handler: pages, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer func() { stop(); running.Wait() }()
	for _, r := range s.alerts {
		running.Go(func() {
			if err := r.Run(ctx); err != nil {
				log.Error("the alert rules of a pool do not run", "err", err)
			}
		})
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
	log.Info("console", "url", scheme+"://"+s.listener.Addr().String()+c.Prefix+"/", "pools", strings.Join(c.Pools, ","))
	if c.TLS.Cert != "" {
		err = server.ServeTLS(s.listener, c.TLS.Cert, c.TLS.Key)
	} else {
		err = server.Serve(s.listener)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("console: %v", err)
	}
	<-stopped
	return nil
}
