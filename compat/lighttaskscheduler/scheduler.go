package lighttaskscheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/executor/async"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// retainFinished is how long tasks are kept after their end for FinshedTasks. It is the time
// for which the pool keeps events.
const retainFinished = 24 * time.Hour

// callTimeout is how long a call of the actuator or the persistencer may take, except Stop.
const callTimeout = 5 * time.Minute

// errClosed is the error of AddTask after Close.
var errClosed = errors.New("the scheduler is closed")

// TaskScheduler runs the tasks of a container with an actuator. It is safe for concurrent
// use.
type TaskScheduler struct {
	Container    TaskContainer
	Actuator     TaskActuator
	Persistencer TaskdataPersistencer

	base     *Combination
	pool     *pool.Pool // runs the tasks
	jobs     *jobs      // nil with a function actuator
	exporter *exporter  // nil without a persistencer
	retain   *time.Duration
	finished chan *Task // nil if FinshedTasks is not enabled

	life  context.Context // ends with Close
	close context.CancelFunc
	ended chan struct{} // closed when Run has returned
	err   error         // of Run, once ended is closed
}

// MakeScheduler starts a scheduler, which joins the pool of the container as a replica. It
// returns an error if the config is invalid, if Redis does not answer within about ten
// seconds, or if the pool cannot be joined. persistencer may be nil. A container that is
// neither a Container nor a Combination is combined with EnvContainer(0).
func MakeScheduler(container TaskContainer, actuator TaskActuator, persistencer TaskdataPersistencer, config Config) (*TaskScheduler, error) {
	s := &TaskScheduler{Container: container, Actuator: actuator, Persistencer: persistencer, ended: make(chan struct{})}
	err := config.check()
	if actuator == nil {
		err = errors.Join(err, errors.New("the actuator is missing"))
	}
	base, baseErr := combine(container)
	s.base = base
	if err = errors.Join(err, baseErr); err == nil {
		err = s.start(config)
	}
	if err != nil {
		return nil, fmt.Errorf("light-task-scheduler: %w", err)
	}
	return s, nil
}

func (s *TaskScheduler) start(config Config) error {
	if _, err := s.base.client(); err != nil {
		return err
	}
	limit := int(config.TaskLimit)
	maxLen := s.base.maxLen
	if maxLen == 0 {
		maxLen = pool.NoLimit
	}
	joined := make(chan struct{})
	cfg := pool.Config{
		Queues:    map[string]pool.Queue{pool.DefaultQueue: {Workers: limit, Limit: limit, MaxLen: maxLen}},
		Policies:  map[string]pool.Policy{kind: config.policy()},
		OnConnect: sync.OnceFunc(func() { close(joined) }),
	}
	if s.Persistencer != nil {
		s.exporter = &exporter{s.Persistencer, s.base}
		policy := cfg.Policies[kind]
		policy.LargeResult = task.ExportLargeResult
		cfg.Policies[kind], cfg.Exports = policy, map[string]pool.Export{kind: s.exporter.export(limit)}
	}
	if config.EnableFinshedTaskList {
		s.finished = make(chan *Task)
	}
	if s.finished != nil || s.base.Own != nil {
		s.retain, cfg.OnFinish = new(retainFinished), s.onFinish
	}
	handler, err := s.handler(&config)
	if err != nil {
		return err
	}
	if s.pool, err = pool.New(s.base.store, cfg); err != nil {
		return err
	}
	s.pool.HandleKind(kind, handler)

	s.life, s.close = context.WithCancel(context.Background())
	go s.run(joined)
	select {
	case <-joined:
	case <-s.ended:
		if s.err == nil {
			s.err = errClosed
		}
		return s.err
	}
	if err := s.base.adopt(s.life, s.retain); err != nil {
		s.Close()
		return err
	}
	if config.EnableStateCallback {
		go s.readCallbacks(config.CallbackReceiver.GetCallbackChannel(s.life))
	}
	return nil
}

// run runs the tasks until Close. It closes the channel of FinshedTasks afterwards: only Run
// sends on it.
func (s *TaskScheduler) run(joined <-chan struct{}) {
	s.err = s.pool.Run(s.life)
	select {
	case <-joined:
		if s.err != nil {
			slog.Error("the scheduler has ended; tasks wait until another process runs them", "pool", s.base.poolName(), "err", s.err)
		}
	default: // it is the error of MakeScheduler
	}
	s.close()
	close(s.ended)
	if s.finished != nil {
		close(s.finished)
	}
}

// handler returns the handler of the tasks.
func (s *TaskScheduler) handler(config *Config) (task.Handler, error) {
	if f, ok := s.Actuator.(runner); ok {
		return s.runFunction(f), nil
	}
	if m, ok := s.Actuator.(handlerMaker); ok {
		h, err := m.MakeHandler(s.base.poolName(), running)
		return s.runHandler(h), err
	}
	s.jobs = newJobs(s.Actuator, s.exporter, !config.DisableStatePoll, s.base)
	var err error
	s.jobs.async, err = async.New(s.jobs, async.Options{Pool: kind, Interval: config.interval(), CallTimeout: callTimeout, StartTimeout: callTimeout})
	return s.jobs.handle, err
}

// AddTask prepares a task with TaskActuator.Init and enqueues it. A task with the same id
// that has ended starts again, with the new item and all its tries. If the task with the id
// is being stopped, AddTask waits for its end first. If it is live and the same, AddTask
// changes nothing; if it is live and has another item, AddTask returns ErrExists.
func (s *TaskScheduler) AddTask(ctx context.Context, task Task) error {
	select {
	case <-s.ended:
		return errors.Join(errClosed, s.err)
	default:
	}
	newTask, err := s.Actuator.Init(ctx, &task)
	if err != nil {
		return fmt.Errorf("task init failed: %w", err)
	}
	if newTask == nil {
		newTask = &task
	}
	return s.base.add(ctx, *newTask, s.retain)
}

// StopTask stops the task with the TaskId, on whatever replica it runs. The other fields of
// ftask do not matter. A waiting task is stopped at once. Of a running task the actuator's
// Stop is called, and the task is stopped when it has returned; the task is not retried. The
// error wraps pool.ErrNotFound if there is no such task, and pool.ErrEnded if it has ended.
func (s *TaskScheduler) StopTask(ctx context.Context, ftask *Task) error {
	_, err := s.base.ToStopStatus(ctx, ftask)
	return err
}

// FinshedTasks returns the channel of ended tasks: TASK_STATUS_SUCCESS, TASK_STATUS_FAILED
// and TASK_STATUS_STOPED. It is nil without Config.EnableFinshedTaskList, and closed after
// Close. Do not send on it or close it.
//
// The channel has no buffer: an ended task stays in Redis until a receiver takes it, and is
// given again if this process dies before. So a slow receiver delays no task and loses none,
// for a day and a million events. All schedulers of the pool with the option share the
// ended tasks; each task is given to one of them, and rarely twice.
func (s *TaskScheduler) FinshedTasks() chan *Task { return s.finished }

// Pool returns the pool that runs the tasks, for what this package does not offer.
func (s *TaskScheduler) Pool() *pool.Pool { return s.pool }

// Close ends the scheduler. It cancels running functions and waits up to ten seconds for
// them; jobs of other actuators go on. Tasks that have not ended are taken by another
// process of the pool, or by this program at its next start. Close may be called more than
// once.
func (s *TaskScheduler) Close() {
	s.close()
	_ = s.pool.Close()
	<-s.ended
}
