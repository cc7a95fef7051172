package console

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/internal/holdup"
)

var placeholder = regexp.MustCompile(`\{\d\}`)

func TestBothLanguagesHaveTheSameTexts(t *testing.T) {
	for key, english := range texts()["en"] {
		chinese, ok := texts()["zh"][key]
		if !ok || chinese == "" {
			t.Errorf("%s has no Chinese text", key)
		}
		a, b := placeholder.FindAllString(english, -1), placeholder.FindAllString(chinese, -1)
		slices.Sort(a)
		slices.Sort(b)
		if !slices.Equal(a, b) {
			t.Errorf("%s has %v in English and %v in Chinese", key, a, b)
		}
	}
	for key := range texts()["zh"] {
		if texts()["en"][key] == "" {
			t.Errorf("%s has no English text", key)
		}
	}
}

// sources returns the text of the Go files and the templates.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range []string{"*.go", "templates/*.html"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
	}
	return all.String()
}

// Each key that the pages name has a text, and each text is used.
func TestTextsAreThoseThatPagesUse(t *testing.T) {
	from := sources(t)
	for _, m := range regexp.MustCompile(`\.T "([a-z_.]+)"|"((?:error|trouble|archive|wrong|refusal|unit)\.[a-z_]+)"`).FindAllStringSubmatch(from, -1) {
		key := m[1] + m[2]
		if strings.HasSuffix(key, ".") || strings.HasSuffix(key, "_") { // the rest is made from a value
			continue
		}
		if texts()["en"][key] == "" {
			t.Errorf("%s has no text", key)
		}
	}
	for _, code := range holdup.Codes() {
		if texts()["en"]["waits."+code] == "" {
			t.Errorf("the reason %s has no text", code)
		}
	}
	made := []string{"nav.", "role.", "waits.", "step.", "error.4", "error.5", "error.no_", "bulk.verb_", "bulk.phase_", "bulk.left_", "action.pause", "action.resume", "field.", "hint.", "month.", "wrong.state_", "wrong.word_", "check.", "severity."}
	for key := range maps.Keys(texts()["en"]) {
		if !strings.Contains(from, `"`+key+`"`) && !slices.ContainsFunc(made, func(p string) bool { return strings.HasPrefix(key, p) }) {
			t.Errorf("the text %s is not used", key)
		}
	}
}

// The policy of the pages forbids scripts and styles inside of them.
func TestTemplatesHaveNoInlineScripts(t *testing.T) {
	err := fs.WalkDir(templateFiles, "templates", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := templateFiles.ReadFile(name)
		if found := regexp.MustCompile(`(?i)<style|<script>|\sstyle=|\son[a-z]+=|javascript:|https?://`).Find(text); found != nil {
			t.Errorf("%s has %q", name, found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The libraries are those that their list names.
func TestVendoredFilesAreThoseOfTheList(t *testing.T) {
	raw, err := assetFiles.ReadFile("assets/vendor/vendor.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct{ File, Package, Version, Licence, SHA256 string }
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	files, err := assetFiles.ReadDir("assets/vendor")
	if err != nil || len(files) != len(list)+1 {
		t.Fatalf("%d files, %d in the list, %v", len(files), len(list), err)
	}
	for _, f := range list {
		data, err := assetFiles.ReadFile("assets/vendor/" + f.File)
		sum := sha256.Sum256(data)
		if err != nil || hex.EncodeToString(sum[:]) != f.SHA256 || f.Version == "" || f.Licence == "" {
			t.Errorf("%+v: %x, %v", f, sum, err)
		}
	}
}

func TestTextsAreShownWithoutControlCharacters(t *testing.T) {
	for in, want := range map[string]string{
		"plain\n\ttext": "plain\n\ttext",
		"\u202eab":      "\uFFFDab",
		"a\x1b[31m":     "a\uFFFD[31m",
		"\xff\xfe\x00":  "3 bytes: ff fe 00 …",
	} {
		if got := readable(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
	if got := readable(strings.Repeat("é", shown)); len(got) > shown+60 || !strings.Contains(got, "of 131072 bytes") {
		t.Errorf("%d bytes of a long text", len(got))
	}
	if got := indented([]byte(`{"a":1}`)); got != "{\n  \"a\": 1\n}" {
		t.Errorf("%q", got)
	}
}
