package redisurl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestAdviceForStrangers(t *testing.T) {
	for said, want := range map[error]string{
		os.ErrDeadlineExceeded:                          "no answer within 5s",
		errors.New("NOAUTH Authentication required."):   "it needs a password",
		errors.New("WRONGPASS invalid username"):        "refuses the user name or password",
		errors.New("NOPERM this user may not run ping"): "enqueues with RPUSH",
		errors.New("NOPERM this user may not select"):   "may not do what this needs: NOPERM",
		errors.New("anything else"):                     "anything else",
	} {
		if got := advise(said, true).Error(); !strings.Contains(got, want) {
			t.Errorf("%v: %q does not say %q", said, got, want)
		}
	}
}

func TestOnlyAPlainConnectionThatIsClosedIsAskedForTLS(t *testing.T) {
	const hint = "it closed the connection: if it requires TLS, use rediss://"
	for said, hinted := range map[error]bool{
		io.EOF: true, fmt.Errorf("read: %w", syscall.ECONNRESET): true, syscall.EPIPE: true, syscall.ECONNREFUSED: false,
	} {
		if got := advise(said, true).Error(); (got == hint) != hinted {
			t.Errorf("%v: %s", said, got)
		}
		if got := advise(said, false); got != said {
			t.Errorf("%v over TLS: %v", said, got)
		}
	}
	if at, err := Parse("unix:///run/redis.sock", true); err != nil || at.plain() {
		t.Errorf("a socket could speak TLS: %v", err)
	}
}
