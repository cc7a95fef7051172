package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// riverSystem is River, set up as in its documentation.
type riverSystem struct {
	tuned  bool
	db     *pgxpool.Pool
	insert *river.Client[pgx.Tx]
	server *river.Client[pgx.Tx]
}

func openRiver(ctx context.Context, e env) (system, error) {
	cfg, err := pgxpool.ParseConfig(e.Postgres)
	if err != nil {
		return nil, err
	}
	if e.Tuned {
		cfg.MaxConns = 20
		cfg.ConnConfig.RuntimeParams["synchronous_commit"] = "off"
	}
	db, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	insert, err := river.NewClient(riverpgxv5.New(db), &river.Config{Logger: quiet()})
	return &riverSystem{tuned: e.Tuned, db: db, insert: insert}, err
}

// migrateRiver makes River's tables; clearRiver empties them between runs.
func migrateRiver(ctx context.Context, url string) error {
	db, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer db.Close()
	m, err := rivermigrate.New(riverpgxv5.New(db), &rivermigrate.Config{Logger: quiet()})
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

func clearRiver(ctx context.Context, url string) error {
	db, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer db.Close(ctx)
	_, err = db.Exec(ctx, "TRUNCATE river_job, river_leader, river_queue")
	return err
}

func (r *riverSystem) Version() string {
	v := "River " + module("github.com/riverqueue/river") + ", pgx " + module("github.com/jackc/pgx/v5")
	var server string
	if err := r.db.QueryRow(context.Background(), "SHOW server_version").Scan(&server); err == nil {
		v += ", PostgreSQL " + server
	}
	return v
}

func (r *riverSystem) Enqueue(ctx context.Context, t item) error {
	var opts *river.InsertOpts
	if t.Delay > 0 {
		opts = &river.InsertOpts{ScheduledAt: time.Now().Add(t.Delay)}
	}
	_, err := r.insert.Insert(ctx, t.args(), opts)
	return err
}

func (r *riverSystem) EnqueueBatch(ctx context.Context, ts []item) error {
	params := make([]river.InsertManyParams, len(ts))
	for i, t := range ts {
		params[i].Args = t.args()
	}
	_, err := r.insert.InsertManyFast(ctx, params)
	return err
}

type riverWorker struct {
	river.WorkerDefaults[args]
	handle handler
}

func (w *riverWorker) Work(_ context.Context, j *river.Job[args]) error {
	w.handle(j.Args.number(), j.Args.T)
	return nil
}

func (r *riverSystem) Start(ctx context.Context, workers int, h handler) error {
	ws := river.NewWorkers()
	river.AddWorker(ws, &riverWorker{handle: h})
	cfg := &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		Workers: ws,
		Logger:  quiet(),
	}
	if r.tuned {
		cfg.FetchCooldown, cfg.FetchPollInterval = time.Millisecond, 20*time.Millisecond
	}
	var err error
	if r.server, err = river.NewClient(riverpgxv5.New(r.db), cfg); err != nil {
		return err
	}
	return r.server.Start(ctx)
}

func (r *riverSystem) Stop() error {
	if r.server == nil {
		return nil
	}
	err := r.server.Stop(context.Background())
	r.server = nil
	return err
}

func (r *riverSystem) Pending(ctx context.Context) (int, error) {
	var n int
	err := r.db.QueryRow(ctx, "SELECT count(*) FROM river_job WHERE state <> 'completed'").Scan(&n)
	return n, err
}
