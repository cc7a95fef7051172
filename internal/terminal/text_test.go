package terminal

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode"
)

func TestTerminalNeverSeesAControlCharacter(t *testing.T) {
	for _, s := range []string{"\x1b[31mred", "a\u009b31m", "a\nb", "tab\t", "bell\a", "del\x7f", "bad\xff", "\u202eevil", "nul\x00"} {
		got := Printable(s)
		if got == s || !strings.HasPrefix(got, `"`) {
			t.Errorf("%q was shown as %s", s, got)
		}
		for _, shown := range []string{got, Visible(s), VisibleLines(s)} {
			for _, r := range shown {
				if !unicode.IsPrint(r) && r != '\n' && r != '\t' {
					t.Errorf("%q was shown with %q in it", s, r)
				}
			}
		}
	}
	for _, s := range []string{"", "plain", "größe 10 µm", "日本語", `say "hi"`} {
		if got := Printable(s); got != s {
			t.Errorf("%q was shown as %q", s, got)
		}
	}
}

func TestJSONOutputIsSafeAndMeansTheSame(t *testing.T) {
	in := map[string]string{"v": "a\x1bb\u009bc\u202ed\x7fe<f>\U000e0001g\nh"}
	var buf bytes.Buffer
	if err := WriteJSON(&buf, in); err != nil {
		t.Fatal(err)
	}
	for _, r := range strings.TrimSuffix(buf.String(), "\n") {
		if !unicode.IsPrint(r) {
			t.Errorf("%q is in %s", r, buf.String())
		}
	}
	var out map[string]string
	if err := json.Unmarshal(buf.Bytes(), &out); err != nil || out["v"] != in["v"] {
		t.Errorf("got %q, %v back; want %q", out["v"], err, in["v"])
	}
	if !strings.Contains(buf.String(), "<f>") {
		t.Errorf("HTML was escaped: %s", buf.String())
	}
}

func TestRightToLeftTextIsIsolated(t *testing.T) {
	for _, s := range []string{"عميل", "שלום-1", "فاتورة-٤٢", "email.إرسال", "ߒߞߏ", "\U0001e900"} {
		if got := Isolated(s); got != "\u2068"+s+"\u2069" {
			t.Errorf("%q is shown as %q", s, got)
		}
	}
	for _, s := range []string{"", "email.send", "größe", "发送", "भेजना", "ส่งอีเมล", "Ελλάδα"} {
		if got := Isolated(s); got != s {
			t.Errorf("%q is shown as %q", s, got)
		}
	}
}

// A name is copied from a terminal with what isolates it, or with one end of that.
func TestArgumentsLoseWhatIsolatesThem(t *testing.T) {
	got := WithoutIsolates([]string{"get", Isolated("عميل"), "عميل\u2069", "\u2068عميل", `{"a":"\u2068b\u2069"}`})
	if want := []string{"get", "عميل", "عميل", "عميل", `{"a":"\u2068b\u2069"}`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
