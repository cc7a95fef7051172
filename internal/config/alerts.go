package config

import (
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/alert/mail"
	"github.com/ltsworker/ltsworker/alert/webhook"
	"github.com/ltsworker/ltsworker/task"
)

// Alerts is the section alerts of a file.
type Alerts struct {
	options   alert.Options
	receivers map[string]*receiver
}

// receiver is a receiver of alerts.
type receiver struct {
	alert.Receiver
	kind     string // of its channel: the key of its section
	networks []string
	url      string
	urlFrom  source
	secret   source // or the password of mail
	keyword  string
	headers  map[string]source
	plain    map[string]string // headers whose values are in the file
	mail     mail.Config
}

// ReadAlerts reads a config file only for its alerts. It may be the file of a replica, or have no
// queues and handlers.
func ReadAlerts(file string) (*Config, error) {
	c, err := read(file, true)
	if err == nil && c.Alerts == nil && !c.Refused("alerts") {
		c.add(problem{key: "alerts", msg: "is missing: it needs receivers, such as alerts: {receivers: {ops: {webhook: {url: https://hooks.example}}}}"})
	}
	return c, err
}

// readAlerts reads the section alerts.
func (c *Config) readAlerts(r *yamlReader) func(n *yaml.Node, at string) {
	return func(n *yaml.Node, at string) {
		a := &Alerts{receivers: map[string]*receiver{}}
		errors, hasRules := true, false
		r.section(n, at,
			field{"interval", r.duration(&a.options.Interval, false)},
			field{"console_url", r.text(&a.options.Console)},
			field{"errors", r.flag(&errors)},
			field{"receivers", func(n *yaml.Node, at string) {
				r.each(n, at, func(name, at string, k, v *yaml.Node) { a.receivers[name] = r.receiver(v, at) })
			}},
			field{"rules", func(n *yaml.Node, at string) {
				hasRules = true
				r.each(n, at, func(name, at string, k, v *yaml.Node) {
					a.options.Rules = append(a.options.Rules, r.alertRule(name, v, at))
				})
			}})
		a.options.HideErrors = !errors
		if !hasRules {
			a.options.Rules = alert.DefaultRules()
		}
		c.Alerts = a
	}
}

// receiver reads a receiver.
func (r *yamlReader) receiver(n *yaml.Node, at string) *receiver {
	v := &receiver{headers: map[string]source{}, plain: map[string]string{}}
	var kinds []string
	channel := func(kind string, fields ...field) field {
		return field{kind, func(n *yaml.Node, at string) {
			kinds = append(kinds, kind)
			v.kind = kind
			r.section(n, at, fields...)
		}}
	}
	const secretExample = "{env: ALERT_SECRET} or {file: /run/secrets/alert}"
	url := field{"url", r.textOrSource(&v.url, &v.urlFrom)}
	robotURL := field{"url", r.source(&v.urlFrom, "{env: ROBOT_URL} or {file: /run/secrets/robot}")}
	secret := field{"secret", r.source(&v.secret, secretExample)}
	keyword := field{"keyword", r.text(&v.keyword)}
	headers := field{"headers", func(n *yaml.Node, at string) {
		r.each(n, at, func(name, at string, k, value *yaml.Node) {
			if value.Kind == yaml.MappingNode {
				var s source
				r.source(&s, "{env: ALERT_TOKEN}", field{"prefix", r.text(&s.prefix)})(value, at)
				v.headers[name] = s
				return
			}
			var text string
			r.text(&text)(value, at)
			if slices.Contains([]string{"Authorization", "Proxy-Authorization", "Cookie"}, http.CanonicalHeaderKey(name)) {
				r.add(value, at, "must name a variable or a file that has the value, as in {env: ALERT_TOKEN, prefix: \"Bearer \"}: secrets do not belong into this file")
				return
			}
			v.plain[name] = text
		})
	}}
	r.section(n, at,
		field{"lang", r.text((*string)(&v.Lang))},
		field{"per_minute", r.number(&v.PerMinute)},
		field{"networks", r.texts(&v.networks, "[10.1.0.0/16]")},
		channel("webhook", url, secret, headers),
		channel("dingtalk", robotURL, secret, keyword),
		channel("wecom", robotURL, keyword),
		channel("feishu", robotURL, secret, keyword),
		channel("alertmanager", url, headers),
		channel("mail",
			field{"host", r.text(&v.mail.Host)},
			field{"from", r.text(&v.mail.From)},
			field{"to", r.texts(&v.mail.To, "[oncall@example.com]")},
			field{"user", r.text(&v.mail.User)},
			field{"password", r.source(&v.secret, "{env: MAIL_PASSWORD} or {file: /run/secrets/mail}")},
			field{"tls", r.text(&v.mail.Encryption)}))
	if len(kinds) != 1 && !r.refused(at) {
		r.add(n, at, "must have one of webhook, dingtalk, wecom, feishu, mail and alertmanager, not %d of them", len(kinds))
	}
	return v
}

// textOrSource reads a text, or where a secret is.
func (r *yamlReader) textOrSource(text *string, from *source) func(*yaml.Node, string) {
	return func(n *yaml.Node, at string) {
		if n.Kind == yaml.MappingNode {
			r.source(from, "{env: ALERT_URL}")(n, at)
			return
		}
		r.text(text)(n, at)
	}
}

// some reads a list that must not be empty: an empty one would be the default.
func (r *yamlReader) some(to *[]string, example string) func(*yaml.Node, string) {
	return func(n *yaml.Node, at string) {
		if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
			r.add(n, at, "must name at least one, such as %s; remove the key for the default", example)
		}
		r.texts(to, example)(n, at)
	}
}

// alertRule reads a rule.
func (r *yamlReader) alertRule(name string, n *yaml.Node, at string) alert.Rule {
	var d alert.Definition
	recovery := true
	r.section(n, at,
		field{"when", r.text(&d.When)},
		field{"over", r.text(&d.Over)},
		field{"under", r.text(&d.Under)},
		field{"window", r.text(&d.Window)},
		field{"min", r.number(&d.Min)},
		field{"for", r.text(&d.For)},
		field{"keep", r.text(&d.Keep)},
		field{"repeat", r.text(&d.Repeat)},
		field{"queues", r.texts(&d.Queues, "[mail.*]")},
		field{"kinds", r.texts(&d.Kinds, "[video.*]")},
		field{"groups", r.texts(&d.Groups, "[acme]")},
		field{"by", r.some(&d.By, "[queue, kind]")},
		field{"severity", r.text(&d.Severity)},
		field{"to", r.some(&d.To, "[ops]")},
		field{"recovery", r.flag(&recovery)})
	if !recovery {
		d.Recovery = &recovery
	}
	whole := !r.refused(at)
	rule, err := d.Rule(name)
	for _, e := range task.FieldErrors(err) {
		key := joinKey(at, e.Field)
		if line, given := r.lines[key]; given && !r.refused(key) {
			r.add(&yaml.Node{Line: line}, key, "%s", e.Msg)
		} else if !given && whole { // a key that is missing; it may be there with another mistake
			r.add(n, key, "%s", e.Msg)
		}
	}
	return rule
}

// OpenAlerts returns the options of the alerts of the file with their secrets. It adds what is
// wrong to the problems: see Err. The rules and receivers are checked against store, which may be
// nil.
func (c *Config) OpenAlerts(log *slog.Logger) *alert.Options {
	a := c.Alerts
	if a == nil {
		return nil
	}
	base, err := filepath.Abs(filepath.Dir(c.file))
	if err != nil {
		c.add(problem{key: "alerts", msg: err.Error()})
		return nil
	}
	o := a.options
	o.Logger, o.Receivers = log, map[string]alert.Receiver{}
	for _, name := range slices.Sorted(maps.Keys(a.receivers)) {
		v := a.receivers[name]
		at := joinKey(joinKey("alerts", "receivers"), name)
		if c.Refused(at) {
			v.Channel = refusedChannel{}
		} else {
			v.Channel = c.channel(v, base, at)
		}
		if v.Channel == nil {
			v.Channel = refusedChannel{}
		}
		o.Receivers[name] = v.Receiver
	}
	_, err = alert.New(noStore{}, o)
	c.refuseFields(err, alertKey)
	return &o
}

// alertKey returns how the file spells a field of the alerts.
func alertKey(name string) string {
	key := "alerts"
	section, rest, nested := strings.Cut(name, ".")
	key = joinKey(key, section)
	if !nested {
		return key
	}
	// Names may contain dots, and the last part may be missing.
	for _, last := range []string{"name", "when", "over", "window", "min", "for", "keep", "repeat", "queues", "kinds", "groups", "by", "severity", "to", "lang", "per_minute"} {
		if of, ok := strings.CutSuffix(rest, "."+last); ok {
			return joinKey(joinKey(key, of), last)
		}
	}
	return joinKey(key, rest)
}

// channel makes the channel of a receiver.
func (c *Config) channel(v *receiver, base, at string) (ch alert.Channel) {
	section := joinKey(at, v.kind)
	if v.urlFrom != (source{}) {
		v.url = c.secret(v.urlFrom, base, joinKey(section, "url"))
	}
	secretKey := joinKey(section, map[bool]string{true: "password", false: "secret"}[v.kind == "mail"])
	secret := ""
	if v.secret != (source{}) {
		secret = c.secret(v.secret, base, secretKey)
	}
	headers := maps.Clone(v.plain)
	for name, from := range v.headers {
		headers[name] = from.prefix + c.secret(from, base, joinKey(joinKey(section, "headers"), name))
	}
	if c.Refused(section) {
		return nil
	}
	endpoint := webhook.Endpoint{URL: v.url, Networks: v.networks, Headers: headers}
	robot := webhook.Robot{Endpoint: endpoint, Secret: secret, Keyword: v.keyword}
	var err error
	switch v.kind {
	case "webhook":
		ch, err = webhook.New(webhook.Config{Endpoint: endpoint, Secrets: strings.Fields(secret)})
	case "dingtalk":
		ch, err = webhook.NewDingTalk(robot)
	case "wecom":
		ch, err = webhook.NewWeCom(robot)
	case "feishu":
		ch, err = webhook.NewFeishu(robot)
	case "alertmanager":
		ch, err = webhook.NewAlertmanager(endpoint)
	case "mail":
		v.mail.Password, v.mail.Networks = secret, v.networks
		ch, err = mail.New(v.mail)
	}
	if err != nil {
		c.refuseFields(err, func(name string) string {
			if strings.HasPrefix(name, "networks") {
				return joinKey(at, name)
			}
			if header, ok := strings.CutPrefix(name, "headers."); ok {
				return joinKey(joinKey(section, "headers"), header)
			}
			return joinKey(section, name)
		})
		return nil
	}
	return ch
}

// refusedChannel stands for a channel that has a problem, so that the other checks go on.
type refusedChannel struct{ alert.Channel }

// noStore is the store of rules that are only checked.
type noStore struct{ alert.Store }

// Pool returns no name.
func (noStore) Pool() string { return "" }
