package task

import (
	"strings"
	"testing"
)

func TestNamesOfAnyScriptAreAccepted(t *testing.T) {
	for _, good := range []string{
		"a", "_", "0", "video.cut", "a:b/c@d+e=f-g_h", strings.Repeat("x", MaxNameLen), "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b",
		"发送邮件", "邮件.发送:北京/朝阳", "メール送信", "이메일", // CJK
		"إرسال", "مُهِمَّة", "فاتورة-٤٢", // Arabic, with vowel marks and digits
		"भेजना", "ग्राहक-४२", // Hindi: vowel signs and the virama are marks
		"ส่งอีเมล", "คิวที่๑", // Thai: tone marks
		"größe", "Ελλάδα", "отчёт", "ሰላም", "_é", "𠮷野家",
		strings.Repeat("é", 64),
	} {
		if err := CheckName(good); err != nil {
			t.Errorf("CheckName(%q): %v", good, err)
		}
	}
}

func TestInvalidNamesAreRefused(t *testing.T) {
	for bad, says := range map[string]string{
		"":                            "must not be empty",
		"{a}":                         `must not contain "{"`,
		"a}":                          `must not contain "}"`,
		"a b":                         `must not contain " "`,
		"a\nb":                        `must not contain "\n"`,
		"a\x00":                       `must not contain "\x00"`,
		"a*":                          `must not contain "*"`,
		"a#":                          `must not contain "#"`,
		"发 送":                         `must not contain " "`,
		"发\u3000送":                    `must not contain "\u3000"`, // the ideographic space
		"Ⅳ":                           `must not contain "Ⅳ"`,      // a number, not a decimal digit
		"🚀":                           `must not contain "🚀"`,
		"go🚀":                         `must not contain "🚀"`,
		"§1":                          `must not contain "§"`,
		"a\xff":                       "must be valid UTF-8",
		"\xed\xa0\x80":                "must be valid UTF-8", // half of a surrogate pair
		"a\ufffd":                     `must not contain "�"`,
		".hidden":                     `must start with a letter, a digit or _, not '.'`,
		"-flag":                       "must start with",
		"\u0301a":                     "must start with", // an accent
		"ิก":                          "must start with", // a Thai vowel sign
		"ab\u115f":                    "U+115F",          // Hangul fillers
		"\u1160":                      "U+1160",
		"\u3164":                      "U+3164",
		"a\uffa0":                     "U+FFA0",
		"a\ufe0f":                     "U+FE0F", // variation selectors
		"葛\U000e0100":                 "U+E0100",
		"ᠠ\u180b":                     "U+180B",
		"a\u034f":                     "U+034F", // the combining grapheme joiner
		"ក\u17b4":                     "U+17B4", // an inherent vowel of Khmer
		"a\u200d":                     "U+200D", // the zero-width joiner
		"a\u200c":                     "U+200C",
		"a\u00adb":                    "U+00AD",
		"\u202eabc":                   "U+202E", // right-to-left override
		"\u2068a\u2069":               "U+2068",
		"\ufeffa":                     "U+FEFF",
		"e\u0301":                     "NFC", // é in two characters
		"\u1100\u1161":                "NFC", // 가 in two
		"\u212b":                      "NFC", // the Ångström sign for Å
		strings.Repeat("x", 129):      "is 129 bytes long; the limit is 128",
		strings.Repeat("é", 64) + "x": "is 129 bytes long; the limit is 128",
		strings.Repeat("x", 1000):     "is 1000 bytes long; the limit is 128",
	} {
		if err := CheckName(bad); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("CheckName(%+q) = %v, want %q", Clip(bad), err, says)
		}
	}
}

func TestCheckNameAllocatesNothing(t *testing.T) {
	for _, name := range []string{"email.send", strings.Repeat("x", MaxNameLen), "发送邮件", "ส่งอีเมล"} {
		if n := testing.AllocsPerRun(100, func() { _ = CheckName(name) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestUniqueKeyKeepsNamesAndHashesOtherKeys(t *testing.T) {
	long := strings.Repeat("k", MaxUnique)
	for key, want := range map[string]string{
		"":                              "",
		"customer:7":                    "customer:7",
		"客户:7":                          "客户:7",
		strings.Repeat("x", MaxNameLen): strings.Repeat("x", MaxNameLen),
		// printf %s "$KEY" | sha256sum | head -c 32
		"two words":                       "#a03f1d611645eb53ad16c1af546ca079",
		"https://x.y/?a=1":                "#",
		long:                              "#",
		"e\u0301":                         "#",
		"{":                               "#",
		"#":                               "#",
		".a":                              "#",
		"客户 7":                            "#",
		strings.Repeat("x", MaxNameLen+1): "#",
	} {
		got := UniqueKey(key)
		if got != want && (want != "#" || len(got) != 33 || got[0] != '#') {
			t.Errorf("UniqueKey(%q) = %q, want %q", Clip(key), got, want)
		}
		if got != UniqueKey(strings.Clone(key)) || got != key && CheckName(got) == nil {
			t.Errorf("UniqueKey(%q) = %q, which is no stable key or may be the name of another", Clip(key), got)
		}
	}
	seen := map[string]bool{}
	for _, key := range []string{"a b", "a  b", "a b ", "a\x00b", long, long[1:] + " ", "#a03f1d611645eb53ad16c1af546ca079"} {
		if got := UniqueKey(key); seen[got] {
			t.Errorf("%q shares the key %s", Clip(key), got)
		} else {
			seen[got] = true
		}
	}
}

func FuzzUniqueKeyAndCheckNameAgree(f *testing.F) {
	for _, s := range []string{"", "a", ".a", "a b", "é", "e\u0301", "\xff", "🚀", "a\ufe0f", "#"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, isName := UniqueKey(s), CheckName(s) == nil; (got == s) != (isName || s == "") {
			t.Errorf("UniqueKey(%q) = %q, name %v", s, got, isName)
		}
	})
}

func BenchmarkCheckName(b *testing.B) {
	for _, name := range []string{"email.send", "0197f3a2-6c1e-7d3b-8a45-1f2e3d4c5b6a", "发送邮件"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if CheckName(name) != nil {
					b.Fatal(name)
				}
			}
		})
	}
}
