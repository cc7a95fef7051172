package console

import (
	"regexp"
	"strings"

	"github.com/ltsworker/ltsworker/pool"
)

// knownText is a text in English that a replica, the store or Redis writes, and whose meaning the console knows.
type knownText struct {
	pattern *regexp.Regexp
	key     string // of the text; its places are the groups of the pattern, of which the one named error is a text itself
	// about is for an error, of which the pattern is a part: the text of the error follows the meaning. Another
	// text is replaced.
	about bool
}

// knownTexts are what programs of ltsworker write as a reason or as the name of a server, and the errors of
// Redis and of the network that operators meet.
var knownTexts = []knownText{
	{regexp.MustCompile(`^(\d+%) of the CPU of the machine is in use, at most (\d+%) may be$`), "known.cpu", false},
	{regexp.MustCompile(`^(\d+%) of the CPU limit of the control group is in use, at most (\d+%) may be$`), "known.cpu_limit", false},
	{regexp.MustCompile(`^(\d+ MiB) of memory of the machine is available, at least (\d+ MiB) must be$`), "known.memory", false},
	{regexp.MustCompile(`^(\d+ MiB) of memory of the limit of the control group is available, at least (\d+ MiB) must be$`), "known.memory_limit", false},
	{regexp.MustCompile(`^the use of the CPU cannot be measured: (?s:(?P<error>.*))$`), "known.no_cpu", false},
	{regexp.MustCompile(`^the memory cannot be measured: (?s:(?P<error>.*))$`), "known.no_memory", false},
	{regexp.MustCompile(`^the Docker engine does not answer: (?s:(?P<error>.*))$`), "known.no_docker", false},
	{regexp.MustCompile(`^the Docker engine$`), "known.docker", false},
	{regexp.MustCompile(`^the exporter of (\S+)$`), "known.exporter", false},
	{regexp.MustCompile(`^the service (\S+)$`), "known.service", false},
	{regexp.MustCompile(`^the database$`), "known.database", false},
	{regexp.MustCompile(`^` + regexp.QuoteMeta(pool.ErrSchema.Error()) + `: pool (\S+) has key schema (".*"), this program knows (\S+): `), "known.schema", true},

	{regexp.MustCompile(`\bOOM command not allowed`), "known.oom", true},
	{regexp.MustCompile(`(?:^|: )MISCONF `), "known.misconf", true},
	{regexp.MustCompile(`(?:^|: )READONLY You `), "known.readonly", true},
	{regexp.MustCompile(`(?:^|: )LOADING Redis `), "known.loading", true},
	{regexp.MustCompile(`(?:^|: )BUSY Redis`), "known.busy", true},
	{regexp.MustCompile(`(?:^|: )MASTERDOWN `), "known.masterdown", true},
	{regexp.MustCompile(`(?:^|: )CLUSTERDOWN `), "known.clusterdown", true},
	{regexp.MustCompile(`(?:^|: )TRYAGAIN `), "known.tryagain", true},
	{regexp.MustCompile(`(?:^|: )(?:NOAUTH|WRONGPASS) `), "known.password", true},
	{regexp.MustCompile(`(?:^|: )NOPERM `), "known.noperm", true},
	{regexp.MustCompile(`(?:^|: )WRONGTYPE `), "known.wrongtype", true},
	{regexp.MustCompile(`(?:^|: )ERR unknown command\b`), "known.command", true},
	{regexp.MustCompile(`(?:^|: )connection refused`), "known.refused", true},
	{regexp.MustCompile(`(?:^|: )(?:no such host|server misbehaving)`), "known.host", true},
	{regexp.MustCompile(`(?:^|: )(?:i/o timeout|context deadline exceeded)`), "known.timeout", true},
	{regexp.MustCompile(`(?:^|: )(?:connection reset by peer|broken pipe|EOF$)`), "known.closed", true},
	{regexp.MustCompile(`(?:^|: )(?:x509|tls): `), "known.certificate", true},
}

// Known is meaning, and Said is said, for a template.
func (q *request) Known(text string) string { return q.meaning(text) }
func (q *request) Said(err error) string    { return q.said(err) }

// meaning returns a text in the language of the user, if it is one of knownTexts, else as it is.
func (q *request) meaning(text string) string {
	if q.lang == "en" || text == "" {
		return text
	}
	if closest, ok := q.closest(text); ok {
		return closest
	}
	for _, k := range knownTexts {
		m := k.pattern.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		args := make([]any, 0, len(m))
		for i, group := range m[1:] {
			if k.pattern.SubexpNames()[i+1] == "error" {
				group = q.meaning(group)
			}
			args = append(args, group)
		}
		meaning := q.T(k.key, args...)
		if k.about {
			meaning = q.T("refusal.means", meaning, text)
		}
		return meaning
	}
	return text
}

// nearMiss and others are the parts of what task.Closest returns.
var (
	nearMiss = regexp.MustCompile(`^replica (\S+) (?:is exclusive|lacks (.+))$`)
	others   = regexp.MustCompile(`^(.*) and (\d+) more$`)
)

// closest returns which replicas come closest to taking a task in the language of the user.
func (q *request) closest(text string) (said string, ok bool) {
	if !strings.HasPrefix(text, "replica ") {
		return "", false
	}
	more := others.FindStringSubmatch(text)
	if more != nil {
		text = more[1]
	}
	var parts []string
	for i, part := range strings.Split(text, ", replica ") {
		if i > 0 {
			part = "replica " + part
		}
		switch m := nearMiss.FindStringSubmatch(part); {
		case m == nil:
			return "", false
		case m[2] == "":
			parts = append(parts, q.T("known.exclusive", m[1]))
		default:
			parts = append(parts, q.T("known.lacks", m[1], m[2]))
		}
	}
	said = strings.Join(parts, q.T("text.and"))
	if more != nil {
		said = q.T("known.more", said, more[2])
	}
	return said, true
}
