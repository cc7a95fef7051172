// Videocut cuts videos at a service and shows the cuts on a page:
//
//	browser ── page ── pool in Redis ── replica with executor/remote ── cutting service ── ffmpeg
//	                                    └── exporter ── results in SQLite or PostgreSQL
//
// All parts run in this process, each as if it ran on another machine. It makes a video to
// cut. Run it in this folder, and open http://127.0.0.1:8090:
//
//	go run .                                     with an embedded Redis
//	LTS_REDIS=redis://127.0.0.1:6379/0 go run .
//	VIDEOCUT_RESULTS=postgres://videos@db/videos go run .     with the results in PostgreSQL
//
// It needs ffmpeg.
package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/examples/videocut/cutter"
	"github.com/ltsworker/ltsworker/examples/videocut/page"
	"github.com/ltsworker/ltsworker/executor/remote"
	"github.com/ltsworker/ltsworker/export/sql"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8090", "the address of the page")
	dir := flag.String("dir", "data", "the directory of the videos")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	l, err := net.Listen("tcp", *listen)
	if err == nil {
		err = run(ctx, l, *dir, os.Getenv("LTS_REDIS"), os.Getenv("VIDEOCUT_RESULTS"))
	}
	if err != nil {
		log.Fatal(err)
	}
}

// run serves the page at l until ctx ends. resultsAt is the DSN of PostgreSQL, or the path of a
// file of SQLite; "" is a file in dir.
func run(ctx context.Context, l net.Listener, dir, redisURL, resultsAt string) (err error) {
	defer l.Close()
	videos, cuts := filepath.Join(dir, "videos"), filepath.Join(dir, "cuts")
	for _, d := range []string{videos, cuts} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		return fmt.Errorf("install ffmpeg, such as with apt-get install ffmpeg: %w", err)
	}
	if err := makeVideo(ctx, ffmpeg, filepath.Join(videos, "testsrc.mp4")); err != nil {
		return err
	}

	// The cutting service.
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte(rand.Text()+rand.Text()))
	service, err := cutter.New(ffmpeg, videos, cuts, secret, 2)
	if err != nil {
		return err
	}
	defer service.Close()
	cutterAt, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer serve(cutterAt, service)()

	// The replica.
	if redisURL == "" {
		m, err := miniredis.Run()
		if err != nil {
			return err
		}
		defer m.Close()
		redisURL = "redis://" + m.Addr()
	}
	opts, err := redis.ParseURL(redisURL)
	if err != nil {
		return err
	}
	rdb := redis.NewClient(opts)
	defer rdb.Close()
	if resultsAt == "" {
		resultsAt = filepath.Join(dir, "results.db")
	}
	results, err := sql.New(resultsAt, sql.Config{Pool: poolName})
	if err != nil {
		return err
	}
	defer results.Close()
	p, err := newPool(rdb, "http://"+cutterAt.Addr().String(), secret, results)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()

	// The page.
	videoRoot, err := os.OpenRoot(videos)
	if err != nil {
		return err
	}
	defer videoRoot.Close()
	cutRoot, err := os.OpenRoot(cuts)
	if err != nil {
		return err
	}
	defer cutRoot.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return err
	}
	pages := &page.Page{Pool: p, Results: results, Videos: videoRoot, Cuts: cutRoot, Hosts: []string{l.Addr().String(), net.JoinHostPort("localhost", port)}}
	defer serve(l, pages.Handler())()
	log.Printf("page: http://%s", l.Addr())
	return <-ended
}

const poolName = "videocut"

// newPool returns a pool whose replica gives the tasks to the service and saves their results.
func newPool(rdb redis.UniversalClient, url, secret string, results pool.Exporter) (*pool.Pool, error) {
	p, err := pool.New(redisstore.New(rdb, poolName), pool.Config{
		Queues:   map[string]pool.Queue{pool.DefaultQueue: {Workers: 8}},
		Policies: map[string]pool.Policy{page.Kind: {Timeout: time.Hour, MaxAttempts: 3}},
		Exports:  map[string]pool.Export{page.Kind: {Exporter: results}},
	})
	if err != nil {
		return nil, err
	}
	cut, err := remote.New(remote.Config{
		Pool: poolName, URL: url, Mode: remote.Jobs, Secrets: []string{secret},
		Networks: []string{"127.0.0.1"}, // the service is on this machine
		Interval: 500 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	p.HandleKind(page.Kind, cut)
	return p, nil
}

// serve answers requests at l until stop is called.
func serve(l net.Listener, h http.Handler) (stop func()) {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Print(err)
		}
	}()
	return func() { s.Close() }
}

// makeVideo makes a video of 20 seconds, unless it is there.
func makeVideo(ctx context.Context, ffmpeg, file string) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	part := file + ".part"
	out, err := exec.CommandContext(ctx, ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error",
		"-f", "lavfi", "-i", "testsrc=duration=20:size=160x120:rate=10",
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-f", "mp4", "-y", part).CombinedOutput()
	if err != nil {
		return fmt.Errorf("make a video: %w: %s", err, out)
	}
	return os.Rename(part, file)
}
