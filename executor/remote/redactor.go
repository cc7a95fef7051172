package remote

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/ltsworker/ltsworker/task"
)

// redactor removes secrets from errors and logs, also if the service has sent them back.
type redactor struct {
	secrets []string
	tokens  bool // whether the service gets tokens of attempts
}

// minRedacted is the length of the shortest text that is removed. Removing shorter ones
// would show where they are and make errors useless.
const minRedacted = 4

func newRedactor(secrets []string, tokens bool) *redactor {
	r := &redactor{tokens: tokens}
	for _, s := range secrets {
		r.secrets = append(r.secrets, s)
		// A header may have a prefix, such as "Bearer TOKEN" or "Token token=TOKEN".
		for i, c := range s {
			if strings.ContainsRune(" =:", c) {
				r.secrets = append(r.secrets, s[i+1:])
			}
		}
	}
	return r
}

// word matches what can be a token.
var word = regexp.MustCompile(`[\w-]{23,}`)

// text returns s without the secrets, the token of the attempt ("" if it is not known) and
// words that have the form of a token.
func (r *redactor) text(s, token string) string {
	for _, secret := range append([]string{token}, r.secrets...) {
		if len(secret) >= minRedacted {
			s = strings.ReplaceAll(s, secret, "[removed]")
			s = strings.ReplaceAll(s, url.QueryEscape(secret), "[removed]")
		}
	}
	if r.tokens {
		s = word.ReplaceAllStringFunc(s, func(w string) string {
			if _, _, err := task.ParseToken(w); err == nil {
				return "[removed]"
			}
			return w
		})
	}
	return s
}

// err returns err with the text that text returns.
func (r *redactor) err(err error, token string) error {
	if text := r.text(err.Error(), token); text != err.Error() {
		return &redacted{text, err}
	}
	return err
}

type redacted struct {
	text string
	err  error
}

func (e *redacted) Error() string { return e.text }
func (e *redacted) Unwrap() error { return e.err }
