package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The page of the screens shows each screen of the browser tests in its language and in both themes, but those that
// look like another one.
func TestScreensAreThoseOfTheBrowserTests(t *testing.T) {
	source, err := os.ReadFile("../integration/browser/pages.js")
	if err != nil {
		t.Fatal(err)
	}
	list, rest, _ := strings.Cut(string(source), "];")
	alike := regexp.MustCompile(`"([a-z-]+)"`).FindAllString(list, -1)
	for lang, page := range map[string]string{"en": "screens.md", "zh": "zh/screens.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		shown := map[string]bool{}
		for _, m := range regexp.MustCompile(`console/([a-z-]+\.webp)`).FindAllStringSubmatch(string(text), -1) {
			shown[m[1]] = true
		}
		screens := 0
		for _, m := range regexp.MustCompile(`(?m)^  \[("[a-z-]+"),`).FindAllStringSubmatch(rest, -1) {
			if slices.Contains(alike, m[1]) {
				continue
			}
			screens++
			for _, theme := range []string{"light", "dark"} {
				name := fmt.Sprintf("%s-%s-%s.webp", strings.Trim(m[1], `"`), lang, theme)
				if _, err := os.Stat(filepath.Join("console", name)); err != nil || !shown[name] {
					t.Errorf("%s does not show %s, or the picture is missing: run make screenshots", page, name)
				}
				delete(shown, name)
			}
		}
		if screens < 20 || len(shown) > 0 {
			t.Errorf("%s: %d screens are known; it also shows %v", page, screens, shown)
		}
	}
}
