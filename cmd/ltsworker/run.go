package main

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/callback"
	"github.com/ltsworker/ltsworker/internal/config"
	"github.com/ltsworker/ltsworker/internal/health"
	"github.com/ltsworker/ltsworker/internal/logging"
	"github.com/ltsworker/ltsworker/internal/otlp"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/internal/systemd"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/observe/metrics"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

func newRun(g *globals) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run -c FILE",
		Short: "Run a replica from a config file",
		Long: `Run a replica: it takes tasks from the queues of the config file and runs the
commands of its handlers, until interrupted.

  pool: media
  redis: redis://127.0.0.1:6379/0
  lease: 30s                     # tasks of a dead replica run again after this
  drain_timeout: 30s             # how long a shutdown waits for running tasks
  stop_grace: 10s                # a stopped command is killed after 8 tenths of this
  max_stuck: 2                   # commands that may ignore a stop; with more, run ends
  max_log: 8192                  # bytes kept of the end of an attempt's log, or none
  labels: [gpu, zone=eu]         # it takes only tasks whose labels it has all of
  exclusive: false               # true: it takes only tasks that have a label
  limit: 50                      # tasks at once, over all replicas; none removes the
                                 # limit, 0 changes nothing; so do the limits below
  health: 127.0.0.1:8080         # serves /live and /ready
  metrics: {pool: true, max_queues: 1000, max_kinds: 200}   # and /metrics and /scale; with
                                 # pool: false without the state of the pool
  traces: {errors: false}        # exports spans by OTLP; true: with the texts of errors
  admission: {max_cpu: 90%, min_free_memory: 512MiB}   # beyond a bound no task starts here
  callbacks: 127.0.0.1:8081      # takes reports from outside: POST /callback/TOKEN
  console: {listen: 127.0.0.1:8380, users: console.users}   # has the keys of ltsworker console
  queues:
    default: {workers: 4, limit: 10, max_len: 10000}   # 4 in this replica, 10 over all
    calls: {workers: 4, rate: 100/s burst 10, aging: 30s}   # starts per time over all
                                 # replicas; 30s of waiting are worth one priority
    cut: {slots: media, weight: 3}   # slots that it shares with other queues
    thumb: {slots: media, weight: 1}
  slots: {media: {workers: 8, strict: false}}   # strict: the higher weight comes first
  groups: {default_limit: 2, limits: {acme: 5, big: none},   # big is exempt from the 2
    default_rate: 10/s, rates: {acme: 50/s, big: none}}      # and from the 10/s
  events: {max: 1000000, age: 24h}                   # bounds of the event stream
  archive: {wait: 7d}                                # ended tasks wait so long for archive run
  triggers:                      # make tasks at set times; docs/triggers.md has all keys
    night: {kind: video.cut, payload: {}, cron: "0 3 * * *", zone: Europe/Berlin, overlap: skip}
  alerts:                        # messages when something is wrong; docs/alerts.md has all keys
    receivers: {ops: {webhook: {url: https://hooks.example/tasks, secret: {env: HOOK_SECRET}}}}
    rules: {wait: {when: oldest_wait, over: 15m, to: [ops]}}   # default: rules for common problems
  trigger_set: config            # files with other triggers need another name
  calendars: {company: company.json}   # for triggers, beside weekdays and cn-workdays
  handlers:
    video.cut:
      command: [./cut.sh, --fast]
      concurrency: 2             # tasks of the kind at once in this replica; they have
                                 # a queue of their own, named video.cut
      disabled: false            # true: tasks of the kind do not run here
      timeout: 5m                # of one attempt; none for no limit
      soft_timeout: 1m           # then an event with the code slow is written
      progress_timeout: 30s      # without progress for so long it times out; default: none
      large_result: fail         # for an output over 64 KiB; default truncate
      max_attempts: 3
      max_lost: 3                # lost leases; the task fails at the next one
      in_place: 2                # failed attempts that are retried at once in the same slot
      avoid_failed: true         # a retry prefers a replica other than the one that failed
      backoff: exponential:1000:600000   # or fixed:5000, in milliseconds
      max_log: none              # of this kind; with none no error has its last line
      dir: work                  # relative to the config file, whose own
                                 # directory is the default
      inherit: [PATH, LC_*]      # the variables it gets from the replica; default: all
      env: {MODE: fast}
      limits: {cpu: 60s, memory: 2GiB, files: 256, processes: 200, file_size: 1GiB, core: none}
      umask: 027
      export: {dir: results, name: "{kind}/{id}", workers: 2, timeout: 1m,
               max_attempts: 100, max_staged: 1000}   # see below
    mail.send:
      command: [./send.sh, "--to={{payload.to}}", "{{payload.text | default none}}"]
    video.render:
      timeout: 2h                # the keys above, except command, dir and env
      docker:                    # a container, which survives the replica
        image: ffmpeg:7
        command: [/render.sh]    # default: that of the image; so are entrypoint, dir, user
        env: {MODE: fast}
        memory: 2GiB             # default: no limit
        cpus: 1.5                # default: all
        mounts: ["/srv/videos:/in:ro", "cache:/cache"]   # of the host: paths or volumes
        network: videos          # default: none
        pull: missing            # or always or never
        login: {registry: registry.example, user: worker, password: {env: REGISTRY_PASSWORD}}
        keep: 1m                 # an ended container is kept for so long
        interval: 5s             # between two polls
        host: unix:///run/docker.sock   # default: DOCKER_HOST
    report:
      remote:                    # a service elsewhere; docs/remote.md has all keys
        url: https://report.example/{{payload.project}}
        mode: jobs               # start, poll and stop; or callback; default call: one request
        jobs_url: https://report.example/jobs
        secret: {env: REPORT_SECRET}   # or file: PATH; signs the requests
        headers: {X-Tenant: "{{payload.tenant}}", Authorization: {env: REPORT_TOKEN, prefix: "Bearer "}}
        networks: [10.1.0.0/16]  # not only public addresses

A command gets the payload on its standard input and LTS_TASK_ID, LTS_KIND,
LTS_QUEUE, LTS_ATTEMPT, LTS_FENCE and LTS_POOL in its environment. LTS_ATTEMPT
counts the starts of the task. LTS_FENCE grows with every claim of the pool, so
another system can refuse a command whose task already runs elsewhere. The standard
output of the command is the result. Its standard error is the log of the attempt. A
line "::progress 0.4 message" on its standard error sets the progress of the task.
Exit code 0: the task succeeds. 65: it fails without a retry. 75: it is released
without using an attempt. Any other code: the attempt fails. A program name with a
slash is relative to dir; any other name is searched for in PATH. A stopped command
gets SIGTERM, and SIGKILL after the grace. A command whose lease is lost is killed at
once, before the task starts elsewhere. A container gets the payload as the file that
LTS_PAYLOAD_FILE names, and everything else as a command does. It goes on when its
replica ends or loses the lease, and the next replica waits for it.

A service elsewhere gets a task as a signed request. Its answer is the result, or it
starts a job that is polled or that reports its end: see docs/remote.md.

{{payload.FIELD}}, {{id}}, {{kind}}, {{queue}}, {{pool}}, {{attempt}} and {{fence}}
fill a whole argument or value of env, or the rest behind a fixed prefix. A missing
value fails the task with bad_payload, unless there is "| default VALUE"; "| json"
fills in objects and lists. A value that begins with "-" is refused, unless it has a
prefix or stands behind "--". A literal {{ is written {{{{.

--redis, LTS_REDIS, --pool and LTS_POOL override the file. Put a URL with a password
into the file or into LTS_REDIS; no command inherits LTS_REDIS.

The first SIGTERM or SIGINT drains the replica: it takes no more tasks, and running
tasks may end within drain_timeout. The second signal cancels and releases running
tasks at once. The command drain does the same as the first signal.

With --health, the replica serves /live and /ready, both with a line of JSON. /live
answers 200 while the process works. /ready answers 200 while the replica has joined
the pool, is not draining, and Redis has answered within the last 5 seconds, else
503. Under systemd (Type=notify) the replica reports when it is ready and when it
stops, and serves the watchdog.

With --metrics, or metrics in the file, the health endpoint also serves /metrics for
Prometheus and /scale?queue=NAME, a line of JSON for autoscalers: docs/metrics.md. All
replicas export the same state of the pool. With pool: false a replica exports only what
it does itself. Queues and kinds beyond the bounds are added up as "other".

With --traces, traces in the file, or a variable OTEL_EXPORTER_OTLP_ENDPOINT, the replica
exports spans of attempts to a collector of OpenTelemetry, by OTLP over HTTP and by default
to http://localhost:4318. The standard OTEL_ variables configure it: docs/traces.md. A
command gets TRACEPARENT.

With admission, no task starts here while more of the CPU is in use, or less memory is
available, than the bounds allow; both count for the machine and for the limits of its
container or systemd unit. Running tasks go on, and waiting tasks start on other
replicas. The log, replicas, doctor, /live and /ready show the reason.

A handler with a concurrency has its own queue, which this replica serves. Inbox entries
of the kind that name no queue go there if this replica admits them; enqueue and other
clients name it, as in --queue video.cut. The concurrency also holds for tasks of the kind
from other queues. The tasks of a disabled handler wait in its own queue; from other queues
they run on other replicas, or wait.

With an export, the result of the kind is kept outside of Redis: in files below dir, in
a file of SQLite (sqlite: FILE) or in PostgreSQL (dsn_env: VARIABLE or dsn_file: FILE,
which hold the DSN). The task is exporting until a replica with the export has saved the
result. The command does not run again if a save fails; after max_attempts the task has
failed, and retry exports its result again. With max_staged results that are not saved,
no task of the kind starts. With large_result: export, an output may have 4,000,000 bytes.
The directory of a file of SQLite must exist. docs/export.md has all keys.

With --console, or console in the file, the process also serves the web console, until the
last task has ended. The section has the keys of the file of ltsworker console, and the
password file is the same one.

With --callbacks, the replica takes reports from outside as POST /callback/TOKEN.
Requests are not logged, because their paths have tokens.

If Redis cannot be reached at the start, run ends with exit code 3, so that a service
manager starts it again. A replica that has joined waits until Redis answers again.

Failed attempts are logged at the level info, problems of the pool at warn and error.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 && f.file == "" {
				return &usageError{msg: "unexpected argument " + terminal.Quoted(args[0]), hint: "-c " + terminal.ShellWord(args[0])}
			}
			return between(0, 0, "")(nil, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return run(cmd, g, &f)
		},
	}
	cmd.Flags().StringVarP(&f.file, "config", "c", "", "config `FILE`, see above")
	cmd.Flags().StringVar(&f.health, "health", "", "serve /live and /ready at `HOST:PORT` (default the config file's)")
	cmd.Flags().BoolVar(&f.metrics, "metrics", false, "serve /metrics and /scale, too (default the config file's)")
	cmd.Flags().BoolVar(&f.traces, "traces", false, "export spans by OTLP (default if the config file or OTEL_ variables say so)")
	cmd.Flags().StringVar(&f.console, "console", "", "serve the web console at `HOST:PORT` (default the config file's)")
	cmd.Flags().StringVar(&f.callbacks, "callbacks", "", "take reports from outside at `HOST:PORT`, as POST /callback/TOKEN\n(default the config file's)")
	cmd.Flags().StringArrayVar(&f.labels, "label", nil, "`LABEL` of this replica, beside those of the config file; may be repeated")
	cmd.Flags().BoolVar(&f.exclusive, "exclusive", false, "take only tasks that have a label")
	cmd.Flags().StringVar(&f.logFormat, "log-format", "auto", "format of the log: text, json, or auto: text on a terminal, else json")
	return cmd
}

func run(cmd *cobra.Command, g *globals, f *runFlags) error {
	log := logging.NewFormat(cmd.ErrOrStderr(), slog.LevelInfo, f.logFormat)
	at, p, c, err := prepare(g, f, log)
	if err != nil {
		return err
	}
	address, routes := cmp.Or(f.health, c.HealthAddress), map[string]http.Handler{}
	if f.metrics && c.Metrics == nil {
		c.Metrics = &metrics.Options{}
	}
	defer at.traces.Close()
	if c.Metrics != nil {
		if address == "" {
			return usagef("metrics need an address: set --health HOST:PORT, or health in the config file")
		}
		m := metrics.NewCollector(p, *c.Metrics)
		routes["/metrics"], routes["/scale"] = m.Handler(at.traces.Metrics()...), m.Scale()
	}
	pages, err := f.consoleOf(c)
	if err != nil {
		return err
	}
	// The commands of handlers inherit the environment, but must not get the password.
	if err := os.Unsetenv("LTS_REDIS"); err != nil {
		return err
	}
	defer at.Close()

	ctx := cmd.Context()
	if err := at.Reach(ctx); err != nil {
		return err
	}
	if err := p.Check(ctx); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			log.Warn("a check of redis found a problem", "problem", terminal.TidyError(line))
		}
	}

	applied, err := p.Triggers().Apply(ctx, c.TriggerSet, c.Triggers)
	if err != nil {
		return redisurl.Unreachable(at.Address, err)
	}
	if applied.Set+applied.Removed > 0 {
		log.Info("triggers of the config file were set", "set", applied.Set, "removed", applied.Removed)
	}

	log.Info("replica starting", "pool", c.PoolName, "redis", at.Address, "redis_from", at.Source, "redis_user", cmp.Or(at.User, "default"),
		"queues", slices.Sorted(maps.Keys(c.Pool.Queues)), "kinds", slices.Sorted(maps.Keys(c.Pool.Policies)))
	stopWatching := onSecondSignal(func() {
		log.Warn("second signal: giving running tasks back now")
		p.Close()
	})
	defer stopWatching()
	if address != "" {
		stop, err := health.Serve(address, p, routes, log)
		if err != nil {
			return err
		}
		defer stop()
	}
	if pages != nil {
		stop, err := startConsole(cmd, pages, at, c.Pool.Tracer, log)
		if err != nil {
			return err
		}
		defer stop()
	}
	if address := cmp.Or(f.callbacks, c.CallbackAddress); address != "" {
		stop, err := callback.Serve(address, p, log)
		if err != nil {
			return err
		}
		defer stop()
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var notifiers sync.WaitGroup
	notifiers.Go(func() { systemd.Notify(life, p, log) })
	notifiers.Go(func() {
		select {
		case <-p.Draining():
			log.Info("draining: running tasks may end, no more are taken; a second signal gives them back now")
		case <-life.Done():
		}
	})

	if c.Alerts != nil {
		notifiers.Go(func() { runAlerts(life, at, c, log) })
	}

	err = p.Run(ctx)
	end()
	notifiers.Wait()
	if err == nil {
		log.Info("stopped")
	}
	return redisurl.Unreachable(at.Address, err)
}

// prepare reads the config file and creates its pool, without a call to Redis. The error lists all
// errors in the file.
func prepare(g *globals, f *runFlags, log *slog.Logger) (*connection, *pool.Pool, *config.Config, error) {
	file := f.file
	c, err := config.Read(file)
	if err != nil {
		return nil, nil, nil, &inputError{err}
	}
	if c.Exposed {
		log.Warn("the config file holds a password and others may read it: chmod 600, or put the URL into LTS_REDIS", "file", file)
	}
	name, err := g.poolName(c.PoolName)
	if err != nil {
		return nil, nil, nil, err
	}
	c.PoolName = name
	if c.RedisURL != "" {
		// The URL is checked even if a flag or the environment overrides it, so that an
		// accepted file is also valid without them.
		if _, err := redisurl.Parse(c.RedisURL, false); err != nil {
			c.Refuse("redis", err.Error())
		}
	}
	at, err := g.target(c.RedisURL)
	if err != nil && !c.Refused("redis") {
		return nil, nil, nil, err
	}
	handlers, err := c.Commands(name, log)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := c.OpenExports(name); err != nil {
		return nil, nil, nil, err
	}
	c.Pool.Logger, c.Pool.Version = log, version()
	c.Pool.Admit = c.Admit()
	exporter, err := traceRun(f, c, log)
	if err != nil {
		return nil, nil, nil, err
	}
	c.Pool.Labels, c.Pool.Exclusive = append(c.Pool.Labels, f.labels...), c.Pool.Exclusive || f.exclusive
	if err := c.OpenCalendars(); err != nil {
		return nil, nil, nil, err
	}
	if at == nil {
		at = redisurl.FromOptions(&redis.Options{})
	}
	rdb := at.Client()
	store := redisstore.New(rdb, name)
	p, err := pool.New(store, c.Pool)
	if len(c.Pool.Queues)+len(c.Pool.Handlers) > 0 {
		c.RefusePool(err)
	}
	checker := p
	if err != nil { // the mistakes of triggers are reported beside those of the pool
		checker, err = pool.New(store, pool.Config{Calendars: c.Pool.Calendars})
	}
	if err == nil {
		c.CheckTriggers(checker)
	}
	c.OpenAlerts(log)
	if err := c.Err(); err != nil {
		rdb.Close()
		return nil, nil, nil, &inputError{err}
	}
	for kind, h := range handlers {
		p.HandleKind(kind, h)
	}
	return &connection{rdb, at, exporter}, p, c, nil
}

// connection is a client and its target.
type connection struct {
	redis.UniversalClient
	*redisurl.Target
	traces *otlp.Exporter // nil for none
}
