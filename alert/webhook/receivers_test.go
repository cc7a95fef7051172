package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"
)

// robotServer answers as the service of a robot does, with its limits of rate and size and its
// signatures. Its minute is shorter than a minute.
type robotServer struct {
	*httptest.Server
	secret, keyword string
	perMinute       int
	perSecond       int
	minute          time.Duration // of this server
	banned          time.Duration // for so long it takes nothing after too many messages

	mu    sync.Mutex
	at    []time.Time
	until time.Time
	texts []string // of the messages that it has taken
	over  int      // messages that were too many
}

func newRobotServer(t *testing.T, answer func(s *robotServer, r *http.Request, body []byte) (code int, msg, text string)) *robotServer {
	s := &robotServer{perMinute: math.MaxInt, perSecond: math.MaxInt, minute: time.Minute}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		code, msg, text := answer(s, r, body)
		if code == 0 {
			s.texts = append(s.texts, text)
		}
		if r.URL.Path == "/open-apis/bot/v2/hook/8f3a61c2-77aa-4c1d-9f57-0123456789ab" {
			fmt.Fprintf(w, `{"code":%d,"msg":%q,"data":{}}`, code, msg)
			return
		}
		fmt.Fprintf(w, `{"errcode":%d,"errmsg":%q}`, code, msg)
	}))
	t.Cleanup(s.Close)
	return s
}

// tooMany counts a message and reports whether it is one too many.
func (s *robotServer) tooMany() bool {
	now := time.Now()
	minute, second := 0, 0
	for _, at := range s.at {
		if now.Sub(at) < s.minute {
			minute++
		}
		if now.Sub(at) < s.minute/60 {
			second++
		}
	}
	if now.Before(s.until) || minute >= s.perMinute || second >= s.perSecond {
		if !now.Before(s.until) {
			s.until = now.Add(s.banned)
		}
		s.over++
		return true
	}
	s.at = append(s.at, now)
	return false
}

func (s *robotServer) taken() ([]string, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.texts, s.over
}

func sign(key, text string) string {
	h := hmac.New(sha256.New, []byte(key))
	io.WriteString(h, text)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func recent(text string, unit time.Duration) bool {
	n, err := strconv.ParseInt(text, 10, 64)
	return err == nil && time.Since(time.Unix(0, n*int64(unit))).Abs() < time.Hour
}

// dingTalkServer takes 20 messages a minute and 20,000 bytes, and checks signature and keyword.
func dingTalkServer(t *testing.T) *robotServer {
	s := newRobotServer(t, func(s *robotServer, r *http.Request, body []byte) (int, string, string) {
		var m struct {
			Msgtype  string
			Markdown struct{ Title, Text string }
		}
		q := r.URL.Query()
		switch {
		case q.Get("access_token") != "4f1e9d0c88a1":
			return 300005, "token is not exist", ""
		case !recent(q.Get("timestamp"), time.Millisecond) || q.Get("sign") != sign(s.secret, q.Get("timestamp")+"\n"+s.secret):
			return 310000, "sign not match", ""
		case len(body) > 20_000:
			return 460101, "message too long, exceed 20000 bytes", ""
		case json.Unmarshal(body, &m) != nil || m.Msgtype != "markdown" || m.Markdown.Title == "":
			return 400105, "unsupported msgtype", ""
		case s.tooMany():
			return 130101, "send too fast, exceed 20 times per minute", ""
		case s.keyword != "" && !contains(m.Markdown.Text, s.keyword):
			return 310000, "keywords not in content", ""
		}
		return 0, "ok", m.Markdown.Text
	})
	s.secret, s.perMinute, s.banned = "SEC0123456789abcdef", 20, 10*time.Minute
	return s
}

// weComServer takes 20 messages a minute and 4,096 bytes of Markdown.
func weComServer(t *testing.T) *robotServer {
	s := newRobotServer(t, func(s *robotServer, r *http.Request, body []byte) (int, string, string) {
		var m struct {
			Msgtype  string
			Markdown struct{ Content string }
		}
		switch {
		case r.URL.Query().Get("key") != "693a91f6-7abc-4bc4-97a0":
			return 93000, "invalid webhook url", ""
		case json.Unmarshal(body, &m) != nil || m.Msgtype != "markdown" || m.Markdown.Content == "":
			return 40008, "invalid message type", ""
		case len(m.Markdown.Content) > 4096:
			return 40058, "markdown.content exceed max length 4096", ""
		case s.tooMany():
			return 45009, "api freq out of limit", ""
		}
		return 0, "ok", m.Markdown.Content
	})
	s.perMinute = 20
	return s
}

// feishuServer takes 100 messages a minute, 5 a second, and 20 KB, and checks the signature.
func feishuServer(t *testing.T) *robotServer {
	s := newRobotServer(t, func(s *robotServer, r *http.Request, body []byte) (int, string, string) {
		var m struct {
			Timestamp, Sign string
			MsgType         string `json:"msg_type"`
			Content         struct {
				Post map[string]struct {
					Title   string
					Content [][]struct{ Tag, Text, Href string }
				}
			}
		}
		if json.Unmarshal(body, &m) != nil || m.MsgType != "post" || m.Content.Post["zh_cn"].Title == "" {
			return 9499, "Bad Request", ""
		}
		switch {
		case !recent(m.Timestamp, time.Second) || m.Sign != sign(m.Timestamp+"\n"+s.secret, ""):
			return 19021, "sign match fail or timestamp is not within one hour from current time", ""
		case len(body) > 20<<10:
			return 19036, "request body exceeds 20 KB", ""
		case s.tooMany():
			return 11232, "frequency limited", ""
		}
		text := m.Content.Post["zh_cn"].Title + "\n"
		for _, line := range m.Content.Post["zh_cn"].Content {
			for _, part := range line {
				text += part.Text + part.Href
			}
			text += "\n"
		}
		return 0, "success", text
	})
	s.secret, s.perMinute, s.perSecond = "feishu-secret-1", 100, 5
	return s
}
