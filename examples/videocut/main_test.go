package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	cuts "github.com/ltsworker/ltsworker/examples/videocut/page"
	"github.com/ltsworker/ltsworker/export/sql"
	"github.com/ltsworker/ltsworker/integration/postgresserver"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// patience is how long a step in the browser may take on a busy machine.
const patience = 2 * time.Minute

// start runs the example in a directory and returns the address of its page.
func start(t *testing.T, redis *redisserver.Server, dir, resultsAt string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	life, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(life, l, dir, "redis://"+redis.Addr(), resultsAt) }()
	t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// TestResultsInPostgreSQL cuts a video while the database is away. The cut is not repeated. The
// row goes with the task.
func TestResultsInPostgreSQL(t *testing.T) {
	database, dsn := postgresserver.Start(t)
	database.Stop(t)
	redis := redisserver.Start(t)
	url := start(t, redis, t.TempDir(), dsn)
	p, err := pool.New(redisstore.New(redis.Client(t), poolName), pool.Config{})
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte(`{"title":"a","video":"testsrc.mp4","from":0,"seconds":1}`)
	receipt, err := p.EnqueueSpec(t.Context(), pool.Spec{Kind: cuts.Kind, Payload: payload, Retain: new(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) { // polls: the state of a task
		got, err := p.Get(t.Context(), receipt.ID)
		if err != nil || got.State.Terminal() || time.Now().After(deadline) {
			t.Fatalf("without a database: %+v, %v", got, err)
		}
		if got.State == pool.Exporting && got.SavesFailed > 0 {
			break
		}
	}
	database.Restart(t)
	got, err := p.WaitTask(t.Context(), receipt.ID)
	if err != nil || got.State != pool.Succeeded || !got.Exported || got.Attempt != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if video := download(t, url+"/tasks/"+got.ID+"/video"); len(video) < 1000 {
		t.Errorf("the download has %d bytes", len(video))
	}
	results, err := sql.New(dsn, sql.Config{Pool: poolName})
	if err != nil {
		t.Fatal(err)
	}
	defer results.Close()
	if saved, err := results.Load(t.Context(), got.Result); err != nil || !strings.Contains(string(saved), `"file"`) {
		t.Errorf("the row has %s, %v", saved, err)
	}
	res, err := http.Post(url+"/tasks/"+got.ID+"/delete", "application/x-www-form-urlencoded", nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("delete: %+v, %v", res, err)
	}
	res.Body.Close()
	if _, err := results.Load(t.Context(), got.Result); !errors.Is(err, sql.ErrNotFound) {
		t.Errorf("the row is left: %v", err)
	}
}

// dirWithLongVideo returns a directory of the example whose video plays for an hour: a cut in real time does not end before the
// browser stops it.
func dirWithLongVideo(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	videos := filepath.Join(dir, "videos")
	if err := os.Mkdir(videos, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ffmpeg", "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=duration=3600:size=160x120:rate=1",
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", filepath.Join(videos, "testsrc.mp4")).CombinedOutput()
	if err != nil {
		t.Fatalf("make a video: %v: %s", err, out)
	}
	return dir
}

// TestPageInABrowser creates, starts, watches, downloads, stops and deletes cuts in
// Chromium, with a redis-server and ffmpeg. CHROMIUM names the browser.
func TestPageInABrowser(t *testing.T) {
	url := start(t, redisserver.Start(t), dirWithLongVideo(t), "")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.WSURLReadTimeout(patience))
	if program := os.Getenv("CHROMIUM"); program != "" {
		options = append(options, chromedp.ExecPath(program))
	}
	browser, quit := chromedp.NewExecAllocator(context.Background(), options...)
	defer quit()
	tab, closeTab := chromedp.NewContext(browser)
	defer closeTab()
	if err := chromedp.Do(tab); err != nil { // the browser lives as long as the context of the first call
		t.Fatalf("start the browser: %v", err)
	}
	do := func(what string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		step, cancel := context.WithTimeout(tab, patience)
		defer cancel()
		if err := chromedp.Do(step, steps...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	const title = `"><script>alert(1)</script><img src=x onerror=alert(2)>`
	css := func(selector string) chromedp.CSS { return chromedp.CSS(selector) }
	row := func(state, part string) chromedp.CSS { return css(`tr[data-state="` + state + `"] ` + part) }

	do("open the page", chromedp.Navigate(url))
	var alert atomic.Bool
	if err := chromedp.Listen(tab, func(event any) {
		if _, ok := event.(*page.EventJavascriptDialogOpening); ok {
			alert.Store(true)
		}
	}); err != nil {
		t.Fatal(err)
	}
	do("create", chromedp.SendKeys(css(`input[name=title]`), title), chromedp.SetValue(css(`input[name=seconds]`), "1"),
		chromedp.Click(css("#create")), chromedp.WaitVisible(row("created", "button[name=start]")))
	shown, err := chromedp.Run(tab, chromedp.TextContent(row("created", ".title")))
	if err != nil || strings.TrimSpace(shown) != title || alert.Load() {
		t.Errorf("the title is %q, %v, an alert: %v", shown, err, alert.Load())
	}
	do("start and watch", chromedp.Click(row("created", "button[name=start]")), chromedp.WaitVisible(row("succeeded", ".download")))
	link, err := chromedp.Run(tab, chromedp.AttributeValue(row("succeeded", ".download"), "href"))
	if err != nil {
		t.Fatal(err)
	}
	if video := download(t, url+link.Value); len(video) < 1000 || string(video[4:8]) != "ftyp" {
		t.Errorf("the download is no MP4: %.40q", video)
	}
	do("delete", chromedp.Click(row("succeeded", "button[name=delete]")), chromedp.WaitNotPresent(css("tr[data-id]")))

	do("create a long cut", chromedp.SendKeys(css(`input[name=title]`), "long"), chromedp.SetValue(css(`input[name=seconds]`), "3600"),
		chromedp.Click(css(`input[name=realtime]`)), chromedp.Click(css("#create")), chromedp.WaitVisible(row("created", "button[name=start]")))
	do("start it", chromedp.Click(row("created", "button[name=start]")), chromedp.WaitVisible(row("running", "button[name=stop]")))
	if _, err := chromedp.Run(tab, chromedp.Poll[bool](`document.querySelector("tr[data-id] progress").value > 0`, chromedp.WithPollingTimeout(patience))); err != nil {
		t.Fatalf("watch it: %v", err)
	}
	do("stop and delete it", chromedp.Click(row("running", "button[name=stop]")), chromedp.WaitVisible(row("stopped", "button[name=delete]")),
		chromedp.Click(row("stopped", "button[name=delete]")), chromedp.WaitNotPresent(css("tr[data-id]")))
}

func download(t *testing.T, url string) []byte {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("%s: %d %v, %v", url, res.StatusCode, res.Header, err)
	}
	return b
}
