package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/archive"
	"github.com/ltsworker/ltsworker/internal/logging"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/redisstore"
)

// defaultArchive is the archive that is used if none is named.
const defaultArchive = "ltsworker-archive.db"

func newArchive(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "archive COMMAND",
		Short: "Keep ended tasks in an SQL database, and list them",
		Long: `Keep ended tasks, their attempts and their events in an SQL database, and list them
after Redis has removed them. The archive is a file of SQLite, or PostgreSQL:

  ltsworker archive run                                    # ltsworker-archive.db here
  ltsworker archive run --db /var/lib/ltsworker/tasks.db   # another file
  LTS_ARCHIVE=postgres://USER:PASSWORD@HOST/DATABASE ltsworker archive run
  ltsworker archive run --db @/etc/ltsworker/archive.dsn   # a file that holds the DSN

The tables and useful queries are described in docs/archive.md.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newArchiveRun(g), newArchiveList(g), newArchiveGet(g), newArchiveStats(g))
	return cmd
}

// archiveFlag is the archive on the command line.
type archiveFlag struct{ db textFlag }

func (f *archiveFlag) add(cmd *cobra.Command) {
	cmd.Flags().Var(&f.db, "db", "`FILE` of SQLite, a DSN of PostgreSQL without a password, or @FILE that holds one with it\n(default LTS_ARCHIVE, else "+defaultArchive+")")
}

// where returns the file or the DSN of the archive.
func (f *archiveFlag) where() (string, error) {
	raw, source := firstSet([2]string{string(f.db), "--db"}, [2]string{os.Getenv("LTS_ARCHIVE"), "LTS_ARCHIVE"}, [2]string{defaultArchive, ""})
	where, err := redisurl.Read(raw)
	if err != nil {
		return "", usagef("%s %v", source, err)
	}
	if source == "--db" && where == raw && archive.HasPassword(where) {
		return "", usagef("--db must not hold a password, which all users of this machine can read: put the DSN into the environment as LTS_ARCHIVE, or into a file and pass @FILE")
	}
	return where, nil
}

// with runs do with the archive, which must exist.
func (f *archiveFlag) with(cmd *cobra.Command, do func(ctx context.Context, db *archive.DB) error) error {
	where, err := f.where()
	if err != nil {
		return err
	}
	db, err := archive.OpenExisting(cmd.Context(), where)
	if err != nil {
		return ofArchive(err)
	}
	defer db.Close()
	return ofArchive(do(cmd.Context(), db))
}

// ofArchive returns an error of the archive on one line. A database that does not answer is not
// reported as an unreachable Redis.
func ofArchive(err error) error {
	if err == nil || !redisurl.IsNetwork(err) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), "\n\t", " "))
}

func newArchiveRun(g *globals) *cobra.Command {
	var (
		at        archiveFlag
		keep      durationFlag
		logFormat string
		once      bool
	)
	keep.word = "forever"
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Copy the tasks of a pool into the archive",
		Long: `Follow the events of the pool and copy its tasks into the archive, until interrupted.
The archive is made if it does not exist. The first run also copies ended tasks that
Redis still keeps. The command continues after an interruption where it stopped. During
an outage of Redis or of the database it waits.

The events carry state, times, attempts, errors and short results. Payload, headers,
longer results and logs are read from the task when it ends, if Redis keeps it: set
archive: {wait: 7d} in the config of the replicas, and ended tasks are kept until they
are archived, or give tasks a retention. If events were trimmed before they were read,
the archive has a gap, and the kept tasks are read instead.

Several runs for the same pool and archive are safe: one of them copies.`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(logging.Formats, logFormat) {
				return usagef("--log-format must be one of %s, not %s", strings.Join(logging.Formats, " "), terminal.Quoted(logFormat))
			}
			if keep.set && keep.value == 0 {
				return usagef("--keep must be positive, or forever, not 0s")
			}
			return archiveRun(cmd, g, &at, &keep, once, logFormat)
		},
	}
	at.add(cmd)
	cmd.Flags().Var(&keep, "keep", "remove tasks from the archive this `DURATION` after their end, such as 90d (default forever)")
	cmd.Flags().BoolVar(&once, "once", false, "end when the archive has all events")
	cmd.Flags().StringVar(&logFormat, "log-format", "auto", "format of the log: text, json, or auto: text on a terminal, else json")
	return cmd
}

func archiveRun(cmd *cobra.Command, g *globals, flag *archiveFlag, keep *durationFlag, once bool, logFormat string) error {
	log := logging.NewFormat(cmd.ErrOrStderr(), slog.LevelInfo, logFormat)
	name, err := g.poolName("")
	if err != nil {
		return err
	}
	at, err := g.target("")
	if err != nil {
		return err
	}
	where, err := flag.where()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	if err := at.Reach(ctx); err != nil {
		return err
	}
	db, err := archive.Open(ctx, where)
	if err != nil {
		return ofArchive(err)
	}
	defer db.Close()
	rdb := at.Client()
	defer rdb.Close()
	store := redisstore.New(rdb, name)
	defer store.Close()
	c := archive.Config{Pool: name, Once: once, Logger: log}
	if keep.set {
		c.Keep = max(keep.value, 0) // forever is negative
	}
	a, err := archive.New(db, store, c)
	if err != nil {
		return err
	}
	log.Info("archiver starting", "pool", name, "redis", at.Address, "redis_from", at.Source, "redis_user", cmp.Or(at.User, "default"), "archive", db.Place())
	if err := a.Run(ctx); err != nil {
		return redisurl.Unreachable(at.Address, err)
	}
	log.Info("stopped")
	return nil
}
