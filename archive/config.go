package archive

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Source is what an Archiver reads of a pool. redisstore.Store implements it.
type Source interface {
	LastEvent(ctx context.Context) (cursor string, err error)
	ReadEvents(ctx context.Context, after string, limit int, wait time.Duration) ([]task.Event, error)
	Get(ctx context.Context, ids ...string) ([]*task.Task, error)
	// Histories reads the recorded attempts of tasks, in the order of the ids.
	Histories(ctx context.Context, ids ...string) ([][]task.AttemptRecord, error)
	// Hosts returns where replicas run, or ran until they left.
	Hosts(ctx context.Context, replicas ...string) (map[string]task.Host, error)
	Tasks(ctx context.Context, f task.Filter) iter.Seq2[*task.Task, error]
	// Archived ends the wait of ended tasks for the archive: see pool.Config.ArchiveWait.
	Archived(ctx context.Context, tasks ...*task.Task) (waited int, err error)
	// PublishArchive shows the state of the archive to all programs.
	PublishArchive(ctx context.Context, a task.ArchiveInfo) error
	// WaitingSince, without queues, returns the time of the clock of Redis.
	WaitingSince(ctx context.Context, queues ...string) (oldest map[string]time.Time, now time.Time, err error)
}

// Config configures an Archiver.
type Config struct {
	Pool string // required
	// Keep is how long after its end a task stays in the archive; 0 is forever. Ages are
	// counted by the clock of the archiver.
	Keep time.Duration
	// Once makes Run return when the archive has all events.
	Once bool
	// Logger gets a line when calls to Redis or the database begin to fail and one when
	// they work again, and a line for each gap; nil is slog.Default().
	Logger *slog.Logger
}
