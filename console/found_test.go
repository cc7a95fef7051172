package console

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/admission"
	"github.com/ltsworker/ltsworker/internal/findings"
	"github.com/ltsworker/ltsworker/task"
)

// Each code of a finding has a Chinese text with the values of the English one, and advice if that has some.
func TestEachFindingHasAChineseText(t *testing.T) {
	chinese := foundTexts()["zh"]
	for _, code := range findings.Codes() {
		english, _ := findings.Of(code)
		got, ok := chinese[code]
		if texts()["zh"]["check."+strings.ReplaceAll(english.Check, " ", "_")] == "" || texts()["zh"]["severity."+string(english.Severity)] == "" {
			t.Errorf("the check %s or the severity %s has no Chinese text", english.Check, english.Severity)
		}
		if !ok || got.What == "" || (got.Do == "") != (english.Do == "") {
			t.Errorf("%s has no Chinese text, or only a part: %+v", code, got)
		}
		for of, texts := range map[string][2]string{"what": {english.What, got.What}, "do": {english.Do, got.Do}} {
			if a, b := findings.Places(texts[0]), findings.Places(texts[1]); !slices.Equal(a, b) {
				t.Errorf("%s of %s has the values %v in English and %v in Chinese", of, code, a, b)
			}
		}
	}
	for code := range chinese {
		if _, ok := findings.Of(code); !ok {
			t.Errorf("%s is no code", code)
		}
	}
}

// The pages name findings in the language of the user, with their values, and with durations as other pages show them.
func TestFindingsAreInTheLanguageOfTheUser(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{Queue: "mail"})
	b.act("pause", map[string][]string{"queue": {"mail"}})
	for lang, wants := range map[string][]string{
		"en": {"queue mail is paused", "no live replica, 1 task waits", "start one with ltsworker run"},
		"zh": {">正常</span></td><td>版本</td>", "队列 mail 已暂停", "没有在运行的工作进程，1 个任务在等待", "用 ltsworker run 启动一个"},
	} {
		b.lang = lang
		page := b.page("doctor")
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page lacks %q\n%s", lang, want, page)
			}
		}
		if resume := `action="/admin` + b.path("resume") + `"`; !strings.Contains(page, resume) {
			t.Errorf("the page lacks %s", resume)
		}
	}
	hour := []findings.Value{findings.Named("wait", "1h0m0s"), findings.Millis("wait_ms", time.Hour)}
	for lang, want := range map[string]string{"en": "for at most 1 h", "zh": "最多 1 小时"} {
		if got := (&request{lang: lang}).Found(findings.New("archive_waits", hour...)); !strings.HasSuffix(got, want) {
			t.Errorf("%s", got)
		}
	}
	outage := findings.New("outage", findings.Named("of", "the exporter of k"), findings.Named("replica", "r"), findings.Count("others", 0),
		findings.Named("error", "dial tcp 127.0.0.1:1: connect: connection refused"))
	if got := (&request{lang: "zh"}).Found(outage); !strings.Contains(got, "工作进程 r 对 k 的导出器 的调用失败：连接被拒绝（dial tcp") {
		t.Errorf("%s", got)
	}
	if got := (&request{lang: "zh"}).Found(task.Finding{Code: "later", What: "of a later version"}); got != "of a later version" {
		t.Errorf("%s", got)
	}
}

// Texts of replicas, of the store and of Redis are known in the form in which these write them.
func TestKnownTextsAreTranslated(t *testing.T) {
	t.Parallel()
	q := &request{lang: "zh"}
	refuses := func(l *admission.Load) string {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		return fmt.Sprint(l.Admit(ctx))
	}
	replicas := []task.ReplicaInfo{{ID: "a"}, {ID: "b", Labels: []string{"x"}}, {ID: "c"}, {ID: "d"}, {ID: "e"}}
	for text, want := range map[string]string{
		task.Closest(replicas, []string{"gpu", "zone=eu"}):                                         "工作进程 a 缺少 gpu zone=eu；工作进程 b 缺少 gpu zone=eu；工作进程 c 缺少 gpu zone=eu，另有 2 个",
		task.Closest([]task.ReplicaInfo{{ID: "a", Exclusive: true, Labels: []string{"gpu"}}}, nil): "工作进程 a 为独占",
		refuses(&admission.Load{MinFreeMemory: 1 << 50}):                                           "机器可用内存",
		"95% of the CPU of the machine is in use, at most 90% may be":                              "机器的 CPU 已使用 95%，最多 90%",
		"the Docker engine does not answer: connection refused":                                    "Docker 引擎没有应答：连接被拒绝（connection refused）",
		(&task.SchemaError{Pool: "p", Has: "3", Knows: "2"}).Error():                               `池 p 的键模式版本是 "3"，此程序的是 2（`,
		"enqueue: OOM command not allowed when used memory > 'maxmemory'.":                         "Redis 已达到 maxmemory（enqueue: OOM",
		"no room on the desk": "no room on the desk",
		"tls: failed to verify certificate: x509: signed by unknown authority": "TLS 证书不被接受（tls: failed",
		"the service certificate.example":                                      "服务 certificate.example",
		"the certificate of tenant acme is missing":                            "the certificate of tenant acme is missing",
		"READONLY mode of the importer is on, broken pipe wrench":              "READONLY mode of the importer is on, broken pipe wrench",
	} {
		if got := q.meaning(text); !strings.HasPrefix(got, want) {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
		if got := (&request{lang: "en"}).meaning(text); got != text {
			t.Errorf("%q is %q in English", text, got)
		}
	}
}
