package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

// patience is how long a step in the browser may take on a busy machine.
const patience = 2 * time.Minute

// TestPageInABrowser creates, starts, watches, downloads, stops and deletes cuts in
// Chromium, with a redis-server and ffmpeg. CHROMIUM names the browser.
func TestPageInABrowser(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	redis := redisserver.Start(t)
	life, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(life, l, t.TempDir(), "redis://"+redis.Addr()) }()
	t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true))
	if program := os.Getenv("CHROMIUM"); program != "" {
		options = append(options, chromedp.ExecPath(program))
	}
	browser, quit := chromedp.NewExecAllocator(context.Background(), options...)
	defer quit()
	tab, closeTab := chromedp.NewContext(browser)
	defer closeTab()
	tab, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	do := func(what string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(tab, steps...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	const title = `"><script>alert(1)</script><img src=x onerror=alert(2)>`
	css := func(selector string) chromedp.CSS { return chromedp.CSS(selector) }
	row := func(state, part string) chromedp.CSS { return css(`tr[data-state="` + state + `"] ` + part) }
	url := "http://" + l.Addr().String()

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

	do("create a long cut", chromedp.SendKeys(css(`input[name=title]`), "long"), chromedp.SetValue(css(`input[name=seconds]`), "15"),
		chromedp.Click(css(`input[name=realtime]`)), chromedp.Click(css("#create")), chromedp.WaitVisible(row("created", "button[name=start]")))
	do("start it", chromedp.Click(row("created", "button[name=start]")), chromedp.WaitVisible(row("running", "button[name=stop]")))
	if _, err := chromedp.Run(tab, chromedp.Poll[bool](`document.querySelector("tr[data-id] progress").value > 0`)); err != nil {
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
