package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/alert"
)

// Robot configures a robot of a group chat.
type Robot struct {
	Endpoint
	// Secret signs the requests to DingTalk and Feishu. Default: "", no signature.
	Secret string
	// Keyword is added to each message, for a robot that accepts only messages with it. Default:
	// none.
	Keyword string
}

// robot is what the three services have in common.
type robot struct {
	*client
	secret, keyword string
}

func (r Robot) open() (robot, error) {
	c, err := r.Endpoint.open(r.Secret)
	return robot{c, r.Secret, r.Keyword}, err
}

// title is the title of a message with the keyword.
func (r robot) title(m *alert.Message) string {
	title := m.Title(m.Lang)
	if r.keyword != "" && !strings.Contains(title, r.keyword) {
		title = r.keyword + " " + title
	}
	return title
}

var consoleLink = map[alert.Lang]string{alert.English: "open the console", alert.Chinese: "打开控制台"}

// markdown returns a message in Markdown, in at most size bytes.
func (r robot) markdown(m *alert.Message, size int) string {
	head, tail := "### "+r.title(m)+"\n", ""
	if m.Console != "" { // after an empty line: it is no part of the last item of the list
		tail = "\n\n[" + consoleLink[m.Lang] + "](" + m.Console + ")"
	}
	lines := m.Lines(m.Lang, size-len(head)-len(tail), func(l alert.Line) string { return "- " + mark(l) + l.Text })
	return head + strings.Join(lines, "\n") + tail
}

// mark begins a line and shows the state of its alert.
func mark(l alert.Line) string {
	switch {
	case l.State == alert.StateEnded:
		return "✅ "
	case l.State == alert.StateFiring && l.Severity == alert.Critical:
		return "🔴 "
	case l.State == alert.StateFiring && l.Severity == alert.Info:
		return "🔵 "
	case l.State == alert.StateFiring:
		return "🟠 "
	}
	return ""
}

// encode returns JSON without escapes that are only for HTML.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(out.Bytes()), err
}

// fit returns the JSON of a body with at most most bytes. build returns the body for a size of its
// text. Escapes make the text longer, so that several sizes are tried.
func fit(most int, build func(size int) any) ([]byte, error) {
	for size := most - 300; ; size = size * 9 / 10 {
		b, err := encode(build(size))
		if err != nil || len(b) <= most || size < 500 {
			return b, err
		}
	}
}

// result is the answer of a robot. Feishu uses code and msg.
type result struct {
	ErrCode *int   `json:"errcode"`
	ErrMsg  string `json:"errmsg"`
	Code    *int   `json:"code"`
	Msg     string `json:"msg"`
}

// codes says what the codes of a service mean.
type codes struct {
	tooMany []int         // too many messages
	after   time.Duration // when the service takes the next one then
	content []int         // the service refuses the content of the message
}

// judge reads the answer of a robot, which has the status 200 also for errors.
func (r robot) judge(a answer, c codes) (string, error) {
	text := r.text(a)
	if err := r.check(a); err != nil {
		if e := (*alert.SendError)(nil); errors.As(err, &e) && a.status == 429 && e.After == 0 {
			e.After = c.after
		}
		return text, err
	}
	var res result
	if err := json.Unmarshal(a.body, &res); err != nil || res.ErrCode == nil && res.Code == nil {
		return text, fmt.Errorf("the answer has no code: %s", text)
	}
	code := res.Code
	if res.ErrCode != nil {
		code = res.ErrCode
	}
	switch {
	case *code == 0:
		return text, nil
	case slices.Contains(c.tooMany, *code):
		return text, &alert.SendError{Err: errors.New("the robot takes no more messages for now: " + text), After: c.after}
	case slices.Contains(c.content, *code):
		return text, &alert.SendError{Err: errors.New("the robot refuses the message: " + text), Refused: true}
	}
	return text, errors.New("the answer is " + text)
}

// DingTalk sends messages to a robot of DingTalk.
type DingTalk struct{ robot }

// NewDingTalk returns a channel to a robot of DingTalk. The error joins FieldErrors.
func NewDingTalk(r Robot) (*DingTalk, error) {
	opened, err := r.open()
	return &DingTalk{opened}, err
}

// Kind returns "dingtalk".
func (*DingTalk) Kind() string { return "dingtalk" }

// Pace is that of at most 19 messages a minute. A robot of DingTalk takes 20 a minute. If it gets
// more, it takes none for ten minutes (open.dingtalk.com/document/robots/custom-robot-access;
// only quotations of that page could be read).
func (*DingTalk) Pace() alert.Pace { return alert.PerMinute(19) }

// maxDingTalk is the size of a body: a longer one is refused with the code 460101 "message too
// long, exceed 20000 bytes".
const maxDingTalk = 20_000

// Send sends a message.
func (d *DingTalk) Send(ctx context.Context, m *alert.Message) (string, error) {
	body, err := fit(maxDingTalk, func(size int) any {
		return map[string]any{"msgtype": "markdown", "markdown": map[string]string{"title": d.title(m), "text": d.markdown(m, size)}}
	})
	if err != nil {
		return "", err
	}
	query := url.Values{}
	if d.secret != "" {
		now := strconv.FormatInt(time.Now().UnixMilli(), 10)
		query.Set("timestamp", now)
		query.Set("sign", signature(d.secret, now+"\n"+d.secret))
	}
	a, err := d.post(ctx, query, nil, body)
	if err != nil {
		return "", err
	}
	return d.judge(a, codes{tooMany: []int{130101, 90030}, after: 10 * time.Minute, content: []int{460101}})
}

// signature is the HMAC-SHA256 of a text in base64.
func signature(key, text string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// WeCom sends messages to a robot of WeCom.
type WeCom struct{ robot }

// NewWeCom returns a channel to a robot of WeCom. The error joins FieldErrors.
func NewWeCom(r Robot) (*WeCom, error) {
	opened, err := r.open()
	return &WeCom{opened}, err
}

// Kind returns "wecom".
func (*WeCom) Kind() string { return "wecom" }

// Pace is that of at most 19 messages a minute. A robot of WeCom takes 20 a minute
// (developer.work.weixin.qq.com/document/path/91770; only quotations of that page could be read).
func (*WeCom) Pace() alert.Pace { return alert.PerMinute(19) }

// maxWeCom is the size of a text in Markdown: a longer one is refused with the code 40058
// "markdown.content exceed max length 4096".
const maxWeCom = 4096

// Send sends a message.
func (w *WeCom) Send(ctx context.Context, m *alert.Message) (string, error) {
	body, err := encode(map[string]any{"msgtype": "markdown", "markdown": map[string]string{"content": w.markdown(m, maxWeCom)}})
	if err != nil {
		return "", err
	}
	a, err := w.post(ctx, nil, nil, body)
	if err != nil {
		return "", err
	}
	return w.judge(a, codes{tooMany: []int{45009}, after: time.Minute, content: []int{40058}})
}

// Feishu sends messages to a robot of Feishu or Lark.
type Feishu struct{ robot }

// NewFeishu returns a channel to a robot of Feishu. The error joins FieldErrors.
func NewFeishu(r Robot) (*Feishu, error) {
	opened, err := r.open()
	return &Feishu{opened}, err
}

// Kind returns "feishu".
func (*Feishu) Kind() string { return "feishu" }

// Pace is that of at most four messages in a second and 63 in a minute. A robot of Feishu takes 5
// a second and 100 a minute, and fewer at full and half hours, and bodies of 20 KB
// (open.feishu.cn/document/client-docs/bot-v3/add-custom-bot).
func (*Feishu) Pace() alert.Pace { return alert.Pace{Burst: 3, Every: time.Second} }

const maxFeishu = 20_000

// Send sends a message.
func (f *Feishu) Send(ctx context.Context, m *alert.Message) (string, error) {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	body, err := fit(maxFeishu, func(size int) any {
		type part map[string]string
		// Each line is an element of about 40 bytes.
		var content [][]part
		size -= 40 * len(m.Lines(m.Lang, size, func(l alert.Line) string { return l.Text }))
		for _, line := range m.Lines(m.Lang, size, func(l alert.Line) string { return mark(l) + l.Text }) {
			content = append(content, []part{{"tag": "text", "text": line}})
		}
		if m.Console != "" {
			content = append(content, []part{{"tag": "a", "text": consoleLink[m.Lang], "href": m.Console}})
		}
		v := map[string]any{"msg_type": "post", "content": map[string]any{"post": map[string]any{"zh_cn": map[string]any{"title": f.title(m), "content": content}}}}
		if f.secret != "" {
			v["timestamp"], v["sign"] = now, signature(now+"\n"+f.secret, "")
		}
		return v
	})
	if err != nil {
		return "", err
	}
	a, err := f.post(ctx, nil, nil, body)
	if err != nil {
		return "", err
	}
	return f.judge(a, codes{tooMany: []int{11232, 9499, 99991400}, after: time.Minute})
}
