package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/alert"
)

var contains = strings.Contains

const (
	feishuPath   = "/open-apis/bot/v2/hook/8f3a61c2-77aa-4c1d-9f57-0123456789ab"
	dingTalkPath = "/robot/send?access_token=4f1e9d0c88a1"
	weComPath    = "/cgi-bin/webhook/send?key=693a91f6-7abc-4bc4-97a0"
)

// robots returns the servers of all services with channels to them.
func robots(t *testing.T) map[string]struct {
	server  *robotServer
	channel alert.Channel
} {
	t.Helper()
	type pair = struct {
		server  *robotServer
		channel alert.Channel
	}
	ding, wecom, feishu := dingTalkServer(t), weComServer(t), feishuServer(t)
	local := []string{"127.0.0.1"}
	d, err1 := NewDingTalk(Robot{Endpoint: Endpoint{URL: ding.URL + dingTalkPath, Networks: local}, Secret: ding.secret})
	w, err2 := NewWeCom(Robot{Endpoint: Endpoint{URL: wecom.URL + weComPath, Networks: local}})
	f, err3 := NewFeishu(Robot{Endpoint: Endpoint{URL: feishu.URL + feishuPath, Networks: local}, Secret: feishu.secret})
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return map[string]pair{"dingtalk": {ding, d}, "wecom": {wecom, w}, "feishu": {feishu, f}}
}

// message returns a message with n alerts.
func message(n int, lang alert.Lang) *alert.Message {
	m := &alert.Message{ID: "alert_x", Pool: "media", At: time.Now(), Lang: lang, Console: "https://tasks.example/p/media/alerts"}
	for i := range n {
		m.Notices = append(m.Notices, alert.Notice{State: alert.StateFiring, Rule: "failures", Severity: alert.Warning, When: alert.FailedShare, Value: 0.25, Threshold: 0.1, Window: 10 * time.Minute,
			Labels: map[string]string{"kind": fmt.Sprintf("video.cut%d", i)}, Since: time.Now(), Detail: "disk \"full\" <@all> [x](http://evil) 磁盘已满\n"})
	}
	return m
}

func TestRobotsTakeMessagesOfAnySize(t *testing.T) {
	for name, r := range robots(t) {
		r.server.perSecond = 100
		for _, lang := range []alert.Lang{alert.English, alert.Chinese} {
			for _, n := range []int{1, 3, 600} {
				if answer, err := r.channel.Send(t.Context(), message(n, lang)); err != nil || !contains(answer, "200") {
					t.Fatalf("%s with %d alerts: %s, %v", name, n, answer, err)
				}
				texts, _ := r.server.taken()
				text := texts[len(texts)-1]
				if !contains(text, "video.cut0") || !contains(text, "https://tasks.example/p/media/alerts") || !contains(text, "25 %") {
					t.Errorf("%s: %s", name, text)
				}
				if name != "feishu" && !contains(text, "\n\n[") {
					t.Errorf("%s shows the link in the last line of the list: %s", name, text)
				}
				if contains(text, "<@all>") || contains(text, "](http://evil") {
					t.Errorf("%s interprets the text of a task: %s", name, text)
				}
				if want := map[alert.Lang]string{alert.English: "more: failures", alert.Chinese: "另有"}[lang]; n == 600 && !contains(text, want) {
					t.Errorf("%s does not count the others: %s", name, text)
				}
				if n == 3 && (!contains(text, "video.cut2") || contains(text, "more:")) {
					t.Errorf("%s leaves alerts out that fit: %s", name, text)
				}
			}
		}
	}
}

func TestRefusalsAreToldFromFaults(t *testing.T) {
	all := robots(t)
	for name, r := range all {
		r.server.secret, r.server.perMinute = "another", 0
		if name == "wecom" {
			continue
		}
		_, err := r.channel.Send(t.Context(), message(1, alert.English))
		if e := (*alert.SendError)(nil); err == nil || errors.As(err, &e) && e.Refused {
			t.Errorf("%s with a wrong signature: %v", name, err)
		}
	}
	for name, after := range map[string]time.Duration{"dingtalk": 10 * time.Minute, "wecom": time.Minute, "feishu": time.Minute} {
		r := all[name]
		r.server.secret = map[string]string{"dingtalk": "SEC0123456789abcdef", "feishu": "feishu-secret-1"}[name]
		_, err := r.channel.Send(t.Context(), message(1, alert.English))
		if e := (*alert.SendError)(nil); !errors.As(err, &e) || e.Refused || e.After != after {
			t.Errorf("%s with too many messages: %v", name, err)
		}
		r.server.Close()
		_, err = r.channel.Send(t.Context(), message(1, alert.English))
		if e := (*alert.SendError)(nil); err == nil || errors.As(err, &e) && e.Refused {
			t.Errorf("%s that is down: %v", name, err)
		}
		for _, secret := range []string{"4f1e9d0c88a1", "693a91f6", "0123456789ab", "SEC012345"} {
			if contains(fmt.Sprint(err), secret) {
				t.Errorf("the error of %s has a secret: %v", name, err)
			}
		}
	}
}

func TestKeywordIsInTheMessage(t *testing.T) {
	s := dingTalkServer(t)
	s.keyword = "告警机器人"
	d, err := NewDingTalk(Robot{Endpoint: Endpoint{URL: s.URL + dingTalkPath, Networks: []string{"127.0.0.1"}}, Secret: s.secret, Keyword: s.keyword})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Send(t.Context(), message(1, alert.English)); err != nil {
		t.Error(err)
	}
}

// The pace of a robot never exceeds what its service takes in any minute or second.
func TestPaceIsBelowTheLimitOfTheService(t *testing.T) {
	for name, c := range map[string]struct {
		pace              alert.Pace
		minute, perSecond int
	}{"dingtalk": {(&DingTalk{}).Pace(), 20, 20}, "wecom": {(&WeCom{}).Pace(), 20, 20}, "feishu": {(&Feishu{}).Pace(), 100, 5}, "per minute": {alert.PerMinute(3), 3, 3}} {
		in := func(d time.Duration) int { return c.pace.Burst + int(d/c.pace.Every) }
		if n := in(time.Minute); n > c.minute || n < c.minute/2 {
			t.Errorf("%s: %d in a minute", name, n)
		}
		if n := in(time.Second); n > c.perSecond {
			t.Errorf("%s: %d in a second", name, n)
		}
	}
}

func TestRequestsGoOnlyToAllowedAddresses(t *testing.T) {
	reached := false
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer s.Close()
	w, err := New(Config{Endpoint: Endpoint{URL: s.URL}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Send(t.Context(), message(1, alert.English)); err == nil || reached || !contains(err.Error(), "not public") {
		t.Errorf("%v, reached %v", err, reached)
	}
}
