package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/redisurl"
)

func TestErrorsNameNoPlaceInAScript(t *testing.T) {
	const place = " script: 55b5e1da6d2039616899512b7f003331ebe4c46a, on @user_script:356."
	var out strings.Builder
	explain(&out, nil, errors.New("check: one"+place+"\ncheck: two"))
	if out.String() != "ltsworker: check: one\ncheck: two\n" {
		t.Errorf("got %q", out.String())
	}
}

func TestOnlyTheNetworkIsUnreachable(t *testing.T) {
	late, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	_, slowDial := new(net.Dialer).DialContext(late, "tcp", "127.0.0.1:1")
	for err, want := range map[error]int{
		os.ErrDeadlineExceeded:    exitUnreachable,
		io.EOF:                    exitUnreachable,
		slowDial:                  exitUnreachable,
		context.DeadlineExceeded:  exitFailed,
		context.Canceled:          exitFailed,
		errors.New("i/o timeout"): exitFailed,
	} {
		if got := exitCode(redisurl.Unreachable("h:1", fmt.Errorf("list: %w", err))); got != want {
			t.Errorf("%v: exit code %d, want %d", err, got, want)
		}
	}
}
